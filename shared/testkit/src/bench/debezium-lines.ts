import { withClient } from '@millrace/local/postgres.js';
import { said } from './backlog-lines.js';
import { runCapture } from './capture-run.js';
import { startWorker, withDebezium } from './debezium.js';
import { loadByDebezium, runDebezium, runDebeziumCapture, withLastRows } from './debezium-run.js';
import { runEndToEnd } from './end-to-end-run.js';
import { emptyLoadTarget, fillLoadTable, LOAD_TABLE, loadByMillrace } from './full-load.js';
import { type Load, measure, measureMillrace, type Percentiles, said as saidLatency } from './latency.js';
import { type Goal, type Line, lineOf, plain, rate, type Sample } from './line.js';
import { createBaseSlot, dropBaseSlot, publishToPeers, withCopiedSlot, withNewSlot } from './peer-slot.js';
import { type Cost, totalMicros } from './process-cost.js';
import { prepareTask, removeTask, slotIsActive } from './run.js';
import type { BenchServers } from './servers.js';
import {
  contents,
  createWorkload,
  EVENT_COLUMNS,
  insertWorkload,
  refillTarget,
  type Workload,
  writeBacklog,
} from './workload.js';

// Millrace and Debezium in turn over one log. Debezium gets a worker for each run, which does the run's work once unmeasured: a JVM is
// slow until it has compiled what it runs, and a Connect worker lives for long.

export interface DebeziumLines {
  readonly runs: number;
  readonly report: (text: string) => void;
}

const PEER = 'Debezium';
const TEN_TIMES: Goal = { of: 'ratio', is: 'at least', bound: 10 };
const NO_SLOWER: Goal = { of: 'ratio', is: 'at least', bound: 1 };
const NO_LARGER: Goal = { of: 'ratio', is: 'at most', bound: 1 };

/** A backlog into Kafka alone, and through Kafka into the target. */
export async function debeziumBacklogLines(
  servers: BenchServers,
  options: DebeziumLines & { readonly title: string; readonly workload: Workload },
): Promise<readonly Line[]> {
  const { runs, report, title } = options;
  const { source, target } = servers;
  const workload = withLastRows(options.workload);
  await createWorkload([source.url, target.url], workload);
  const tasks = Array.from({ length: runs }, (_, run) => ({ capture: `dcap${run}`, endToEnd: `de2e${run}` }));
  const prepared = tasks.flatMap(({ capture, endToEnd }) => [capture, endToEnd]);
  report(`  ${prepared.length} tasks and a slot, then ${workload.changes.toLocaleString('en-US')} changes …`);
  await publishToPeers(servers, workload.tables);
  await createBaseSlot(servers);
  for (const task of prepared) await prepareTask(servers, task);
  const backlog = await writeBacklog(source.url, workload);
  const expected = await contents(source.url, workload);

  const ours: BacklogCosts[] = [];
  const peers: BacklogCosts[] = [];
  for (const [run, task] of tasks.entries()) {
    const capture = await runCapture(servers, task.capture, backlog);
    await refillTarget(target.url, workload);
    const endToEnd = await runEndToEnd(servers, task.endToEnd);
    await expectTarget(servers, workload, { who: 'millrace', expected });
    ours.push({ capture, endToEnd });
    report(`  millrace ${run + 1}: capture ${said([capture], workload)}; end to end ${said([endToEnd], workload)}`);

    await using worker = await startWorker(servers, `connect-${title.replaceAll(' ', '-')}-${run}`);
    const drain = (step: string) =>
      withCopiedSlot(servers, `debezium_${run}_${step}`, async (slot) => {
        await refillTarget(target.url, workload);
        const cost = await runDebezium(servers, worker, { slot, workload });
        await expectTarget(servers, workload, { who: PEER, expected });
        return cost;
      });
    report(`  ${PEER} ${run + 1}, unmeasured: end to end ${said([await drain('warm_up')], workload)}`);
    const peer = {
      endToEnd: await drain('end_to_end'),
      capture: await withCopiedSlot(servers, `debezium_${run}_capture`, (slot) =>
        runDebeziumCapture(servers, worker, { slot, workload }),
      ),
    };
    peers.push(peer);
    report(`  ${PEER} ${run + 1}: capture ${said([peer.capture], workload)}; end to end ${said([peer.endToEnd], workload)}`);
  }
  for (const task of prepared) await removeTask(servers, task);
  await dropBaseSlot(servers);
  return backlogLines(title, workload, { ours, peers });
}

interface BacklogCosts {
  readonly capture: Cost;
  readonly endToEnd: Cost;
}

