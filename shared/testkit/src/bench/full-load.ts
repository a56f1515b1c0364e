import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { withClient } from '@millrace/local/postgres.js';
import { type Line, lineOf, rate } from './line.js';
import { type Cost, CostMeter } from './process-cost.js';
import { removeTask, startMillrace, succeed } from './run.js';
import type { BenchServers } from './servers.js';
import { contents, EVENT_COLUMNS, eventRows, settle, type Workload } from './workload.js';

const TASK = 'load';
const LOAD_DEADLINE_MS = 600_000;
export const LOAD_TABLE: Pick<Workload, 'schema' | 'tables'> = { schema: 'bench', tables: ['events'] };

export interface FullLoadLines {
  readonly rows: number;
  readonly runs: number;
  readonly report: (text: string) => void;
}

/** One table with its key, copied whole: from the command's start until table and key are there. */
export async function fullLoadLines(servers: BenchServers, { rows, runs, report }: FullLoadLines): Promise<readonly Line[]> {
  const { target } = servers;
  const expected = await fillLoadTable(servers, rows);
  const contenders = { millrace: loadByMillrace, 'psql COPY | psql COPY': copyByPsql, 'pg_dump | pg_restore': dumpAndRestore };
  const costs = new Map<string, Cost[]>();
  for (let run = 1; run <= runs; run++) {
    for (const [name, load] of Object.entries(contenders)) {
      await emptyLoadTarget(servers);
      const cost = await load(servers);
      if ((await contents(target.url, LOAD_TABLE)) !== expected)
        throw new Error(`${name}: the target does not hold what the source holds`);
      costs.set(name, [...(costs.get(name) ?? []), cost]);
      const sample = rate(cost, rows);
      report(
        `  full load ${run}, ${name}: ${Math.round(sample.value).toLocaleString('en-US')} rows/s, ${sample.cpuMicrosPerRow?.toFixed(2)} µs/row`,
      );
    }
  }
  const samples = (name: string) => (costs.get(name) ?? []).map((cost) => rate(cost, rows));
  const line = (peer: keyof typeof contenders, bound: number): Line =>
    lineOf({
      name: `full load with its key, against ${peer}`,
      unit: 'rows/s',
      samples: samples('millrace'),
      peer: { name: peer, samples: samples(peer) },
      goal: { of: 'ratio', is: 'at least', bound },
    });
  return [line('psql COPY | psql COPY', 0.5), line('pg_dump | pg_restore', 1.1)];
}

/** Makes the table with its rows in the source and returns what the target has to hold. */
export async function fillLoadTable({ source }: BenchServers, rows: number): Promise<string> {
  await withClient(source.url, async (client) => {
    await client.query('DROP SCHEMA IF EXISTS bench CASCADE');
    await client.query(`CREATE SCHEMA bench; CREATE TABLE bench.events (${EVENT_COLUMNS}, PRIMARY KEY (id))`);
    await client.query(`INSERT INTO bench.events ${eventRows('1', String(rows))}`);
  });
  await settle(source.url);
  return contents(source.url, LOAD_TABLE);
}

export async function emptyLoadTarget({ target }: BenchServers): Promise<void> {
  await withClient(target.url, (client) => client.query('DROP SCHEMA IF EXISTS bench CASCADE'));
  await settle(target.url);
}

export async function loadByMillrace(servers: BenchServers): Promise<Cost> {
  const meter = await CostMeter.start(servers.pids);
  const run = startMillrace(servers, 'run', TASK, ['--migration-type', 'full-load']);
  await run.line('the load', ({ event }) => event === 'loaded', LOAD_DEADLINE_MS);
  const cost = await meter.finish();
  await succeed(run, 'full load');
  await removeTask(servers, TASK);
  return cost;
}

async function copyByPsql(servers: BenchServers): Promise<Cost> {
  const { source, target, pids } = servers;
  const psql = servers.program('psql');
  const meter = await CostMeter.start(pids);
  await withClient(target.url, (client) => client.query(`CREATE SCHEMA bench; CREATE TABLE bench.events (${EVENT_COLUMNS})`));
  await pipe(
    [psql, '-qX', source.url, '-c', 'COPY bench.events TO STDOUT'],
    [psql, '-qX', target.url, '-c', 'COPY bench.events FROM STDIN'],
  );
  await withClient(target.url, (client) => client.query('ALTER TABLE bench.events ADD PRIMARY KEY (id)'));
  return meter.finish();
}

async function dumpAndRestore(servers: BenchServers): Promise<Cost> {
  const { source, target, pids } = servers;
  const meter = await CostMeter.start(pids);
  await pipe([servers.program('pg_dump'), '-Fc', '-n', 'bench', source.url], [servers.program('pg_restore'), '-d', target.url]);
  const cost = await meter.finish();
  return cost;
}

/** Runs `from | to`. @throws Error where one of them fails */
export async function pipe(from: readonly string[], to: readonly string[]): Promise<void> {
  const quoted = (command: readonly string[]): string => command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
  // A pipe of the shell's: bytes that went through this process would cost what is measured.
  const script = `${quoted(from)} | ${quoted(to)}`;
  const [code] = await once(spawn('bash', ['-o', 'pipefail', '-c', script], { stdio: ['ignore', 'ignore', 'inherit'] }), 'exit');
  if (code !== 0) throw new Error(`${script} ended with ${code}`);
}
