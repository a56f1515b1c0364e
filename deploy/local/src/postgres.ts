import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import pg from 'pg';
import { postgresBinaries } from './postgres-binaries.js';
import { type Report, reportToTerminal } from './progress.js';
import { runProgram } from './run-program.js';
import { type LocalServer, portFor, runningServer, ServerProcess } from './server-process.js';
import { folderFor, type ServerUser, unprivilegedUser } from './server-user.js';
import { reasonText } from './wait-until.js';

export interface PostgresOptions {
  /** Holds data, log, port and pid; made if missing, opened again if there. */
  readonly dir: string;
  /** Without it: the port of the last time, else `preferredPort`, where they are free, else any free one. */
  readonly port?: number;
  readonly preferredPort?: number;
  /** Server settings beside those for logical replication, e.g. `{ fsync: 'off' }` where a test may lose its data. */
  readonly settings?: Readonly<Record<string, string>>;
  /** 13 to 18; fetched where it is not installed. Without it: what made the data, else the newest installed one. */
  readonly major?: number;
  /** Made if missing; the URL names it. Default: `postgres`. */
  readonly database?: string;
  /** Use the server that runs from this folder already, if one does. */
  readonly adopt?: boolean;
  readonly report?: Report;
}

export interface PostgresServer extends LocalServer {
  /** `postgres://postgres@127.0.0.1:PORT/DATABASE`: the superuser, without a password, from this machine alone. */
  readonly url: string;
  readonly port: number;
  /** Folder of the programs that run it; `psql` and `pgbench` are there where PostgreSQL was installed by a package. */
  readonly bin: string;
  /** 13 to 18. */
  readonly major: number;
}

const READY_DEADLINE_MS = 60_000;

/** Small memory, and room for the slots and connections of many tests at once. fsync and synchronous_commit stay on. */
const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  wal_level: 'logical',
  max_replication_slots: '50',
  max_wal_senders: '50',
  max_connections: '200',
  shared_buffers: '32MB',
  max_wal_size: '2GB',
  log_line_prefix: '%m [%p] %q%a@%d ',
};

/**
 * Starts a PostgreSQL server that speaks logical replication, as another user where this one is root.
 *
 * @throws MillraceError `LOCAL_*`, with the end of the server's log where it did not come up.
 */
export async function startPostgres(options: PostgresOptions): Promise<PostgresServer> {
  const user = await unprivilegedUser();
  const dir = await folderFor(user, options.dir);
  const data = join(dir, 'data');
  const report = options.report ?? reportToTerminal;
  const madeBy = await dataMajor(data);
  const major = options.major ?? madeBy;
  if (madeBy !== undefined && madeBy !== major)
    throw new MillraceError('LOCAL_DATA_VERSION', { dir, madeBy, wanted: String(major) });
  const binaries = await postgresBinaries({ user, major, report });
  const running = options.adopt === true ? await runningServer(dir) : undefined;
  const port = running?.port ?? options.port ?? (await portFor(dir, options.preferredPort));
  if (madeBy === undefined) await createCluster({ bin: binaries.bin, dir, data, user });
  const settings = { ...SETTINGS, ...options.settings, port: String(port) };
  const url = `postgres://postgres@127.0.0.1:${port}/`;
  const server = await ServerProcess.start({
    name: 'PostgreSQL',
    dir,
    port,
    command: join(binaries.bin, 'postgres'),
    args: ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    ...(user === undefined ? {} : { user }),
    stopSignal: 'SIGINT',
    running,
    readyDeadlineMs: READY_DEADLINE_MS,
    probe: () => withClient(`${url}postgres`, async (client) => void (await client.query('SELECT 1'))),
  });
  const database = options.database ?? 'postgres';
  await ensureDatabase(`${url}postgres`, database);
  return Object.assign(server, { url: url + encodeURIComponent(database), port, bin: binaries.bin, major: binaries.major });
}

async function dataMajor(data: string): Promise<number | undefined> {
  const text = await readFile(join(data, 'PG_VERSION'), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : Number.parseInt(text, 10);
}

async function createCluster(cluster: {
  readonly bin: string;
  readonly dir: string;
  readonly data: string;
  readonly user: ServerUser | undefined;
}): Promise<void> {
  const args = ['-D', cluster.data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'];
  try {
    const output = await runProgram(join(cluster.bin, 'initdb'), args, {
      cwd: cluster.dir,
      ...(cluster.user === undefined ? {} : { user: cluster.user }),
    });
    await appendFile(join(cluster.dir, 'server.log'), output);
  } catch (cause) {
    const details = {
      server: 'initdb',
      how: 'making the data folder',
      log: reasonText(cause),
      logFile: join(cluster.dir, 'server.log'),
    };
    throw new MillraceError('LOCAL_SERVER_EXITED', details, { cause });
  }
}

async function ensureDatabase(adminUrl: string, database: string): Promise<void> {
  await withClient(adminUrl, async (client) => {
    const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [database]);
    if (rowCount === 0) await client.query(`CREATE DATABASE ${client.escapeIdentifier(database)}`);
  });
}

/** Connects, runs `work`, disconnects. */
export async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  // A server that goes away says so on the connection too; the query's own rejection is what counts.
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