function backlogLines(
  title: string,
  { changes }: Workload,
  { ours, peers }: { readonly ours: readonly BacklogCosts[]; readonly peers: readonly BacklogCosts[] },
): readonly Line[] {
  const line = (what: string, unit: string, goal: Goal, sample: (costs: BacklogCosts) => Sample): Line =>
    lineOf({
      name: `${what}, ${title} (${changes.toLocaleString('en-US')} changes)`,
      unit,
      samples: ours.map(sample),
      peer: { name: PEER, samples: peers.map(sample) },
      goal,
    });
  const perCpu = (cost: Cost): Sample => ({ ...rate(cost, changes), value: (changes / totalMicros(cost.cpu)) * 1e6 });
  const size = (cost: Cost): Sample => ({ ...rate(cost, changes), value: cost.peakRssMb });
  return [
    line('capture', 'rows/s', NO_SLOWER, ({ capture }) => rate(capture, changes)),
    line('capture: rows per CPU', 'rows/CPU s', NO_SLOWER, ({ capture }) => perCpu(capture)),
    line('end to end', 'rows/s', TEN_TIMES, ({ endToEnd }) => rate(endToEnd, changes)),
    line('end to end: rows per CPU', 'rows/CPU s', TEN_TIMES, ({ endToEnd }) => perCpu(endToEnd)),
    line('end to end: largest process', 'MB', NO_LARGER, ({ endToEnd }) => size(endToEnd)),
  ];
}

async function expectTarget(
  { target }: BenchServers,
  tables: Pick<Workload, 'schema' | 'tables'>,
  { who, expected }: { readonly who: string; readonly expected: string },
): Promise<void> {
  const found = await contents(target.url, tables);
  if (found !== expected)
    throw new Error(`${who}: the target does not hold what the source holds: ${found} instead of ${expected}`);
}

/** One table with its key. Debezium writes into a table that is there with its key, and its clock starts with its source connector. */
export async function debeziumLoadLines(
  servers: BenchServers,
  { rows, runs, report }: DebeziumLines & { readonly rows: number },
): Promise<readonly Line[]> {
  const expected = await fillLoadTable(servers, rows);
  await publishToPeers(servers, LOAD_TABLE.tables);
  const ours: Cost[] = [];
  const peers: Cost[] = [];
  for (let run = 0; run < runs; run++) {
    await emptyLoadTarget(servers);
    ours.push(await loadByMillrace(servers));
    await expectTarget(servers, LOAD_TABLE, { who: 'millrace', expected });

    await using worker = await startWorker(servers, `connect-load-${run}`);
    const load = async (step: string): Promise<Cost> => {
      await emptyLoadTarget(servers);
      await withClient(servers.target.url, (client) =>
        client.query(`CREATE SCHEMA bench; CREATE TABLE bench.events (${EVENT_COLUMNS}, PRIMARY KEY (id))`),
      );
      const cost = await withNewSlot(servers, `debezium_${run}_${step}`, (slot) =>
        loadByDebezium(servers, worker, { slot, rows }),
      );
      await expectTarget(servers, LOAD_TABLE, { who: PEER, expected });
      return cost;
    };
    report(`  ${PEER} ${run + 1}, unmeasured: ${said([await load('warm_up')], { changes: rows })}`);
    peers.push(await load('load'));
    report(`  full load ${run + 1}: ${said(ours, { changes: rows })}; ${PEER} ${said(peers, { changes: rows })}`);
  }
  const sample = (cost: Cost): Sample => rate(cost, rows);
  const name = `full load with its key (${rows.toLocaleString('en-US')} rows)`;
  const peer = { name: PEER, samples: peers.map(sample) };
  return [lineOf({ name, unit: 'rows/s', samples: ours.map(sample), peer, goal: NO_SLOWER })];
}

/** From the commit in the source until the row can be read in the target, under the same load. */
export async function debeziumLatencyLines(
  servers: BenchServers,
  { runs, report, load }: DebeziumLines & { readonly load: Load },
): Promise<readonly Line[]> {
  await createWorkload([servers.source.url, servers.target.url], insertWorkload(0));
  await publishToPeers(servers, ['events']);
  const ours: Percentiles[] = [];
  const peers: Percentiles[] = [];
  for (let run = 0; run < runs; run++) {
    ours.push(await measureMillrace(servers, load));
    await using worker = await startWorker(servers, `connect-latency-${run}`);
    const pipe = { tables: ['events'], carries: 'changes', into: 'target' } as const;
    const measured = await withNewSlot(servers, `debezium_${run}_latency`, (slot) =>
      withDebezium(servers, worker, { ...pipe, slot }, async () => {
        await slotIsActive(servers, slot);
        report(`  ${PEER} ${run + 1}, unmeasured: ${saidLatency([await measure(servers, load)])}`);
        return measure(servers, load);
      }),
    );
    peers.push(measured);
    report(`  latency ${run + 1}: ${saidLatency(ours)}; ${PEER} ${saidLatency(peers)}`);
  }
  const line = (which: keyof Percentiles): Line => {
    const of = (all: readonly Percentiles[]): readonly Sample[] => plain(all.map((measured) => measured[which]));
    const peer = { name: PEER, samples: of(peers) };
    return lineOf({ name: `latency, ${which} at ${load.perSecond} tx/s`, unit: 'ms', samples: of(ours), peer, goal: NO_LARGER });
  };
  return [line('p50'), line('p99')];
}
