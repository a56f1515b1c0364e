import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import mysql from 'mysql2/promise';
import { exists } from './artifact.js';
import { type MysqlBinaries, type MysqlEngine, mysqlBinaries } from './mysql-binaries.js';
import { type Report, reportToTerminal } from './progress.js';
import { runProgram } from './run-program.js';
import { type LocalServer, portFor, runningServer, ServerProcess } from './server-process.js';
import { folderFor, type ServerUser, unprivilegedUser } from './server-user.js';
import { reasonText } from './wait-until.js';

export interface MysqlOptions {
  readonly engine: MysqlEngine;
  /** Holds data, log, port and pid; made if missing, opened again if there. */
  readonly dir: string;
  /** Without it: the port of the last time, else `preferredPort`, where they are free, else any free one. */
  readonly port?: number;
  readonly preferredPort?: number;
  /** Server options beside those for replication, e.g. `{ 'innodb-flush-log-at-trx-commit': '0' }` where a test may lose its data. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Made if missing; the URL names it. Without it the URL names none. */
  readonly database?: string;
  /** Use the server that runs from this folder already, if one does. */
  readonly adopt?: boolean;
  readonly report?: Report;
}

export interface MysqlServer extends LocalServer {
  readonly engine: MysqlEngine;
  /** `mysql://root@127.0.0.1:PORT/DATABASE` (or `mariadb://…`): root without a password, from this machine alone. */
  readonly url: string;
  readonly port: number;
}

const READY_DEADLINE_MS = 60_000;

/** Small memory, row logging with the tables' metadata in it, and durable commits on both sides of the log. */
const SETTINGS: Readonly<Record<string, string>> = {
  'bind-address': '127.0.0.1',
  socket: 'mysql.sock',
  'pid-file': 'mysql.pid',
  'log-bin': 'bin',
  'binlog-format': 'ROW',
  'binlog-row-metadata': 'FULL',
  'binlog-row-image': 'FULL',
  'sync-binlog': '1',
  'innodb-flush-log-at-trx-commit': '1',
  'innodb-buffer-pool-size': '64M',
  'max-connections': '200',
  'local-infile': 'ON',
  'performance-schema': 'OFF',
};

const ENGINE_SETTINGS: Readonly<Record<MysqlEngine, Readonly<Record<string, string>>>> = {
  mysql: { mysqlx: 'OFF', 'gtid-mode': 'ON', 'enforce-gtid-consistency': 'ON' },
  mariadb: {},
};
const NAMES: Readonly<Record<MysqlEngine, string>> = { mysql: 'MySQL', mariadb: 'MariaDB' };

/**
 * Starts a MySQL or MariaDB server whose binary log can be replicated, as another user where this one is root.
 * @throws MillraceError `LOCAL_*`, with the end of the server's log where it did not come up.
 */
export async function startMysql(options: MysqlOptions): Promise<MysqlServer> {
  const { engine } = options;
  const user = await unprivilegedUser();
  const dir = await folderFor(user, options.dir);
  const data = join(dir, 'data');
  const binaries = await mysqlBinaries(engine, { user, report: options.report ?? reportToTerminal });
  const running = options.adopt === true ? await runningServer(dir) : undefined;
  const port = running?.port ?? options.port ?? (await portFor(dir, options.preferredPort));
  if (!(await exists(join(data, 'mysql')))) await initialize(binaries, { dir, data, user });
  // One in a topology, so that a replica can be told from its source; ports differ on one machine.
  // Servers that share a folder for temporary files may take each other's away.
  const temporary = await folderFor(user, join(dir, 'tmp'));
  const settings = {
    ...SETTINGS,
    ...ENGINE_SETTINGS[engine],
    tmpdir: temporary,
    'server-id': String(port),
    ...options.settings,
    port: String(port),
  };
  const admin = { host: '127.0.0.1', port, user: 'root', connectTimeout: 5_000 };
  const server = await ServerProcess.start({
    name: NAMES[engine],
    dir,
    port,
    command: binaries.server,
    args: [
      '--no-defaults',
      ...binaries.options,
      `--datadir=${data}`,
      ...Object.entries(settings).map(([name, value]) => `--${name}=${value}`),
    ],
    ...(user === undefined ? {} : { user }),
    stopSignal: 'SIGTERM',
    running,
    readyDeadlineMs: READY_DEADLINE_MS,
    probe: () => withConnection(admin, (connection) => connection.ping()),
  });
  const { database } = options;
  if (database !== undefined)
    await withConnection(admin, (connection) => connection.query('CREATE DATABASE IF NOT EXISTS ??', [database]));
  const url = `${engine}://root@127.0.0.1:${port}/${database === undefined ? '' : encodeURIComponent(database)}`;
  return Object.assign(server, { engine, url, port });
}

async function initialize(
  { initialize: [program, ...options] }: MysqlBinaries,
  place: { readonly dir: string; readonly data: string; readonly user: ServerUser | undefined },
): Promise<void> {
  try {
    const output = await runProgram(program, ['--no-defaults', ...options, `--datadir=${place.data}`], {
      cwd: place.dir,
      ...(place.user === undefined ? {} : { user: place.user }),
    });
    await appendFile(join(place.dir, 'server.log'), output);
  } catch (cause) {
    const details = {
      server: program,
      how: 'making the data folder',
      log: reasonText(cause),
      logFile: join(place.dir, 'server.log'),
    };
    throw new MillraceError('LOCAL_SERVER_EXITED', details, { cause });
  }
}

/** Connects, runs `work`, disconnects. Values come as the server's texts. */
export async function withConnection<T>(
  where: string | mysql.ConnectionOptions,
  work: (connection: mysql.Connection) => Promise<T>,
): Promise<T> {
  const options = typeof where === 'string' ? { uri: where.replace(/^mariadb:/, 'mysql:') } : where;
  const connection = await mysql.createConnection({
    dateStrings: true,
    supportBigNumbers: true,
    bigNumberStrings: true,
    ...options,
  });
  // A server that goes away says so on the connection too; the query's own rejection is what counts.
  connection.on('error', () => undefined);
  try {
    return await work(connection);
  } finally {
    await connection.end().catch(() => connection.destroy());
  }
}
