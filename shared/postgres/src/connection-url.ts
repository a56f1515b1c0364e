import { userInfo } from 'node:os';
import { MillraceError } from '@millrace/errors/millrace-error.js';

const SSL_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;
export type SslMode = (typeof SSL_MODES)[number];

export interface HostAddress {
  /** A host name or address, or a directory (begins with `/`) that holds the server's socket. */
  readonly host: string;
  readonly port: number;
}

/** Which end of a task a connection is: named in its errors. */
export type End = 'source' | 'target';

/** A PostgreSQL connection URL, read. Holds the password: show `describeConnection(…)` instead. */
export interface ConnectionSettings {
  readonly end: End;
  /** Tried in order, as libpq does. */
  readonly hosts: readonly HostAddress[];
  readonly user: string;
  /** Null: PGPASSWORD and the password file are asked. */
  readonly password: string | null;
  readonly database: string;
  readonly sslMode: SslMode;
  /** File of trusted roots, or `system` for those that Node brings. Null: `~/.postgresql/root.crt` where it is there. */
  readonly sslRootCert: string | null;
  readonly sslCert: string | null;
  readonly sslKey: string | null;
  readonly sslPassword: string | null;
  /** Per host; 0: Millrace's own limit. */
  readonly connectTimeoutSeconds: number;
  /** Command-line options for the server, as the URL gives them. */
  readonly options: string;
}

/** Parameters that tune libpq's sockets or name the client; Millrace sets its own, so they change nothing. */
const IGNORED = new Set([
  'application_name',
  'fallback_application_name',
  'client_encoding',
  'keepalives',
  'keepalives_idle',
  'keepalives_interval',
  'keepalives_count',
  'tcp_user_timeout',
  'sslcompression',
  'sslsni',
]);

/** Parameters whose meaning Millrace does not implement: only the values that ask for nothing are taken. */
const ONLY: Readonly<Record<string, readonly string[]>> = {
  gssencmode: ['disable', 'prefer'],
  channel_binding: ['disable', 'prefer'],
  target_session_attrs: ['any'],
  load_balance_hosts: ['disable'],
  sslnegotiation: ['postgres'],
};

/**
 * Reads a connection URL as libpq reads it (PostgreSQL manual, 34.1.1.2 Connection URIs): percent-encoding in every part,
 * several hosts, IPv6 in brackets, a socket directory as host, parameters that overwrite what stands before the `?`.
 * @throws MillraceError ENDPOINT_URL_INVALID naming the offending part, never its secret.
 */
export function parseConnectionUrl(url: string, end: End): ConnectionSettings {
  try {
    return { end, ...readUrl(url) };
  } catch (error) {
    if (!(error instanceof UrlProblem)) throw error;
    throw new MillraceError('ENDPOINT_URL_INVALID', { end, part: error.part, reason: error.reason }, { cause: error.cause });
  }
}

/** What is wrong with a part of the URL; the part is named, a secret never shown. */
class UrlProblem extends Error {
  constructor(
    readonly part: string,
    readonly reason: string,
    options: { readonly cause?: unknown },
  ) {
    super(reason, options);
  }
}

function readUrl(url: string): Omit<ConnectionSettings, 'end'> {
  const scheme = /^postgres(?:ql)?:\/\//.exec(url);
  if (scheme === null) throw invalid('the scheme', 'a PostgreSQL URL begins with postgresql:// or postgres://');
  const rest = url.slice(scheme[0].length);

  const queryStart = rest.indexOf('?', credentialsEnd(rest));
  const authority = queryStart < 0 ? rest : rest.slice(0, queryStart);
  const parameters = readParameters(queryStart < 0 ? '' : rest.slice(queryStart + 1));

  const userEnd = credentialsEnd(authority);
  const [userPart, passwordPart] = splitOnce(userEnd === 0 ? '' : authority.slice(0, userEnd - 1), ':');
  const [hostPart, databasePart] = splitOnce(authority.slice(userEnd), '/');

  const parameter = (name: string): string | null => {
    const value = parameters.get(name);
    return value === undefined || value === '' ? null : value;
  };
  const user = parameter('user') ?? nonEmpty(decode(userPart, 'the user')) ?? userInfo().username;
  const sslMode = readSslMode(parameters);
  const timeout = parameter('connect_timeout');
  if (timeout !== null && !/^\d{1,6}$/.test(timeout)) throw invalid('connect_timeout', `"${timeout}" is no number of seconds`);
  return {
    hosts: readHosts(hostPart, parameter('host'), parameter('port')),
    user,
    password: parameter('password') ?? (passwordPart === null ? null : nonEmpty(decode(passwordPart, 'the password', true))),
    database: parameter('dbname') ?? nonEmpty(decode(databasePart ?? '', 'the database')) ?? user,
    sslMode,
    sslRootCert: parameter('sslrootcert'),
    sslCert: parameter('sslcert'),
    sslKey: parameter('sslkey'),
    sslPassword: parameter('sslpassword'),
    connectTimeoutSeconds: timeout === null ? 0 : Number(timeout),
    options: parameter('options') ?? '',
  };
}

