import { setTimeout as delay } from 'node:timers/promises';
import type { Checkpoint } from '@millrace/contract/position.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import type { ApplyContext } from './apply-context.js';
import { fencedError, standOf } from './checkpoint-guard.js';
import { isConnectionLoss, serverFailureOf, targetError } from './server-failure.js';

/** Attempts of one group, for failures that say nothing about the data. */
export const ATTEMPTS = 8;
const FIRST_DELAY_MS = 50;
const LONGEST_DELAY_MS = 5_000;

/** A session that does not even roll back is closed: the server then does. */
export async function rollBack(context: ApplyContext, signal: AbortSignal): Promise<void> {
  try {
    const { connection } = await context.session(signal);
    await connection.query('ROLLBACK');
  } catch {
    await context.discardSession();
  }
}

/** Nothing is wrong with the data: it may go well the next time. */
export function isPassing(error: unknown): boolean {
  if (error instanceof MillraceError) return error.class === 'retry';
  return isConnectionLoss(error) || serverFailureOf(error)?.kind === 'retry';
}

/** Waits longer with each attempt, never as long as others that failed at the same time. */
export async function pause(attempt: number, signal: AbortSignal): Promise<void> {
  const longest = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** attempt);
  await delay(longest * (0.5 + Math.random() / 2), undefined, { signal });
}

/**
 * What became of a transaction whose COMMIT was not answered: asks until the target answers, within bounds, since nobody else can tell.
 * The context's `part` is then what the target says. True: the group is in as a whole.
 * @throws MillraceError SINK_FENCED, TARGET_*
 */
export async function askStand(
  context: ApplyContext,
  { from, next }: { readonly from: Checkpoint; readonly next: Checkpoint },
  signal: AbortSignal,
): Promise<boolean> {
  for (let attempt = 1; ; attempt++) {
    try {
      const { connection } = await context.session(signal);
      const { committed, part } = await standOf(connection, { claim: context, state: context.state, from, next });
      context.part = part;
      return committed;
    } catch (error) {
      if (signal.aborted) throw error;
      if (!isPassing(error) || attempt === ATTEMPTS) throw targetError(error, 'asking whether the last commit was done');
      await context.discardSession();
      await pause(attempt, signal);
    }
  }
}

/** What a CheckpointElsewhere is reported as; or why nobody can be asked. */
export async function elsewhereError(context: ApplyContext, from: Checkpoint, signal: AbortSignal): Promise<MillraceError> {
  try {
    const { connection } = await context.session(signal);
    return fencedError(context, from, await context.state.checkpoint(connection));
  } catch (error) {
    if (signal.aborted) throw error;
    return targetError(error, 'asking who has moved the checkpoint');
  }
}
