import { withClient } from '@millrace/local/postgres.js';
import { PEER_PUBLICATION } from './peer-slot.js';
import { type Cost, CostMeter } from './process-cost.js';
import { sentinelArrived, slotIsActive, slotOf, startMillrace } from './run.js';
import type { BenchServers } from './servers.js';

/** `millrace run` drains the backlog into the target: until the sentinel can be read there. */
export async function runEndToEnd(servers: BenchServers, task: string): Promise<Cost> {
  const run = startMillrace(servers, 'run', task);
  try {
    await slotIsActive(servers, slotOf(task));
    const meter = await CostMeter.start(servers.pids);
    await sentinelArrived(servers);
    return await meter.finish();
  } finally {
    await run.stop();
  }
}

/**
 * A subscription of PostgreSQL itself over the same slot's copy. It applies with its own default, synchronous_commit off: it can say
 * later than Millrace that a change is durable.
 */
export async function runNative(servers: BenchServers, slot: string): Promise<Cost> {
  return withSubscription(servers, slot, async () => {
    await slotIsActive(servers, slot);
    const meter = await CostMeter.start(servers.pids);
    await sentinelArrived(servers);
    return meter.finish();
  });
}

/** Runs `work` while the subscription is enabled, and leaves no subscription; its slot is the caller's. */
export async function withSubscription<T>(servers: BenchServers, slot: string, work: () => Promise<T>): Promise<T> {
  const { source, target } = servers;
  return withClient(target.url, async (client) => {
    await client.query(
      `CREATE SUBSCRIPTION bench_native CONNECTION '${source.url}' PUBLICATION ${PEER_PUBLICATION}
         WITH (create_slot = false, slot_name = '${slot}', copy_data = false, enabled = true)`,
    );
    try {
      return await work();
    } finally {
      await client.query('ALTER SUBSCRIPTION bench_native DISABLE');
      await client.query('ALTER SUBSCRIPTION bench_native SET (slot_name = NONE)');
      await client.query('DROP SUBSCRIPTION bench_native');
    }
  });
}
