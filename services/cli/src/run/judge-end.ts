import type { RunProgress } from './progress.js';
import type { Outcome } from './supervisor.js';

export interface Verdict {
  readonly outcome: Outcome;
  /** Take back what the start made. */
  readonly undo: boolean;
}

/**
 * What a run's end means. A worker that gave up before it got to work refused the start, as a preflight does: exit code 1. Where
 * nothing of the task was there before and nothing has reached the target, the start is taken back. A goal is not reached over a
 * table in error.
 */
export function judgeEnd(ended: Outcome, progress: RunProgress, pristine: boolean): Verdict {
  const { reason, failure, role } = ended;
  if (reason === 'failed' && failure !== null && failure.class !== 'retry') {
    const nothingDone = progress.applied === null && progress.tables.size === 0;
    const neverWorked = role !== null && !progress.atWork.has(role);
    const undo = pristine && nothingDone;
    return { outcome: undo || neverWorked ? { ...ended, reason: 'refused' } : ended, undo };
  }
  if (reason === 'loaded' || reason === 'caught-up') {
    const inError = progress.tableInError();
    if (inError !== undefined) return { outcome: { ...ended, reason: 'failed' }, undo: false };
  }
  return { outcome: ended, undo: false };
}
