import { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { onAbort } from '@millrace/flow/abort.js';
import { Client, type ClientConfig } from 'pg';
import { connectError, isRefusedByServer, sqlStateOf } from './connect-error.js';
import { type TlsAttempt, tlsAttempts } from './connection-tls.js';
import type { ConnectionSettings, HostAddress } from './connection-url.js';

/** Of one host, unless the URL says otherwise: with the pause after it, a host that comes back is found within 10 s. */
const CONNECT_TIMEOUT_MS = 5_000;
const CLOSE_TIMEOUT_MS = 2_000;

export interface SessionOptions {
  /** Shown in pg_stat_activity; PostgreSQL cuts it at 63 bytes. */
  readonly applicationName: string;
  /** Settings that hold from the first statement on; they win over those of the URL. */
  readonly settings: Readonly<Record<string, string>>;
  /** True: a walsender (`replication=database`), which takes replication commands and plain SQL without parameters. */
  readonly replication?: boolean;
  /** Its abort ends the session at once, while it opens and afterwards: an open query then fails as over a lost connection. */
  readonly signal?: AbortSignal;
}

/**
 * Connects as libpq does: each host in turn with each way its sslmode allows, for as long as the URL's connect_timeout says, or 5 s,
 * per host. A connection that is lost later shows in the
 * next query's error; it raises no event that nobody listens to.
 * @throws MillraceError ENDPOINT_UNREACHABLE, ENDPOINT_STARTING, ENDPOINT_CONNECTIONS_EXHAUSTED (retry); ENDPOINT_AUTHENTICATION,
 * ENDPOINT_DATABASE_MISSING, ENDPOINT_TLS_REFUSED, ENDPOINT_TLS_ROOTS_MISSING, ENDPOINT_CONNECT_REFUSED (operator).
 */
export async function connect(connection: ConnectionSettings, options: SessionOptions): Promise<Client> {
  let last: unknown;
  for (const address of connection.hosts) {
    const deadline = performance.now() + connectTimeoutMs(connection);
    let telling: unknown;
    for (const tls of tlsAttempts(connection, address.host)) {
      try {
        return await connectOnce(connection, { address, tls, deadline }, options);
      } catch (cause) {
        options.signal?.throwIfAborted();
        // Of two attempts the more telling one is shown: a server's own answer, else the last.
        if (sqlStateOf(telling) === null || sqlStateOf(cause) !== null) telling = cause;
        if (isRefusedByServer(cause)) break;
        if (!fallsBack(cause)) break;
      }
    }
    last = telling;
    // A server that answered and refused the login ends the search.
    if (isRefusedByServer(last)) break;
  }
  throw connectError(last, connection);
}

/**
 * Ends the session with an error unless it is disposed within the time: what sets a session up must not wait for ever for a server
 * that has fallen silent.
 */
export function timeLimit(client: Client, limitMs: number): Disposable {
  const timer = setTimeout(() => {
    const error = new Error(`no answer within ${Math.round(limitMs / 1_000)} s`);
    client.connection.stream.destroy(Object.assign(error, { code: 'ETIMEDOUT' }));
  }, limitMs);
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}

/** How long connecting to one host, or setting a session up, may take. */
export function connectTimeoutMs({ connectTimeoutSeconds }: ConnectionSettings): number {
  return connectTimeoutSeconds > 0 ? connectTimeoutSeconds * 1_000 : CONNECT_TIMEOUT_MS;
}

/** Ends a session; a server that does not answer is left after a moment, since its side of it ends with the socket. */
export async function closeSession(client: Client): Promise<void> {
  const ended = client.end().catch(() => undefined);
  const deadline = new AbortController();
  const late = delay(CLOSE_TIMEOUT_MS, 'late' as const, { signal: deadline.signal }).catch(() => 'done' as const);
  if ((await Promise.race([ended, late])) === 'late') client.connection.stream.destroy();
  deadline.abort();
}

/** Settings as the startup packet's `options`: what the URL asks for comes first, so that ours hold. */
function startupOptions(fromUrl: string, settings: Readonly<Record<string, string>>): string {
  const ours = Object.entries(settings).map(([name, value]) => `-c ${name}=${value.replace(/[\\\s]/g, '\\$&')}`);
  return [...(fromUrl === '' ? [] : [fromUrl]), ...ours].join(' ');
}

/** Whether another TLS attempt on the same host could help: not where the host itself cannot be reached. */
function fallsBack(cause: unknown): boolean {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  return (
    typeof code !== 'string' ||
    !['ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT', 'EAI_AGAIN', 'ENOENT'].includes(code)
  );
}

/** A socket that reads at most one chunk ahead while it is paused, so that pausing leaves the rest with the kernel and the server. */
function pausableSocket(): Socket {
  const options = { allowHalfOpen: false, readableHighWaterMark: 1 };
  return new Socket(options);
}

async function connectOnce(
  connection: ConnectionSettings,
  { address, tls, deadline }: { readonly address: HostAddress; readonly tls: TlsAttempt; readonly deadline: number },
  options: SessionOptions,
): Promise<Client> {
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
    options: startupOptions(connection.options, options.settings),
    keepAlive: true,
    keepAliveInitialDelayMillis: 30_000,
    ...(options.replication === true ? { replication: 'database' as const, stream: pausableSocket } : {}),
  };
  const client = new Client(config);
  client.on('error', () => undefined);
  const link = onAbort(options.signal, () => client.connection.stream.destroy(new Error('aborted')));
  client.once('end', () => link[Symbol.dispose]());
  using _ = timeLimit(client, Math.max(0, deadline - performance.now()));
  try {
    await client.connect();
    return client;
  } catch (cause) {
    link[Symbol.dispose]();
    client.connection.stream.destroy();
    throw cause;
  }
}
