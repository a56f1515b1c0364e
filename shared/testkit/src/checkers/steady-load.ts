import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';

export interface SteadyLoad {
  readonly url: string;
  readonly perSecond: number;
  readonly connections: number;
  /** One whole transaction: the statement commits by itself. */
  readonly statement: () => { readonly text: string; readonly values: readonly (string | number)[] };
}

export interface LoadTally {
  committed: number;
  /** The connection was lost before the server's answer: the transaction may have committed or not. */
  unknown: number;
}

const RECONNECT_AFTER_MS = 200;

/** Commits transactions at a steady rate until the signal, over crashes and restarts of the server. Resolves with what was committed. */
export async function commitSteadily(load: SteadyLoad, signal: AbortSignal): Promise<LoadTally> {
  const tally: LoadTally = { committed: 0, unknown: 0 };
  await Promise.all(Array.from({ length: load.connections }, () => connection(load, tally, signal)));
  return tally;
}

async function connection(load: SteadyLoad, tally: LoadTally, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const client = new pg.Client({ connectionString: load.url, connectionTimeoutMillis: 5_000, query_timeout: 20_000 });
    client.on('error', () => undefined);
    try {
      await client.connect();
      await commitAll(client, load, tally, signal);
    } catch {
      await delay(RECONNECT_AFTER_MS, undefined, { signal }).catch(() => undefined);
    } finally {
      await client.end().catch(() => undefined);
    }
  }
}

async function commitAll(client: pg.Client, load: SteadyLoad, tally: LoadTally, signal: AbortSignal): Promise<void> {
  const everyMs = (1_000 * load.connections) / load.perSecond;
  for (let next = performance.now(); !signal.aborted; next = Math.max(next + everyMs, performance.now() - everyMs)) {
    const waitMs = next - performance.now();
    if (waitMs > 0) await delay(waitMs, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    const { text, values } = load.statement();
    try {
      await client.query({ text, values: [...values] });
    } catch (error) {
      tally.unknown += 1;
      throw error;
    }
    tally.committed += 1;
  }
}
