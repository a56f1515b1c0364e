import { setTimeout as delay } from 'node:timers/promises';
import { type Line, lineOf, plain } from './line.js';
import { CostMeter, programSizes } from './process-cost.js';
import { prepareTask, removeTask, slotIsActive, slotOf, startMillrace } from './run.js';
import type { BenchServers } from './servers.js';
import { createWorkload, insertWorkload } from './workload.js';

const TASK = 'idle';
/** Until what a start costs is over: V8 takes half a minute of rest as its reason to collect what the start has left. */
const SETTLE_MS = 45_000;

/** A task with nothing to do, for some seconds: its processes' share of a core, and their sizes. */
export async function idleLines(
  servers: BenchServers,
  seconds: number,
  report: (text: string) => void,
): Promise<readonly Line[]> {
  await createWorkload([servers.source.url, servers.target.url], insertWorkload(0));
  await prepareTask(servers, TASK);
  const run = startMillrace(servers, 'run', TASK);
  await slotIsActive(servers, slotOf(TASK));
  await delay(SETTLE_MS);
  const meter = await CostMeter.start(servers.pids);
  await delay(seconds * 1_000);
  const cost = await meter.finish();
  const sizes = await programSizes(servers.pids);
  await run.stop();
  await removeTask(servers, TASK);
  const share = cost.cpu.programs / 10_000 / cost.seconds;
  const largest = Math.max(...sizes.map(({ nowMb }) => nowMb));
  report(`  idle: ${share.toFixed(2)} % of a core, processes of ${sizes.map(({ nowMb }) => Math.round(nowMb)).join(', ')} MB`);
  return [
    lineOf({ name: 'idle task', unit: '% of a core', samples: plain([share]), goal: { of: 'value', is: 'at most', bound: 1 } }),
    lineOf({
      name: 'idle task: largest process',
      unit: 'MB',
      samples: plain([largest], largest),
      goal: { of: 'value', is: 'at most', bound: 120 },
    }),
  ];
}
