import { readFileSync } from 'node:fs';
import { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { invariant, MillraceError } from '@millrace/errors/millrace-error.js';
import { onAbort } from '@millrace/flow/abort.js';
import { type ConnectionOptions, type Connection as CoreConnection, createConnection, type SslOptions } from 'mysql2';
import type { Connection } from 'mysql2/promise';
import { connectError, errorCodeOf } from './connect-error.js';
import type { ConnectionSettings } from './connection-url.js';

/** Unless the URL says otherwise: with the pause after it, a host that comes back is found within 10 s. */
const CONNECT_TIMEOUT_MS = 5_000;
const CLOSE_TIMEOUT_MS = 2_000;

/**
 * What every session of Millrace relies on, whatever the server's or the user's defaults are: UTF-8, UTC, refused values in place of
 * bent ones, backslash escapes as the driver writes them, 0 as a value for AUTO_INCREMENT columns, dates that the source holds.
 */
const BASE_SETTINGS = `SET NAMES utf8mb4, SESSION time_zone = '+00:00', SESSION sql_mode =
  'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO'`;

export interface SessionOptions {
  /** `program_name` in performance_schema.session_connect_attrs. */
  readonly applicationName: string;
  /** Session variables and their values as SQL expressions, e.g. `{ net_write_timeout: '600' }`. */
  readonly settings: Readonly<Record<string, string>>;
  /** Several statements in one packet; for texts that Millrace made, never for a user's. */
  readonly multipleStatements?: boolean;
  /** Its abort ends the session at once, while it opens and afterwards: an open query then fails as over a lost connection. */
  readonly signal?: AbortSignal;
}

/**
 * Opens a session. Values come as the server's own text: no Date, no rounded number, no parsed JSON. The server cannot read files: a
 * LOAD DATA LOCAL is answered only where the query brings its own stream. A connection that is lost later shows in the next query's
 * error; it raises no event that nobody listens to.
 * @throws MillraceError ENDPOINT_UNREACHABLE, ENDPOINT_STARTING, ENDPOINT_CONNECTIONS_EXHAUSTED (retry); ENDPOINT_AUTHENTICATION,
 * ENDPOINT_DATABASE_MISSING, ENDPOINT_TLS_REFUSED, ENDPOINT_CONNECT_REFUSED (operator).
 */
export async function connect(settings: ConnectionSettings, options: SessionOptions): Promise<Connection> {
  const deadline = performance.now() + connectTimeoutMs(settings);
  try {
    const [first, second] = tlsAttempts(settings);
    try {
      return await connectOnce(settings, options, { ssl: first, deadline });
    } catch (error) {
      options.signal?.throwIfAborted();
      // PREFERRED: a server without TLS is spoken to without; what fails in TLS itself is not.
      if (second === undefined || errorCodeOf(error) !== 'HANDSHAKE_NO_SSL_SUPPORT') throw error;
      return await connectOnce(settings, options, { ssl: second, deadline });
    }
  } catch (error) {
    options.signal?.throwIfAborted();
    throw connectError(error, settings);
  }
}

const cores = new WeakMap<Connection, CoreConnection>();

/** The session behind the promises: for streams of rows, and for commands of one's own. */
export function coreOf(session: Connection): CoreConnection {
  const core = cores.get(session);
  invariant(core !== undefined, 'a session was opened by connect');
  return core;
}

/** How long connecting, or setting a session up, may take. */
export function connectTimeoutMs({ connectTimeoutMs: given }: ConnectionSettings): number {
  return given > 0 ? given : CONNECT_TIMEOUT_MS;
}

/** Ends a session; a server that does not answer is left after a moment, since its side of it ends with the socket. */
export async function closeSession(connection: Connection): Promise<void> {
  const ended = connection.end().catch(() => undefined);
  const deadline = new AbortController();
  const late = delay(CLOSE_TIMEOUT_MS, 'late' as const, { signal: deadline.signal }).catch(() => 'done' as const);
  if ((await Promise.race([ended, late])) === 'late') connection.destroy();
  deadline.abort();
}

async function connectOnce(
  settings: ConnectionSettings,
  options: SessionOptions,
  { ssl, deadline }: { readonly ssl: SslOptions | false; readonly deadline: number },
): Promise<Connection> {
  options.signal?.throwIfAborted();
  const config: ConnectionOptions = {
    ...(settings.socket === null ? { host: settings.host, port: settings.port } : { socketPath: settings.socket }),
    user: settings.user,
    ...(settings.password === null ? {} : { password: settings.password }),
    ...(settings.database === null ? {} : { database: settings.database }),
    ...(ssl === false ? {} : { ssl }),
    // Id 45 in every version of both engines; SET NAMES makes its collation the server's own default.
    charset: 'UTF8MB4_GENERAL_CI',
    supportBigNumbers: true,
    bigNumberStrings: true,
    dateStrings: true,
    jsonStrings: true,
    multipleStatements: options.multipleStatements === true,
    connectAttributes: { program_name: options.applicationName },
    enableKeepAlive: true,
    keepAliveInitialDelay: 30_000,
    connectTimeout: Math.max(1, deadline - performance.now()),
  };
  const core = createConnection(config);
  core.on('error', () => undefined);
  const link = onAbort(options.signal, () => abandon(core));
  socketOf(core)?.once('close', () => link[Symbol.dispose]());
  const late = setTimeout(() => core.destroy(), Math.max(0, deadline - performance.now()));
  const session = core.promise();
  cores.set(session, core);
  try {
    await session.connect();
    await session.query(BASE_SETTINGS);
    const more = Object.entries(options.settings).map(([name, value]) => `SESSION ${name} = ${value}`);
    if (more.length > 0) await session.query(`SET ${more.join(', ')}`);
    return session;
  } catch (error) {
    link[Symbol.dispose]();
    core.destroy();
    throw error;
  } finally {
    clearTimeout(late);
  }
}

/** Ends a session at once; the driver's own destroy would leave whoever waits for an open query waiting for ever. */
function abandon(core: CoreConnection): void {
  const socket = socketOf(core);
  if (socket === undefined) core.destroy();
  else socket.destroy(Object.assign(new Error('the session was ended'), { code: 'PROTOCOL_CONNECTION_LOST' }));
}

/** The driver's types leave it out. */
function socketOf(core: CoreConnection): Duplex | undefined {
  const stream: unknown = Reflect.get(core, 'stream');
  return stream instanceof Duplex ? stream : undefined;
}

/** What to try in order, as MySQL's --ssl-mode says; sockets in the file system have no TLS. */
function tlsAttempts(settings: ConnectionSettings): readonly [SslOptions | false, ...false[]] {
  const { sslMode: mode, socket } = settings;
  if (mode === 'DISABLED' || socket !== null) return [false];
  const verify = mode === 'VERIFY_CA' || mode === 'VERIFY_IDENTITY';
  const secure: SslOptions = {
    rejectUnauthorized: verify,
    verifyIdentity: mode === 'VERIFY_IDENTITY',
    minVersion: 'TLSv1.2',
    ...readFiles(settings),
  };
  return mode === 'PREFERRED' ? [secure, false] : [secure];
}

function readFiles(settings: ConnectionSettings): Pick<SslOptions, 'ca' | 'cert' | 'key'> {
  const read = (path: string | null, parameter: string): string | undefined => {
    if (path === null) return undefined;
    try {
      return readFileSync(path, 'utf8');
    } catch (cause) {
      const details = { end: settings.end, part: `the parameter "${parameter}"`, reason: `cannot read the file ${path}` };
      throw new MillraceError('ENDPOINT_URL_INVALID', details, { cause });
    }
  };
  const ca = read(settings.sslCa, 'ssl-ca');
  const cert = read(settings.sslCert, 'ssl-cert');
  const key = read(settings.sslKey, 'ssl-key');
  return { ...(ca === undefined ? {} : { ca }), ...(cert === undefined ? {} : { cert }), ...(key === undefined ? {} : { key }) };
}
