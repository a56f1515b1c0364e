import { MillraceError } from '@millrace/errors/millrace-error.js';
import pg from 'pg';

/**
 * What a failure of the target means for a group.
 *
 * - `retry`: nothing is wrong with the data; the whole group again.
 * - `duplicate`: a unique or exclusion constraint refused the row.
 * - `data`: the target cannot hold this value or row.
 * - `table`: the statement does not fit the table as it is now: it was altered or dropped behind Millrace's back.
 * - `operator`: the target as a whole cannot go on until somebody has done something.
 * - `fatal`: the server says that its data is damaged, or Millrace has a bug.
 */
export type FailureKind = 'retry' | 'duplicate' | 'data' | 'table' | 'operator' | 'fatal';

/** SQLSTATEs that differ from the rest of their class (PostgreSQL manual, Appendix A). */
const CODES: Readonly<Record<string, FailureKind>> = {
  '23505': 'duplicate', // unique_violation
  '23P01': 'duplicate', // exclusion_violation
  '25006': 'operator', // read_only_sql_transaction: a standby, or default_transaction_read_only
  '25P03': 'retry', // idle_in_transaction_session_timeout
  '25P04': 'retry', // transaction_timeout
  '2BP01': 'table', // dependent_objects_still_exist
  '42501': 'operator', // insufficient_privilege
  '53100': 'operator', // disk_full
  '54001': 'operator', // statement_too_complex: max_stack_depth
  '55P03': 'retry', // lock_not_available
  '57P04': 'operator', // database_dropped
  '58030': 'operator', // io_error
  XX001: 'fatal', // data_corrupted
  XX002: 'fatal', // index_corrupted
};

const CLASSES: Readonly<Record<string, FailureKind>> = {
  '08': 'retry', // connection exception
  '0A': 'table', // feature not supported
  '20': 'data',
  '21': 'data', // cardinality violation
  '22': 'data', // data exception
  '23': 'data', // integrity constraint violation
  '25': 'fatal', // invalid transaction state: ours
  '26': 'retry', // invalid SQL statement name: a pooler gave us another server's session
  '28': 'operator', // invalid authorization
  '3D': 'operator', // invalid catalog name
  '3F': 'table', // invalid schema name
  '38': 'data', // external routine exception
  '39': 'data',
  '40': 'retry', // transaction rollback: serialization, deadlock
  '42': 'table', // undefined table or column, type mismatch
  '44': 'data', // WITH CHECK OPTION violation
  '53': 'retry', // insufficient resources
  '54': 'data', // program limit exceeded: index row too large
  '55': 'table', // object not in prerequisite state
  '57': 'retry', // operator intervention: shutdown, cancelled, starting up
  '58': 'retry', // system error outside PostgreSQL
  F0: 'operator',
  HV: 'data', // foreign data wrapper
  P0: 'data', // PL/pgSQL: a trigger or a domain's function raised it
  XX: 'fatal',
};

export function failureKindOf(sqlState: string): FailureKind {
  return CODES[sqlState] ?? CLASSES[sqlState.slice(0, 2)] ?? 'operator';
}

/** What the server said, without its DETAIL where that would quote the row. */
export interface ServerFailure {
  readonly kind: FailureKind;
  readonly sqlState: string;
  readonly message: string;
  /** Names that the server gave, for messages. */
  readonly constraint: string | null;
}

/** Errors of the socket itself, and pg's own words for a connection that ended. */
const CONNECTION_CODES = new Set([
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ECONNREFUSED',
  'ECONNABORTED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'EAI_AGAIN',
  'ENOTFOUND',
]);

/** FATAL answers, after which the server ends the session; the severity itself comes translated, so codes tell. */
const SESSION_ENDED = new Set(['25P03', '25P04', '57P01', '57P02', '57P03', '57P04', '57P05']);

/** The server's answer, or undefined where the error is no answer of the server. */
export function serverFailureOf(error: unknown): ServerFailure | undefined {
  if (!(error instanceof pg.DatabaseError) || error.code === undefined) return undefined;
  return { kind: failureKindOf(error.code), sqlState: error.code, message: error.message, constraint: error.constraint ?? null };
}

/**
 * A COPY that failed at a row: the target cannot hold it. A value may name what the target lacks or has twice (regclass, regproc,
 * regtype …): its SQLSTATE is then that of a missing table or function, and only the context, which COPY gives for every row, tells it from
 * the statement's own.
 */
export function isRefusedRow(error: unknown): boolean {
  const failure = serverFailureOf(error);
  if (failure === undefined) return false;
  if (failure.kind === 'data' || failure.kind === 'duplicate') return true;
  return failure.kind === 'table' && error instanceof pg.DatabaseError && error.where !== undefined;
}

/** The connection cannot be used any more: what the server did with the last statement is unknown. */
export function isConnectionLoss(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof pg.DatabaseError) {
    return error.code !== undefined && (error.code.startsWith('08') || SESSION_ENDED.has(error.code));
  }
  if ('code' in error && typeof error.code === 'string' && CONNECTION_CODES.has(error.code)) return true;
  return /^(Connection terminated|Client has encountered a connection error|Client was closed|timeout expired|Connection ended)/.test(
    error.message,
  );
}

/** The error to report for a failure that no policy judges. */
export function targetError(error: unknown, doing: string): MillraceError {
  if (error instanceof MillraceError) return error;
  const failure = serverFailureOf(error);
  const reason = error instanceof Error ? error.message : String(error);
  if (isConnectionLoss(error)) return new MillraceError('TARGET_CONNECTION_LOST', { doing, reason }, { cause: error });
  if (failure === undefined) return new MillraceError('INTERNAL', { what: `${doing}: ${reason}` }, { cause: error });
  const details = { doing, reason, state: failure.sqlState };
  if (failure.sqlState === '25006') return new MillraceError('TARGET_READ_ONLY', details, { cause: error });
  if (failure.sqlState === '42501') return new MillraceError('TARGET_RIGHTS', details, { cause: error });
  if (failure.sqlState === '53100') return new MillraceError('TARGET_DISK_FULL', details, { cause: error });
  if (failure.kind === 'retry') return new MillraceError('TARGET_BUSY', details, { cause: error });
  return new MillraceError('TARGET_STATEMENT_FAILED', details, { cause: error });
}
