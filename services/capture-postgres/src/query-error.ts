import { MillraceError } from '@millrace/errors/millrace-error.js';
import { sqlStateOf } from '@millrace/postgres/connect-error.js';

/**
 * An error of the table for a query that failed on an open session: a lost connection is tried again, a missing right or a
 * statement that the server refuses needs a person. `doing` completes "while …".
 */
export function queryError(error: unknown, doing: string): MillraceError {
  if (error instanceof MillraceError) return error;
  // JavaScript's own errors are ours: trying again would not help.
  if (error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError) {
    return new MillraceError('INTERNAL', { what: `${error.message} while ${doing}` }, { cause: error });
  }
  const state = sqlStateOf(error);
  const reason = error instanceof Error ? error.message : String(error);
  const details = { doing, reason, state: state ?? 'none' };
  if (state === null || isConnectionLoss(state)) return new MillraceError('SOURCE_CONNECTION_LOST', details, { cause: error });
  if (state === '55P03') return new MillraceError('SOURCE_TABLE_LOCKED', details, { cause: error });
  if (state === '53100') return new MillraceError('SOURCE_DISK_FULL', details, { cause: error });
  if (state === '42501') return new MillraceError('SOURCE_RIGHTS', details, { cause: error });
  return new MillraceError('SOURCE_QUERY_FAILED', details, { cause: error });
}

/** Class 08, and the server ending the session: administrator, crash, shutdown, start, recovery conflict that ends it. */
function isConnectionLoss(state: string): boolean {
  return state.startsWith('08') || ['57P01', '57P02', '57P03', '57P05', '25P03'].includes(state);
}
