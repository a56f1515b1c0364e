import { withConnection } from '@millrace/local/mysql.js';
import { said } from './backlog-lines.js';
import { type Line, lineOf, programCpuPerRow, rate } from './line.js';
import { runMariadbBinlog, runMysqlCapture, startReading } from './mysql-capture-run.js';
import { dumpIntoMariadb, runMariadbReplication } from './mysql-peers.js';
import type { MysqlBenchServers } from './mysql-servers.js';
import { createMysqlTables, insertEvents, mysqlContents, writeMysqlBacklog } from './mysql-workload.js';
import { type Cost, CostMeter } from './process-cost.js';
import { prepareTask, removeTask, startMillrace, succeed } from './run.js';

export interface MysqlLines {
  readonly rows: number;
  readonly runs: number;
  readonly report: (text: string) => void;
}

export interface MysqlBacklogLines extends MysqlLines {
  /** Which halves are measured. */
  readonly capture: boolean;
  readonly endToEnd: boolean;
}

/** Every run drains the same log: a task for each of Millrace's runs stands before the backlog, and a peer is told that place. */
export async function mysqlBacklogLines(servers: MysqlBenchServers, options: MysqlBacklogLines): Promise<readonly Line[]> {
  const { rows, runs, capture, endToEnd, report } = options;
  const { source, target } = servers;
  await createMysqlTables(source.url);
  await target.create();
  const tasks = Array.from({ length: runs }, (_, run) => ({ capture: `mycap${run}`, endToEnd: `mye2e${run}` }));
  const prepared = tasks.flatMap((names) => [...(capture ? [names.capture] : []), ...(endToEnd ? [names.endToEnd] : [])]);
  report(`  ${prepared.length} tasks, then ${rows.toLocaleString('en-US')} changes …`);
  for (const task of prepared) await prepareTask(servers, task);
  const backlog = await writeMysqlBacklog(source.url, rows);
  const changes = { changes: rows };

  const lines: Line[] = [];
  if (capture) {
    const [costs, statements, raw]: [Cost[], Cost[], Cost[]] = [[], [], []];
    for (const [run, names] of tasks.entries()) {
      costs.push(await runMysqlCapture(servers, names.capture, backlog));
      statements.push(await runMariadbBinlog(servers, 'statements', backlog));
      raw.push(await runMariadbBinlog(servers, 'raw', backlog));
      report(
        `  capture ${run + 1}: ${said(costs, changes)}; mariadb-binlog ${said(statements, changes)}; --raw ${said(raw, changes)}`,
      );
    }
    lines.push(...captureLines(rows, { costs, statements, raw }));
  }
  if (endToEnd) {
    const expected = await mysqlContents(source.url);
    const costs: Cost[] = [];
    const peers: Cost[] = [];
    for (const [run, names] of tasks.entries()) {
      await target.create();
      costs.push(await runMysqlEndToEnd(servers, names.endToEnd));
      await expectTarget(servers, { who: 'millrace', expected });
      report(`  end to end ${run + 1}: ${said(costs, changes)}`);
      if (target.engine !== 'mariadb') continue;
      await target.create();
      peers.push(await runMariadbReplication(servers, backlog));
      await expectTarget(servers, { who: 'native replication', expected });
      report(`  end to end ${run + 1}, native: ${said(peers, changes)}`);
    }
    lines.push(copyLine(servers, { what: 'end to end', rows, costs, peer: { name: 'native', costs: peers, bound: 1 } }));
  }
  for (const task of prepared) await removeTask(servers, task);
  return lines;
}

interface CaptureCosts {
  readonly costs: readonly Cost[];
  readonly statements: readonly Cost[];
  readonly raw: readonly Cost[];
}

