import { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Client, type ClientConfig } from 'pg';
import { type TlsAttempt, tlsAttempts } from './connection-tls.js';
import { type ConnectionSettings, describeConnection, type HostAddress } from './connection-url.js';
import { connectError, isRefusedByServer, sqlStateOf } from './connect-error.js';

/**
 * Fixed for every session, the walsender's too, because they decide how values become text: a value has the same bytes
 * in the snapshot and in the stream, and names in catalogue expressions are always schema-qualified.
 * `row_security=off` makes a read fail where a policy would silently hide rows from it.
 */
const SESSION_SETTINGS = {
  DateStyle: 'ISO',
  IntervalStyle: 'postgres',
  TimeZone: 'UTC',
  // Since PostgreSQL 12 every value above 0 gives the shortest text that reads back as the same number.
  extra_float_digits: '3',
  bytea_output: 'hex',
  lc_monetary: 'C',
  xmloption: 'content',
  search_path: 'pg_catalog',
  quote_all_identifiers: 'off',
  standard_conforming_strings: 'on',
  row_security: 'off',
  statement_timeout: '0',
  lock_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  // Catalogue queries are wide and short: compiling them costs more than running them.
  jit: 'off',
} as const satisfies Record<string, string>;

/**
 * Settings that only newer servers know: a role's or database's time-out must not end a session that waits, and a query whose
 * client has gone must not go on waiting for a lock.
 */
const SETTINGS_WHERE_KNOWN = {
  idle_session_timeout: '0',
  transaction_timeout: '0',
  client_connection_check_interval: '10s',
} as const satisfies Record<string, string>;

const CONNECT_TIMEOUT_MS = 20_000;
const CLOSE_TIMEOUT_MS = 2_000;

export interface SessionOptions {
  /** Shown in pg_stat_activity; PostgreSQL cuts it at 63 bytes. */
  readonly applicationName: string;
  /** True: a walsender (`replication=database`), which takes replication commands and plain SQL without parameters. */
  readonly replication?: boolean;
  readonly signal?: AbortSignal;
}

/**
 * Opens a session with Millrace's fixed settings. A connection that is lost later shows in the next query's error;
 * it raises no event that nobody listens to.
 * @throws MillraceError SOURCE_UNREACHABLE, SOURCE_STARTING, SOURCE_CONNECTIONS_EXHAUSTED (retry); SOURCE_AUTHENTICATION,
 * SOURCE_DATABASE_MISSING, SOURCE_TLS_REFUSED, SOURCE_TLS_ROOTS_MISSING, SOURCE_CONNECT_REFUSED (operator).
 */
export async function openSession(connection: ConnectionSettings, options: SessionOptions): Promise<Client> {
  const client = await connectToAnyHost(connection, options);
  try {
    const wanted = Object.entries(SETTINGS_WHERE_KNOWN).map(([name, value]) => `('${name}', '${value}')`);
    // A walsender takes no parameters.
    await client.query(`SELECT set_config(name, value, false) FROM (VALUES ${wanted.join(', ')}) wanted (name, value) JOIN pg_settings USING (name)`);
    return client;
  } catch (cause) {
    await closeSession(client);
    throw connectError(cause, describeConnection(connection), connection.sslMode);
  }
}

/** Ends a session; a server that does not answer is left after a moment, since its side of it ends with the socket. */
export async function closeSession(client: Client): Promise<void> {
  if (client.connection.stream.destroyed) return;
  const ended = client.end().catch(() => undefined);
  const deadline = new AbortController();
  const late = delay(CLOSE_TIMEOUT_MS, 'late' as const, { signal: deadline.signal }).catch(() => 'done' as const);
  if ((await Promise.race([ended, late])) === 'late') client.connection.stream.destroy();
  deadline.abort();
}

/** The fixed settings as the startup packet's `options`: what the URL asks for comes first, so that ours hold. */
export function startupOptions(fromUrl: string): string {
  const ours = Object.entries(SESSION_SETTINGS).map(([name, value]) => `-c ${name}=${value.replace(/[\\\s]/g, '\\$&')}`);
  return [...(fromUrl === '' ? [] : [fromUrl]), ...ours].join(' ');
}

/** libpq's order: each host in turn with each way its sslmode allows; a server that answered and refused the login ends the search. */
async function connectToAnyHost(connection: ConnectionSettings, options: SessionOptions): Promise<Client> {
  const where = describeConnection(connection);
  let last: unknown;
  for (const address of connection.hosts) {
    let first: unknown;
    for (const tls of tlsAttempts(connection, address.host)) {
      try {
        return await connectOnce(connection, address, tls, options);
      } catch (cause) {
        options.signal?.throwIfAborted();
        // Of two attempts the more telling one is shown: a server's own answer rather than "no TLS here".
        if (first === undefined || sqlStateOf(cause) !== null) first = cause;
        if (isRefusedByServer(cause)) break;
        if (!fallsBack(cause)) break;
      }
    }
    last = first;
    if (isRefusedByServer(last)) break;
  }
  throw connectError(last, where, connection.sslMode);
}

/** Whether another TLS attempt on the same host could help: not where the host itself cannot be reached. */
function fallsBack(cause: unknown): boolean {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  return typeof code !== 'string' || !['ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT', 'EAI_AGAIN', 'ENOENT'].includes(code);
}

/** A socket that reads at most one chunk ahead while it is paused, so that pausing leaves the rest with the kernel and the server. */
function pausableSocket(): Socket {
  const options = { allowHalfOpen: false, readableHighWaterMark: 1 };
  return new Socket(options);
}

async function connectOnce(connection: ConnectionSettings, address: HostAddress, tls: TlsAttempt, options: SessionOptions): Promise<Client> {
  options.signal?.throwIfAborted();
  const config: ClientConfig & { readonly replication?: 'database' } = {
    host: address.host,
    port: address.port,
    user: connection.user,
    database: connection.database,
    ...(connection.password === null ? {} : { password: connection.password }),
    ssl: tls,
    sslnegotiation: 'postgres',
    application_name: options.applicationName,
    options: startupOptions(connection.options),
    keepAlive: true,
    keepAliveInitialDelayMillis: 30_000,
    connectionTimeoutMillis: connection.connectTimeoutSeconds > 0 ? connection.connectTimeoutSeconds * 1_000 : CONNECT_TIMEOUT_MS,
    ...(options.replication === true ? { replication: 'database' as const, stream: pausableSocket } : {}),
  };
  const client = new Client(config);
  client.on('error', () => undefined);
  const abort = (): void => {
    client.connection.stream.destroy(new Error('aborted'));
  };
  options.signal?.addEventListener('abort', abort, { once: true });
  try {
    await client.connect();
    return client;
  } catch (cause) {
    client.connection.stream.destroy();
    throw cause;
  } finally {
    options.signal?.removeEventListener('abort', abort);
  }
}
