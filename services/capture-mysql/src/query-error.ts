import { MillraceError } from '@millrace/errors/millrace-error.js';
import { errorCodeOf, errorNumberOf } from '@millrace/mysql/connect-error.js';
import { ZodError } from 'zod';

/**
 * An error of the table for a query that failed on an open session: a lost connection is tried again, a missing right or a statement
 * that the server refuses needs a person. `doing` completes "while …".
 */
export function queryError(error: unknown, doing: string): MillraceError {
  if (error instanceof MillraceError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  if (error instanceof ZodError)
    return new MillraceError(
      'SOURCE_BINLOG_PROTOCOL',
      { what: `an answer of another form while ${doing}: ${reason}` },
      { cause: error },
    );
  // JavaScript's own errors are ours: trying again would not help.
  if (error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError)
    return new MillraceError('INTERNAL', { what: `${reason} while ${doing}` }, { cause: error });
  const number = errorNumberOf(error);
  const details = { doing, reason, state: number ?? errorCodeOf(error) ?? 'none' };
  if (number === null || CONNECTION_ENDED.has(number))
    return new MillraceError('SOURCE_CONNECTION_LOST', details, { cause: error });
  if (LOCKED.has(number)) return new MillraceError('SOURCE_TABLE_LOCKED', details, { cause: error });
  if (RIGHTS.has(number))
    return new MillraceError('SOURCE_GRANT_MISSING', { user: 'of --source', right: reason, grant: 'GRANT it' }, { cause: error });
  return new MillraceError('SOURCE_QUERY_FAILED', details, { cause: error });
}

/** ER_SERVER_SHUTDOWN, ER_NORMAL_SHUTDOWN, ER_CONNECTION_KILLED, ER_QUERY_INTERRUPTED, ER_CLIENT_INTERACTION_TIMEOUT, net errors. */
const CONNECTION_ENDED = new Set([1053, 1077, 1927, 3169, 1317, 4031, 1158, 1159, 1160, 1161, 1184]);
/** ER_LOCK_WAIT_TIMEOUT, ER_LOCK_DEADLOCK */
const LOCKED = new Set([1205, 1213]);
/** ER_DBACCESS_DENIED, ER_ACCESS_DENIED, ER_TABLEACCESS_DENIED, ER_COLUMNACCESS_DENIED, ER_SPECIFIC_ACCESS_DENIED */
export const RIGHTS = new Set([1044, 1045, 1142, 1143, 1227]);