function captureLines(rows: number, { costs, statements, raw }: CaptureCosts): readonly Line[] {
  const of = (cost: Cost) => rate(cost, rows);
  const capture = { unit: 'rows/s', samples: costs.map(of) };
  return [
    lineOf({
      ...capture,
      name: 'capture from MariaDB, against mariadb-binlog',
      peer: { name: 'mariadb-binlog', samples: statements.map(of) },
      goal: { of: 'ratio', is: 'at least', bound: 0.7 },
    }),
    lineOf({
      ...capture,
      name: 'capture from MariaDB, against mariadb-binlog --raw',
      peer: { name: 'mariadb-binlog --raw', samples: raw.map(of) },
      goal: null,
    }),
    lineOf({
      name: 'capture from MariaDB: CPU of capture',
      unit: 'µs/row',
      samples: costs.map((cost) => programCpuPerRow(cost, rows)),
      peer: { name: 'mariadb-binlog', samples: statements.map((cost) => programCpuPerRow(cost, rows)) },
      goal: null,
    }),
  ];
}

/** `millrace run` drains the backlog into the target: until the sentinel can be read there. */
async function runMysqlEndToEnd(servers: MysqlBenchServers, task: string): Promise<Cost> {
  const run = await startReading(servers, () => startMillrace(servers, 'run', task));
  try {
    const meter = await CostMeter.start(servers.pids);
    await servers.target.sentinelArrived();
    return await meter.finish();
  } finally {
    await run.stop();
  }
}

const LOAD_TASK = 'myload';
const LOAD_DEADLINE_MS = 600_000;

/** One table with its key, copied whole: from the command's start until table and key are there. */
export async function mysqlFullLoadLines(
  servers: MysqlBenchServers,
  { rows, runs, report }: MysqlLines,
): Promise<readonly Line[]> {
  const { source, target } = servers;
  await createMysqlTables(source.url);
  await withConnection(source.url, (connection) => insertEvents(connection, rows));
  const expected = await mysqlContents(source.url);
  const costs: Cost[] = [];
  const peers: Cost[] = [];
  for (let run = 1; run <= runs; run++) {
    await target.drop();
    const meter = await CostMeter.start(servers.pids);
    const load = startMillrace(servers, 'run', LOAD_TASK, ['--migration-type', 'full-load']);
    await load.line('the load', ({ event }) => event === 'loaded', LOAD_DEADLINE_MS);
    costs.push(await meter.finish());
    await succeed(load, 'full load');
    await removeTask(servers, LOAD_TASK);
    await expectTarget(servers, { who: 'millrace', expected });
    report(`  full load ${run}: ${said(costs, { changes: rows })}`);
    if (target.engine !== 'mariadb') continue;
    await target.drop();
    peers.push(await dumpIntoMariadb(servers));
    await expectTarget(servers, { who: 'mariadb-dump | mariadb', expected });
    report(`  full load ${run}, mariadb-dump | mariadb: ${said(peers, { changes: rows })}`);
  }
  const peer = { name: 'mariadb-dump | mariadb', costs: peers, bound: 1.2 };
  return [copyLine(servers, { what: 'full load with its key', rows, costs, peer })];
}

interface CopyLine {
  readonly what: string;
  readonly rows: number;
  readonly costs: readonly Cost[];
  /** The same engine's own way, which measures itself only where both ends are of it. */
  readonly peer: { readonly name: string; readonly costs: readonly Cost[]; readonly bound: number };
}

function copyLine({ target }: MysqlBenchServers, { what, rows, costs, peer }: CopyLine): Line {
  const of = (cost: Cost) => rate(cost, rows);
  const line = {
    name: `${what}, MariaDB to ${target.engine === 'mariadb' ? 'MariaDB' : 'PostgreSQL'}`,
    unit: 'rows/s',
    samples: costs.map(of),
  };
  if (target.engine !== 'mariadb') return lineOf({ ...line, goal: null });
  const goal = { of: 'ratio', is: 'at least', bound: peer.bound } as const;
  return lineOf({ ...line, peer: { name: peer.name, samples: peer.costs.map(of) }, goal });
}

/** A run counts only if the target holds what the source holds. */
async function expectTarget(
  { target }: MysqlBenchServers,
  { who, expected }: { readonly who: string; readonly expected: string },
): Promise<void> {
  const found = await target.contents();
  if (found !== expected)
    throw new Error(`${who}: the target does not hold what the source holds: ${found} instead of ${expected}`);
}