/** `user@host:port/database`, for messages: everything but the secrets. */
export function describeConnection(connection: ConnectionSettings): string {
  const hosts = connection.hosts.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`);
  return `${connection.user}@${hosts.join(',')}/${connection.database}`;
}

/** Index after the `@` that ends user and password, 0 where there are none: libpq takes the first `@` before any `/`. */
function credentialsEnd(text: string): number {
  const found = /[@/]/.exec(text);
  return found !== null && found[0] === '@' ? found.index + 1 : 0;
}

function readHosts(hostPart: string, hostParameter: string | null, portParameter: string | null): readonly HostAddress[] {
  const addresses = hostPart.split(',').map(readHost);
  const names = hostParameter === null ? addresses.map(({ host }) => host) : hostParameter.split(',');
  const ports = portParameter === null ? addresses.map(({ port }) => port) : portParameter.split(',').map(readPort);
  return names.map((host, index) => {
    // libpq: one port serves all hosts, else there is one each.
    const port = ports.length === 1 ? ports[0] : ports[index];
    if (port === undefined || (ports.length > 1 && ports.length !== names.length)) {
      throw invalid('the ports', `there are ${ports.length} for ${names.length} hosts`);
    }
    return { host: host === '' ? 'localhost' : host, port };
  });
}

function readHost(part: string): HostAddress {
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(.*))?$/s.exec(part);
  if (match === null) throw invalid('the host', 'an IPv6 address stands in brackets, and a port after a colon');
  return { host: decode(match[1] ?? match[2] ?? '', 'the host'), port: readPort(decode(match[3] ?? '', 'the port')) };
}

function readPort(text: string): number {
  if (text === '') return 5432;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535) throw invalid('the port', `"${text}" is not between 1 and 65535`);
  return port;
}

function readParameters(query: string): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>();
  for (const pair of query === '' ? [] : query.split('&')) {
    const [encodedName, encodedValue] = splitOnce(pair, '=');
    const name = decode(encodedName, 'a parameter name');
    if (encodedValue === null) throw invalid(`the parameter "${name}"`, 'it has no value');
    const secret = name === 'password' || name === 'sslpassword';
    const value = decode(encodedValue, `the parameter "${name}"`, secret);
    if (IGNORED.has(name)) continue;
    const only = ONLY[name];
    if (only !== undefined) {
      if (!only.includes(value)) throw invalid(`the parameter "${name}"`, `Millrace takes only ${only.join(' or ')} here`);
    } else if (!KNOWN.has(name)) {
      throw invalid(`the parameter "${name}"`, 'no such parameter');
    } else {
      parameters.set(name, value);
    }
  }
  return parameters;
}

const KNOWN = new Set([
  'host',
  'port',
  'user',
  'password',
  'dbname',
  'sslmode',
  'ssl',
  'sslrootcert',
  'sslcert',
  'sslkey',
  'sslpassword',
  'connect_timeout',
  'options',
]);

function readSslMode(parameters: ReadonlyMap<string, string>): SslMode {
  // libpq takes ssl=true, JDBC's word, for sslmode=require.
  const ssl = parameters.get('ssl');
  if (ssl !== undefined && ssl !== 'true') throw invalid('the parameter "ssl"', 'only ssl=true is known; use sslmode');
  const word = parameters.get('sslmode') ?? (ssl === 'true' ? 'require' : 'prefer');
  const mode = SSL_MODES.find((each) => each === word);
  if (mode === undefined) throw invalid('the parameter "sslmode"', `"${word}" is none of ${SSL_MODES.join(', ')}`);
  return mode;
}

function decode(text: string, part: string, secret = false): string {
  const bad = /%(?![0-9a-fA-F]{2})|%00/.exec(text);
  if (bad !== null) {
    const shown = secret ? 'a % in it' : `"${text.slice(bad.index, bad.index + 3)}"`;
    throw invalid(part, `${shown} is no percent-encoded character; a plain % is written %25`);
  }
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw invalid(part, 'its percent-encoded bytes are not UTF-8', cause);
  }
}

function splitOnce(text: string, separator: string): readonly [string, string | null] {
  const index = text.indexOf(separator);
  return index < 0 ? [text, null] : [text.slice(0, index), text.slice(index + 1)];
}

function nonEmpty(text: string): string | null {
  return text === '' ? null : text;
}

function invalid(part: string, reason: string, cause?: unknown): UrlProblem {
  return new UrlProblem(part, reason, { cause });
}
