import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { MILLRACE_DIR } from '@millrace/local/paths.js';
import { type PostgresServer, startPostgres } from '@millrace/local/postgres.js';
import { reportToTerminal } from '@millrace/local/progress.js';
import { hasProgram } from '@millrace/local/run-program.js';
import { type Addresses, type Stack, type StackEngine, startStack } from '@millrace/local/stack.js';
import type { ServerPids } from './process-cost.js';

/**
 * More memory than a test's server has; the source notes when each transaction committed, for latency; tables are vacuumed between
 * runs instead of during them. fsync and synchronous_commit stay on.
 */
const SETTINGS = { shared_buffers: '256MB', max_wal_size: '8GB', track_commit_timestamp: 'on', autovacuum: 'off' };
const PROGRAMS = ['psql', 'pg_recvlogical', 'pg_dump', 'pg_restore'] as const;

/** What every line has, whatever the engines of its ends. */
export interface BenchPlace {
  readonly dir: string;
  readonly addresses: Addresses;
  readonly pids: ServerPids;
}

export interface BenchServers extends BenchPlace, AsyncDisposable {
  readonly source: PostgresServer;
  readonly target: PostgresServer;
  /** A program of the servers' PostgreSQL. */
  program(name: (typeof PROGRAMS)[number]): string;
}

/** Servers for the bench alone, empty at the start. @throws MillraceError `LOCAL_*` */
export async function startBenchServers(): Promise<BenchServers> {
  const dir = await emptyFolder();
  // Should a later one not come up: every server ends with this process.
  const source = await startPostgres({ dir: join(dir, 'source'), database: 'source', settings: SETTINGS });
  const target = await startTarget(dir);
  for (const name of PROGRAMS) {
    if (!(await hasProgram(join(source.bin, name)))) throw missing(name, 'It is what Millrace is measured against.');
  }
  const { stack, ...place } = await startPlace(dir, { source, target, from: 'postgres', to: 'postgres' });
  return {
    ...place,
    source,
    target,
    program: (name) => join(source.bin, name),
    async [Symbol.asyncDispose]() {
      await Promise.all([stack[Symbol.asyncDispose](), source.stop(), target.stop()]);
    },
  };
}

/** The folder of a bench's servers, without what the last one left. @throws MillraceError `LOCAL_PREREQUISITE_MISSING` */
export async function emptyFolder(): Promise<string> {
  if (process.platform !== 'linux') throw missing('Linux', 'CPU time and memory of every process are read from /proc.');
  const dir = join(MILLRACE_DIR, 'bench');
  await rm(dir, { recursive: true, force: true });
  await mkdir(dir, { recursive: true });
  return dir;
}

export function startTarget(dir: string): Promise<PostgresServer> {
  return startPostgres({ dir: join(dir, 'target'), database: 'target', settings: SETTINGS });
}

interface End {
  readonly url: string;
  readonly pid: number;
}

/** Starts Kafka and the registry beside the two ends. */
export async function startPlace(
  dir: string,
  {
    source,
    target,
    from,
    to,
  }: { readonly source: End; readonly target: End; readonly from: StackEngine; readonly to: StackEngine },
): Promise<BenchPlace & { readonly stack: Stack }> {
  const environment = { SOURCE_URL: source.url, TARGET_URL: target.url };
  const engines = { source: from, target: to };
  const stack = await startStack({ dir, environment, engines, report: reportToTerminal });
  const { kafka, registry } = stack.servers;
  if (kafka === undefined || registry === undefined) throw missing('an own Kafka', 'The bench measures its processes.');
  const pids = { source: source.pid, target: target.pid, broker: kafka.pid, registry: registry.pid };
  return { dir, addresses: stack.addresses, pids, stack };
}

function missing(what: string, needed: string): MillraceError {
  const remedy =
    'Install the PostgreSQL server packages with their client programs (Debian, Ubuntu: `apt-get install postgresql`).';
  return new MillraceError('LOCAL_PREREQUISITE_MISSING', { what, needed, remedy });
}
