import { setTimeout as delay } from 'node:timers/promises';
import type { SinkState } from '@millrace/contract/sink.js';

/** A target that no longer answers must not keep a run from ending. */
const PATIENCE_MS = 2_000;

/** The target's own account of the task; null where it cannot be asked any more. */
export async function finalState(inspect: () => Promise<SinkState>): Promise<SinkState | null> {
  const late = new AbortController();
  const silence = delay(PATIENCE_MS, null, { signal: late.signal }).catch(() => null);
  try {
    return await Promise.race([inspect().catch(() => null), silence]);
  } finally {
    late.abort();
  }
}
