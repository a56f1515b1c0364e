import { setTimeout as delay } from 'node:timers/promises';
import type { Position } from '@millrace/contract/position.js';
import type { MigrationType } from '@millrace/contract/task.js';
import type { RunProgress } from './progress.js';

const LOOK_EVERY_MS = 50;

export interface GoalOptions {
  readonly until: 'loaded' | 'caught-up' | undefined;
  readonly migrationType: MigrationType;
  readonly progress: RunProgress;
  /** The end of the source's log, asked once the load is done (at the start where none is left to do); null where the run stopped meanwhile. */
  readonly sourcePosition: () => Promise<Position | null>;
}

/**
 * Waits for what `--until` names; a full-load task ends when it is loaded in any case. Null: there is no goal but a signal.
 */
export async function reachGoal(options: GoalOptions, signal: AbortSignal): Promise<'loaded' | 'caught-up' | null> {
  const until = options.until ?? (options.migrationType === 'full-load' ? 'loaded' : undefined);
  if (until === undefined) return null;
  if (options.migrationType !== 'cdc') await when(() => options.progress.loaded, signal);
  if (signal.aborted) return null;
  if (until === 'loaded') return 'loaded';
  for (;;) {
    // A table that appeared or was rewritten comes by a load of its own: behind a position that is noted now, or not at all yet.
    await when(() => options.progress.loadsSettled, signal);
    if (signal.aborted) return null;
    const end = await options.sourcePosition();
    if (end === null) return null;
    await when(() => options.progress.hasApplied(end), signal);
    if (signal.aborted) return null;
    if (options.progress.loadsSettled) return 'caught-up';
  }
}

async function when(condition: () => boolean, signal: AbortSignal): Promise<void> {
  while (!condition() && !signal.aborted) await delay(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
}
