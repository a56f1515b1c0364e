import { setTimeout as delay } from 'node:timers/promises';
import { withClient } from '@millrace/local/postgres.js';
import { type Line, lineOf, median, plain } from './line.js';
import { type Cost, CostMeter } from './process-cost.js';
import { prepareTask, removeTask, sentinelArrived, slotIsActive, slotOf, startMillrace } from './run.js';
import type { BenchServers } from './servers.js';
import { createWorkload, type Workload, writeBacklog } from './workload.js';

const LOOK_EVERY_MS = 500;

export interface HugeLines {
  readonly rows: number;
  /** Values of 1 MB, one a row. */
  readonly largeValues: number;
  readonly report: (text: string) => void;
}

/** One transaction of many rows, and rows of 1 MB: what matters is memory, and that the rate does not fall. */
export async function hugeLines(servers: BenchServers, { rows, largeValues, report }: HugeLines): Promise<readonly Line[]> {
  const millions = rows.toLocaleString('en-US');
  const huge = await drain(servers, 'huge', hugeTransaction(rows));
  report(
    `  ${millions} rows in one transaction: ${Math.round(rows / huge.cost.seconds).toLocaleString('en-US')} rows/s, ${Math.round(huge.cost.peakRssMb)} MB`,
  );
  const large = await drain(servers, 'large', largeRows(largeValues));
  report(
    `  ${largeValues} values of 1 MB: ${(largeValues / large.cost.seconds).toFixed(0)} MB/s, ${Math.round(large.cost.peakRssMb)} MB`,
  );
  return [
    memoryLine(`one transaction of ${millions} rows: largest process`, huge.cost, 300),
    lineOf({
      name: `one transaction of ${millions} rows: rate of the second half by that of the first`,
      unit: '×',
      samples: plain([huge.steadiness]),
      goal: { of: 'value', is: 'at least', bound: 0.9 },
    }),
    memoryLine('1 MB values at full speed: largest process', large.cost, 400),
  ];
}

function memoryLine(name: string, { peakRssMb }: Cost, bound: number): Line {
  return lineOf({ name, unit: 'MB', samples: plain([peakRssMb], peakRssMb), goal: { of: 'value', is: 'at most', bound } });
}

/** Drains a backlog end to end and tells whether the target's file grew as fast towards the end as at the beginning. */
async function drain(
  servers: BenchServers,
  task: string,
  workload: Workload,
): Promise<{ readonly cost: Cost; readonly steadiness: number }> {
  const { source, target } = servers;
  await createWorkload([source.url, target.url], workload);
  await prepareTask(servers, task);
  await writeBacklog(source.url, workload);
  const run = startMillrace(servers, 'run', task);
  await slotIsActive(servers, slotOf(task));
  const meter = await CostMeter.start(servers.pids);
  const stop = new AbortController();
  const growth = watchGrowth(target.url, stop.signal);
  await sentinelArrived(servers);
  const cost = await meter.finish();
  stop.abort();
  const steadiness = halves(await growth);
  await run.stop();
  await removeTask(servers, task);
  return { cost, steadiness };
}

/** Bytes by which the table's file grew in each look: rows of an open transaction cannot be counted, their pages can. */
async function watchGrowth(url: string, signal: AbortSignal): Promise<readonly number[]> {
  const grown: number[] = [];
  await withClient(url, async (client) => {
    for (let before = 0; !signal.aborted; ) {
      const { rows } = await client.query<{ bytes: number }>("SELECT pg_relation_size('bench.events')::float8 AS bytes");
      const bytes = rows[0]?.bytes ?? 0;
      grown.push(bytes - before);
      before = bytes;
      await delay(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
  });
  return grown;
}

/** Median rate of the second half by that of the first, from the first growth to the last. */
function halves(grown: readonly number[]): number {
  const first = grown.findIndex((bytes) => bytes > 0);
  const steps = grown.slice(first, grown.findLastIndex((bytes) => bytes > 0) + 1);
  const middle = Math.floor(steps.length / 2);
  return median(steps.slice(middle)) / median(steps.slice(0, middle));
}

function hugeTransaction(rows: number): Workload {
  return oneTable(rows, 1, `INSERT INTO bench.events SELECT i, 'row ' || i FROM generate_series(1, ${rows}) i`);
}

function largeRows(rows: number): Workload {
  // Every value differs, and compresses as text does.
  const value = "(SELECT string_agg(md5(i::text || ':' || part), ' ') FROM generate_series(1, 31776) part)";
  return oneTable(
    rows,
    rows,
    `DO $$ BEGIN FOR i IN 1 .. ${rows} LOOP INSERT INTO bench.events SELECT i, ${value}; COMMIT; END LOOP; END $$`,
  );
}

function oneTable(changes: number, transactions: number, write: string): Workload {
  return {
    schema: 'bench',
    tables: ['events', 'sentinel'],
    changes,
    transactions,
    create:
      'CREATE TABLE bench.events (id bigint PRIMARY KEY, note text NOT NULL); CREATE TABLE bench.sentinel (id int PRIMARY KEY)',
    refill: 'TRUNCATE bench.events, bench.sentinel',
    write: [write],
  };
}
