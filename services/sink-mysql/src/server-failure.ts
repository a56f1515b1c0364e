import { MillraceError } from '@millrace/errors/millrace-error.js';
import { errorCodeOf, errorNumberOf } from '@millrace/mysql/connect-error.js';

/**
 * What a failure of the target means for a group.
 *
 * - `retry`: nothing is wrong with the data; the whole group again.
 * - `duplicate`: a unique index refused the row.
 * - `data`: the target cannot hold this value or row.
 * - `table`: the statement does not fit the table as it is now: it was altered or dropped behind Millrace's back.
 * - `operator`: the target as a whole cannot go on until somebody has done something.
 */
export type FailureKind = 'retry' | 'duplicate' | 'data' | 'table' | 'operator';

/** Numbers that differ from the rest of their SQLSTATE's class (MySQL and MariaDB manuals, "Server Error Message Reference"). */
const NUMBERS: ReadonlyMap<number, FailureKind> = new Map([
  ...ofKind('duplicate', [1022, 1062, 1169, 1586, 1761, 1762, 1859]),
  // Shutdown, deadlock, lock wait time-out, a definition that moved, a query or a session that somebody ended, memory, connections.
  ...ofKind(
    'retry',
    [1020, 1037, 1038, 1040, 1041, 1047, 1053, 1184, 1205, 1206, 1213, 1317, 1412, 1615, 1927, 1969, 3024, 3100, 3168, 4031],
  ),
  // Null, too large for the packet or the page, out of range, bent, JSON, geometry, checks, generated columns, no partition for the value.
  ...ofKind(
    'data',
    [1048, 1118, 1139, 1153, 1264, 1265, 1292, 1364, 1366, 1367, 1390, 1406, 1411, 1416, 1441, 1525, 1526, 1644, 1690, 1977],
  ),
  ...ofKind('data', [3140, 3141, 3144, 3156, 3157, 3643, 3732, 3819, 3903, 4025, 4078, 4079]),
  ...ofKind('table', [1049, 1051, 1054, 1091, 1100, 1136, 1146, 1347, 1356, 1906, 3105]),
  // Rights, disk, read-only, syntax, limits of the server.
  ...ofKind(
    'operator',
    [
      1021, 1030, 1026, 1044, 1045, 1064, 1114, 1142, 1143, 1227, 1290, 1370, 1419, 1449, 1665, 1701, 1785, 1786, 1787, 1792,
      1836,
    ],
  ),
]);

const CLASSES: ReadonlyMap<string, FailureKind> = new Map([
  ['08', 'retry'],
  ['21', 'data'],
  ['22', 'data'],
  ['23', 'data'],
  ['40', 'retry'],
  ['42', 'table'],
  ['44', 'data'],
  ['45', 'data'],
]);

function ofKind(kind: FailureKind, numbers: readonly number[]): [number, FailureKind][] {
  return numbers.map((number) => [number, kind]);
}

export function failureKindOf(number: number, sqlState: string): FailureKind {
  return NUMBERS.get(number) ?? CLASSES.get(sqlState.slice(0, 2)) ?? 'operator';
}

/** What the server said. */
export interface ServerFailure {
  readonly kind: FailureKind;
  readonly number: number;
  readonly sqlState: string;
  readonly message: string;
}

/** The server's answer, or undefined where the error is no answer of the server. */
export function serverFailureOf(error: unknown): ServerFailure | undefined {
  const number = errorNumberOf(error);
  if (number === null || !(error instanceof Error)) return undefined;
  const sqlState = 'sqlState' in error && typeof error.sqlState === 'string' ? error.sqlState : 'HY000';
  return { kind: failureKindOf(number, sqlState), number, sqlState, message: error.message };
}

/** Of the socket, and the driver's own. */
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
  'ERR_STREAM_DESTROYED',
  'ERR_STREAM_WRITE_AFTER_END',
  'PROTOCOL_CONNECTION_LOST',
  'PROTOCOL_ENQUEUE_AFTER_FATAL_ERROR',
  'PROTOCOL_ENQUEUE_AFTER_QUIT',
]);
/** Shutdown, a killed session (MySQL, MariaDB), a session that was idle for too long: the server ends it with the answer. */
const SESSION_ENDED = new Set([1053, 1152, 1158, 1159, 1160, 1161, 1927, 4031]);

/** The connection cannot be used any more: what the server did with the last statement is unknown. */
export function isConnectionLoss(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof MillraceError) return false;
  const number = errorNumberOf(error);
  if (number !== null) return SESSION_ENDED.has(number);
  if (CONNECTION_CODES.has(errorCodeOf(error) ?? '')) return true;
  return ('fatal' in error && error.fatal === true) || /connection is in closed state/.test(error.message);
}

const READ_ONLY = new Set([1290, 1792, 1836]);
const RIGHTS = new Set([1044, 1045, 1142, 1143, 1227, 1370, 1419]);
const DISK = new Set([1021, 1026, 1114]);

/** The error to report for a failure that no policy judges. */
export function targetError(error: unknown, doing: string): MillraceError {
  if (error instanceof MillraceError) return error;
  const failure = serverFailureOf(error);
  const reason = error instanceof Error ? error.message : String(error);
  if (isConnectionLoss(error)) return new MillraceError('TARGET_CONNECTION_LOST', { doing, reason }, { cause: error });
  if (failure === undefined) return new MillraceError('INTERNAL', { what: `${doing}: ${reason}` }, { cause: error });
  const details = { doing, reason, state: failure.sqlState };
  if (READ_ONLY.has(failure.number)) return new MillraceError('TARGET_READ_ONLY', details, { cause: error });
  if (RIGHTS.has(failure.number)) return new MillraceError('TARGET_RIGHTS', details, { cause: error });
  if (DISK.has(failure.number)) return new MillraceError('TARGET_DISK_FULL', details, { cause: error });
  if (failure.kind === 'retry') return new MillraceError('TARGET_BUSY', details, { cause: error });
  return new MillraceError('TARGET_STATEMENT_FAILED', details, { cause: error });
}
