import { withClient } from '@millrace/local/postgres.js';
import { said } from './backlog-lines.js';
import { runEndToEnd } from './end-to-end-run.js';
import { cpuPerRow, type Line, lineOf, plain } from './line.js';
import type { Cost } from './process-cost.js';
import { prepareTask, removeTask, sentinelArrived, slotIsActive, slotOf, startMillrace } from './run.js';
import type { BenchServers } from './servers.js';
import { createWorkload, insertWorkload, type Workload, writeBacklog } from './workload.js';

const TASK = 'growth';
const TABLES = 1_000;

export interface GrowthLines {
  /** Rows of the small backlog; the large one has ten times as many. */
  readonly rows: number;
  readonly report: (text: string) => void;
}

/** What must not grow: the cost of a row, the time to start again over a long journal, the time to start with many tables. */
export async function growthLines(servers: BenchServers, { rows, report }: GrowthLines): Promise<readonly Line[]> {
  const few = await backlogCost(servers, rows);
  report(`  ${rows.toLocaleString('en-US')} rows: ${said([few], { changes: rows })}`);
  const many = await backlogCost(servers, rows * 10);
  report(`  ten times as many: ${said([many], { changes: rows * 10 })}`);
  const restart = await secondsToRow(servers);
  report(
    `  with ${(rows * 10).toLocaleString('en-US')} events in the journal, a row arrives ${restart.toFixed(2)} s after the start`,
  );
  await removeTask(servers, TASK);
  const tables = await secondsToStream(servers);
  report(`  ${TABLES} tables: streaming ${tables.toFixed(2)} s after the start`);
  return [
    lineOf({
      name: `CPU per row, ${(rows * 10).toLocaleString('en-US')} rows against ${rows.toLocaleString('en-US')}`,
      unit: 'µs/row',
      samples: [cpuPerRow(many, rows * 10)],
      peer: { name: 'the smaller backlog', samples: [cpuPerRow(few, rows)] },
      goal: { of: 'ratio', is: 'at most', bound: 1.1 },
    }),
    secondsLine(`restart over ${(rows * 10).toLocaleString('en-US')} events until a row arrives`, restart, 3),
    secondsLine(`first start with ${TABLES.toLocaleString('en-US')} tables until it streams`, tables, 10),
  ];
}

function secondsLine(name: string, seconds: number, bound: number): Line {
  return lineOf({ name, unit: 's', samples: plain([seconds]), goal: { of: 'value', is: 'at most', bound } });
}

/** Drains a backlog of inserts; the task stays, with its journal. */
async function backlogCost(servers: BenchServers, rows: number): Promise<Cost> {
  const workload = insertWorkload(rows);
  const { source, target } = servers;
  await createWorkload([source.url, target.url], workload);
  await removeTask(servers, TASK);
  await prepareTask(servers, TASK);
  await writeBacklog(source.url, workload);
  return runEndToEnd(servers, TASK);
}

/** A row that is there when the command starts: until it can be read in the target. */
async function secondsToRow(servers: BenchServers): Promise<number> {
  const id = 2;
  await withClient(servers.source.url, (client) => client.query('INSERT INTO bench.sentinel VALUES ($1)', [id]));
  const started = performance.now();
  const run = startMillrace(servers, 'run', TASK);
  await sentinelArrived(servers, id);
  const seconds = (performance.now() - started) / 1_000;
  await run.stop();
  return seconds;
}

async function secondsToStream(servers: BenchServers): Promise<number> {
  const names = Array.from({ length: TABLES }, (_, index) => `t${index}`);
  const workload: Workload = {
    schema: 'bench',
    tables: names,
    changes: 0,
    transactions: 0,
    create: names.map((name) => `CREATE TABLE bench.${name} (id int PRIMARY KEY, note text);`).join('\n'),
    refill: '',
    write: [],
  };
  const task = 'tables';
  await createWorkload([servers.source.url, servers.target.url], workload);
  const started = performance.now();
  const run = startMillrace(servers, 'run', task);
  await slotIsActive(servers, slotOf(task));
  const seconds = (performance.now() - started) / 1_000;
  await run.stop();
  await removeTask(servers, task);
  return seconds;
}
