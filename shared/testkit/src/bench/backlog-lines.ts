import { runCapture, runReceive } from './capture-run.js';
import { runEndToEnd, runNative } from './end-to-end-run.js';
import { cpuPerRow, type Line, lineOf, programCpuPerRow, rate } from './line.js';
import { createBaseSlot, dropBaseSlot, publishToPeers, withCopiedSlot } from './peer-slot.js';
import type { Cost } from './process-cost.js';
import { prepareTask, removeTask } from './run.js';
import type { BenchServers } from './servers.js';
import { contents, createWorkload, refillTarget, type Workload, writeBacklog } from './workload.js';

export interface BacklogLines {
  /** What the lines are called: "inserts", "small transactions". */
  readonly title: string;
  readonly workload: Workload;
  readonly runs: number;
  /** Which halves are measured. */
  readonly capture: boolean;
  readonly endToEnd: boolean;
  readonly goals: { readonly native: number; readonly cpuMicros: number };
  readonly report: (text: string) => void;
}

/** CPU of capture alone, per row: the same goal for every backlog. */
const CAPTURE_MICROS = 5;

/**
 * Every run drains the same log: a task for each of Millrace's runs, and a slot for the peers to copy, stand at the same place before
 * the backlog is written. Millrace and its peer take turns.
 */
export async function backlogLines(servers: BenchServers, options: BacklogLines): Promise<readonly Line[]> {
  const { title, workload, runs, capture, endToEnd, goals, report } = options;
  const { source, target } = servers;
  await createWorkload([source.url, target.url], workload);
  const tasks = Array.from({ length: runs }, (_, run) => ({ capture: `cap${run}`, endToEnd: `e2e${run}` }));
  const prepared = tasks.flatMap((names) => [...(capture ? [names.capture] : []), ...(endToEnd ? [names.endToEnd] : [])]);
  report(`  ${prepared.length} tasks and a slot, then ${workload.changes.toLocaleString('en-US')} changes …`);
  await publishToPeers(servers, workload.tables);
  await createBaseSlot(servers);
  for (const task of prepared) await prepareTask(servers, task);
  const backlog = await writeBacklog(source.url, workload);
  const expected = await contents(source.url, workload);

  const lines: Line[] = [];
  if (capture) {
    const costs: Cost[] = [];
    const peers: Cost[] = [];
    for (const [run, names] of tasks.entries()) {
      costs.push(await runCapture(servers, names.capture, backlog));
      peers.push(await withCopiedSlot(servers, `bench_receive_${run}`, (slot) => runReceive(servers, slot, backlog)));
      report(`  capture ${run + 1}: ${said(costs, workload)}; pg_recvlogical ${said(peers, workload)}`);
    }
    lines.push(...captureLines(title, workload, { costs, peers }));
  }
  if (endToEnd) {
    const costs: Cost[] = [];
    const peers: Cost[] = [];
    const check = async (who: string): Promise<void> => {
      const found = await contents(target.url, workload);
      if (found !== expected)
        throw new Error(`${who}: the target does not hold what the source holds: ${found} instead of ${expected}`);
    };
    for (const [run, names] of tasks.entries()) {
      await refillTarget(target.url, workload);
      costs.push(await runEndToEnd(servers, names.endToEnd));
      await check('millrace');
      await refillTarget(target.url, workload);
      peers.push(await withCopiedSlot(servers, `bench_native_${run}`, (slot) => runNative(servers, slot)));
      await check('native replication');
      report(`  end to end ${run + 1}: ${said(costs, workload)}; native ${said(peers, workload)}`);
    }
    lines.push(...endToEndLines(title, workload, { costs, peers, goals }));
  }
  for (const task of prepared) await removeTask(servers, task);
  await dropBaseSlot(servers);
  return lines;
}

interface Runs {
  readonly costs: readonly Cost[];
  readonly peers: readonly Cost[];
}

function captureLines(title: string, { changes }: Workload, { costs, peers }: Runs): readonly Line[] {
  const of = (cost: Cost) => rate(cost, changes);
  return [
    lineOf({
      name: `capture, ${title}`,
      unit: 'rows/s',
      samples: costs.map(of),
      peer: { name: 'pg_recvlogical', samples: peers.map(of) },
      goal: { of: 'ratio', is: 'at least', bound: 1 },
    }),
    lineOf({
      name: `capture, ${title}: CPU of capture`,
      unit: 'µs/row',
      samples: costs.map((cost) => programCpuPerRow(cost, changes)),
      goal: { of: 'value', is: 'at most', bound: CAPTURE_MICROS },
    }),
  ];
}

function endToEndLines(
  title: string,
  { changes }: Workload,
  { costs, peers, goals }: Runs & Pick<BacklogLines, 'goals'>,
): readonly Line[] {
  const of = (cost: Cost) => rate(cost, changes);
  return [
    lineOf({
      name: `end to end, ${title}`,
      unit: 'rows/s',
      samples: costs.map(of),
      peer: { name: 'native', samples: peers.map(of) },
      goal: { of: 'ratio', is: 'at least', bound: goals.native },
    }),
    lineOf({
      name: `end to end, ${title}: CPU of everything`,
      unit: 'µs/row',
      samples: costs.map((cost) => cpuPerRow(cost, changes)),
      peer: { name: 'native', samples: peers.map((cost) => cpuPerRow(cost, changes)) },
      goal: { of: 'value', is: 'at most', bound: goals.cpuMicros },
    }),
  ];
}

/** The last run in a line: rate, and CPU per row by process. */
export function said(costs: readonly Cost[], { changes }: Pick<Workload, 'changes'>): string {
  const cost = costs.at(-1);
  if (cost === undefined) return '';
  const micros = (value: number): string => (value / changes).toFixed(2);
  const { programs, source, target, broker, registry } = cost.cpu;
  return `${Math.round(changes / cost.seconds).toLocaleString('en-US')} rows/s (µs/row: programs ${micros(programs)}, source ${micros(source)}, broker ${micros(broker)}, target ${micros(target)}, registry ${micros(registry)})`;
}
