import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { MILLRACE_DIR } from '@millrace/local/paths.js';
import { type PostgresServer, startPostgres } from '@millrace/local/postgres.js';
import { reportToTerminal } from '@millrace/local/progress.js';
import { hasProgram } from '@millrace/local/run-program.js';
import { type Addresses, startStack } from '@millrace/local/stack.js';
import type { ServerPids } from './process-cost.js';

/**
 * More memory than a test's server has; the source notes when each transaction committed, for latency; tables are vacuumed between
 * runs instead of during them. fsync and synchronous_commit stay on.
 */
const SETTINGS = { shared_buffers: '256MB', max_wal_size: '8GB', track_commit_timestamp: 'on', autovacuum: 'off' };
const PROGRAMS = ['psql', 'pg_recvlogical', 'pg_dump', 'pg_restore'] as const;

export interface BenchServers extends AsyncDisposable {
  readonly dir: string;
  readonly addresses: Addresses;
  readonly source: PostgresServer;
  readonly target: PostgresServer;
  readonly pids: ServerPids;
  /** A program of the servers' PostgreSQL. */
  program(name: (typeof PROGRAMS)[number]): string;
}

/** Servers for the bench alone, empty at the start. @throws MillraceError `LOCAL_*` */
export async function startBenchServers(): Promise<BenchServers> {
  if (process.platform !== 'linux') throw missing('Linux', 'CPU time and memory of every process are read from /proc.');
  const dir = join(MILLRACE_DIR, 'bench');
  await rm(dir, { recursive: true, force: true });
  await mkdir(dir, { recursive: true });
  // Should a later one not come up: every server ends with this process.
  const source = await startPostgres({ dir: join(dir, 'source'), database: 'source', settings: SETTINGS });
  const target = await startPostgres({ dir: join(dir, 'target'), database: 'target', settings: SETTINGS });
  for (const name of PROGRAMS) {
    if (!(await hasProgram(join(source.bin, name)))) throw missing(name, 'It is what Millrace is measured against.');
  }
  const environment = { SOURCE_URL: source.url, TARGET_URL: target.url };
  const stack = await startStack({ dir, environment, report: reportToTerminal });
  const { kafka, registry } = stack.servers;
  if (kafka === undefined || registry === undefined) throw missing('an own Kafka', 'The bench measures its processes.');
  return {
    dir,
    addresses: stack.addresses,
    source,
    target,
    pids: { source: source.pid, target: target.pid, broker: kafka.pid, registry: registry.pid },
    program: (name) => join(source.bin, name),
    async [Symbol.asyncDispose]() {
      await Promise.all([stack[Symbol.asyncDispose](), source.stop(), target.stop()]);
    },
  };
}

function missing(what: string, needed: string): MillraceError {
  const remedy =
    'Install the PostgreSQL server packages with their client programs (Debian, Ubuntu: `apt-get install postgresql`).';
  return new MillraceError('LOCAL_PREREQUISITE_MISSING', { what, needed, remedy });
}
