import type { ConflictAction, ErrorPolicy } from '@millrace/contract/sink.js';
import { assertNever } from '@millrace/errors/millrace-error.js';

/** What went wrong with one change, once it was applied alone and in its place. */
export type Conflict =
  /** A unique or exclusion constraint refused an insert. */
  | 'insert-duplicate'
  /** An update met no row. */
  | 'update-missing'
  /** A delete met no row. */
  | 'delete-missing'
  /** The target cannot hold the row: a value, a check, a foreign key, a unique constraint in an update. */
  | 'refused'
  /** The statement does not fit the table as it is now. */
  | 'table-changed';

/** What to do with the change. */
export type Verdict =
  /** Keep it as a dead letter, count it, go on. */
  | 'set-aside'
  /** Write the new image over the row with the same key. */
  | 'overwrite'
  /** Insert the new image. */
  | 'insert'
  /** Put the table in state error and pass over its later changes. */
  | 'suspend'
  /** Roll the group back and end with an error. */
  | 'stop';

/**
 * Judges one conflict by the task's policy. A word that makes no sense for the conflict (UPDATE_RECORD for a delete) sets the
 * change aside: nothing is ever dropped. A table that was changed behind our back is suspended whatever the policy, since every
 * further change of it would fail the same way.
 */
export function judge(conflict: Conflict, policy: ErrorPolicy): Verdict {
  if (conflict === 'table-changed') return 'suspend';
  const action = actionFor(conflict, policy);
  switch (action) {
    case 'LOG_ERROR':
    case 'IGNORE_RECORD':
      return 'set-aside';
    case 'SUSPEND_TABLE':
      return 'suspend';
    case 'STOP_TASK':
      return 'stop';
    case 'UPDATE_RECORD':
      return conflict === 'insert-duplicate' ? 'overwrite' : 'set-aside';
    case 'INSERT_RECORD':
      return conflict === 'update-missing' ? 'insert' : 'set-aside';
    default:
      return assertNever(action);
  }
}

function actionFor(conflict: Exclude<Conflict, 'table-changed'>, policy: ErrorPolicy): ConflictAction {
  switch (conflict) {
    case 'insert-duplicate':
      return policy.insertConflict;
    case 'update-missing':
      return policy.updateConflict;
    case 'delete-missing':
      return policy.deleteConflict;
    case 'refused':
      return policy.data;
    default:
      return assertNever(conflict);
  }
}
