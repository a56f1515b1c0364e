import { setTimeout as delay } from 'node:timers/promises';
import type { Checkpoint } from '@millrace/contract/position.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import type { Client } from 'pg';
import type { ApplyContext, ApplySession } from './apply-context.js';
import { commitFate, fenced } from './checkpoint-guard.js';
import type { Pipeline } from './pipeline.js';
import { isConnectionLoss, serverFailureOf, targetError } from './sql-state.js';

/** Attempts of one group, for failures that say nothing about the data. */
export const ATTEMPTS = 8;
const FIRST_DELAY_MS = 50;
const LONGEST_DELAY_MS = 5_000;

export function begin(pipeline: Pipeline, { triggersOff }: ApplySession): void {
  pipeline.add({ text: 'BEGIN' });
  // Without the right to switch triggers off, constraints that may wait for the commit do.
  if (!triggersOff) pipeline.add({ text: 'SET CONSTRAINTS ALL DEFERRED' });
}

export async function commit(client: Client): Promise<void> {
  const { command } = await client.query('COMMIT');
  // A transaction that failed before is rolled back by COMMIT, without an error.
  if (command !== 'COMMIT') throw new MillraceError('INTERNAL', { what: `COMMIT was answered with ${command}` });
}

/** A session that does not even roll back is closed: the server then does. */
export async function rollBack(context: ApplyContext, signal: AbortSignal): Promise<void> {
  try {
    const { client } = await context.session(signal);
    await client.query('ROLLBACK');
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
 * What became of a COMMIT whose reply was lost: asks until the target answers, within bounds, since nobody else can tell.
 * @throws MillraceError SINK_FENCED, TARGET_*
 */
export async function fateOf(
  context: ApplyContext,
  { from, next }: { readonly from: Checkpoint; readonly next: Checkpoint },
  signal: AbortSignal,
): Promise<'committed' | 'rolled back'> {
  for (let attempt = 1; ; attempt++) {
    try {
      const { client } = await context.session(signal);
      return await commitFate(client, context, from, next);
    } catch (error) {
      if (signal.aborted) throw error;
      if (!isPassing(error) || attempt === ATTEMPTS) throw targetError(error, 'asking whether the last commit was done');
      await context.discardSession();
      await pause(attempt, signal);
    }
  }
}

/** What a CheckpointElsewhere is reported as; or why nobody can be asked. */
export async function fencedError(context: ApplyContext, from: Checkpoint, signal: AbortSignal): Promise<MillraceError> {
  try {
    const { client } = await context.session(signal);
    return await fenced(client, context, from);
  } catch (error) {
    if (signal.aborted) throw error;
    return targetError(error, 'asking who has moved the checkpoint');
  }
}
