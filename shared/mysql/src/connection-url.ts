import { MillraceError } from '@millrace/errors/millrace-error.js';

/** MySQL's own words for TLS (MySQL manual, "Command Options for Encrypted Connections", --ssl-mode). */
const SSL_MODES = ['DISABLED', 'PREFERRED', 'REQUIRED', 'VERIFY_CA', 'VERIFY_IDENTITY'] as const;
export type SslMode = (typeof SSL_MODES)[number];

/** Which end of a task a connection is: named in its errors. */
export type End = 'source' | 'target';

/** A connection URL of MySQL or MariaDB, read. Holds the password: show `describeConnection(…)` instead. */
export interface ConnectionSettings {
  readonly end: End;
  readonly host: string;
  readonly port: number;
  /** Path of the server's socket, in place of host and port; null: TCP. */
  readonly socket: string | null;
  readonly user: string;
  readonly password: string | null;
  /** Null: none is chosen; every statement of Millrace names its database. */
  readonly database: string | null;
  readonly sslMode: SslMode;
  /** File of trusted authorities; null: those that Node brings. */
  readonly sslCa: string | null;
  readonly sslCert: string | null;
  readonly sslKey: string | null;
  /** 0: Millrace's own limit. */
  readonly connectTimeoutMs: number;
}

const PARAMETERS = new Set(['ssl-mode', 'ssl-ca', 'ssl-cert', 'ssl-key', 'socket', 'connect-timeout']);

/**
 * Reads `mysql://user:password@host:port/database?ssl-mode=…` (also `mariadb://`), percent-encoded in every part, with the parameters
 * of MySQL's own URI-like strings (MySQL manual, "Connecting to the Server Using URI-Like Strings"): ssl-mode, ssl-ca, ssl-cert,
 * ssl-key, socket, connect-timeout in milliseconds.
 * @throws MillraceError ENDPOINT_URL_INVALID naming the offending part, never its secret.
 */
export function parseConnectionUrl(text: string, end: End): ConnectionSettings {
  const invalid = (part: string, reason: string, cause?: unknown): MillraceError =>
    new MillraceError('ENDPOINT_URL_INVALID', { end, part, reason }, { cause });
  if (!/^(mysql|mariadb):\/\//i.test(text)) throw invalid('the scheme', 'a URL of MySQL begins with mysql:// or mariadb://');
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    // Node's error holds the whole URL, password and all.
    throw invalid('the address', 'host or port cannot be read; characters such as @ : / ? # % are written percent-encoded');
  }
  const decode = (encoded: string, part: string): string => {
    try {
      return decodeURIComponent(encoded);
    } catch {
      throw invalid(part, 'its percent-encoded characters are not UTF-8; a plain % is written %25');
    }
  };
  for (const [name, value] of url.searchParams) {
    if (!PARAMETERS.has(name))
      throw invalid(`the parameter "${name}"`, `no such parameter; there are ${[...PARAMETERS].join(', ')}`);
    if (value === '') throw invalid(`the parameter "${name}"`, 'it has no value');
  }
  const word = (url.searchParams.get('ssl-mode') ?? 'PREFERRED').toUpperCase();
  const sslMode = SSL_MODES.find((mode) => mode === word);
  if (sslMode === undefined) throw invalid('the parameter "ssl-mode"', `"${word}" is none of ${SSL_MODES.join(', ')}`);
  const timeout = url.searchParams.get('connect-timeout') ?? '0';
  if (!/^\d{1,7}$/.test(timeout)) throw invalid('the parameter "connect-timeout"', `"${timeout}" is no number of milliseconds`);
  if (url.username === '') throw invalid('the user', 'there is none');
  const database = decode(url.pathname.replace(/^\//, ''), 'the database');
  return {
    end,
    host: url.hostname === '' ? 'localhost' : decode(url.hostname, 'the host').replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? 3306 : Number(url.port),
    socket: url.searchParams.get('socket'),
    user: decode(url.username, 'the user'),
    password: url.password === '' ? null : decode(url.password, 'the password'),
    database: database === '' ? null : database,
    sslMode,
    sslCa: url.searchParams.get('ssl-ca'),
    sslCert: url.searchParams.get('ssl-cert'),
    sslKey: url.searchParams.get('ssl-key'),
    connectTimeoutMs: Number(timeout),
  };
}

/** `user@host:port/database`, for messages: everything but the secrets. */
export function describeConnection({ user, host, port, socket, database }: ConnectionSettings): string {
  const where = socket ?? `${host.includes(':') ? `[${host}]` : host}:${port}`;
  return `${user}@${where}/${database ?? ''}`;
}
