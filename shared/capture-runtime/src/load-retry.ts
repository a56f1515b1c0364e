import { displayTable } from '@millrace/codec/table-key.js';
import type { TableId } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import type { ErrorCode } from '@millrace/errors/table.js';

/** Failures of one table's load before the table is set aside: with the pauses between them, at least six minutes. */
export const MAX_FAILURES = 20;
/** Snapshots lost one after the other, nothing read in any of them, before the incarnation ends. */
export const MAX_LOST_SNAPSHOTS = 20;

const FIRST_PAUSE_MS = 200;
const MAX_PAUSE_MS = 30_000;

/** What a snapshot throws of one table alone; whatever else it throws concerns them all. */
const OF_ONE_TABLE: ReadonlySet<ErrorCode> = new Set([
  'TABLE_REWRITTEN',
  'TABLE_BUSY',
  'TABLE_UNREADABLE',
  'SOURCE_FILTER_COLUMN',
]);

export function concernsOneTable(error: unknown): error is MillraceError {
  return error instanceof MillraceError && OF_ONE_TABLE.has(error.code);
}

/** Before attempt `count + 1`: from 0.2 s, doubling, to 30 s. */
export function pauseMs(count: number): number {
  return Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(count - 1, 10));
}

export type AfterFailure =
  | { readonly do: 'pause'; readonly ms: number }
  /** Another attempt would fail as well: the table ends with the error, the others go on. */
  | { readonly do: 'set-aside'; readonly error: MillraceError };

/** How a table's load goes on after its `failures`th failure, `last`. */
export function afterFailure(table: TableId, failures: number, last: MillraceError): AfterFailure {
  if (last.class !== 'retry') return { do: 'set-aside', error: last };
  if (failures < MAX_FAILURES) return { do: 'pause', ms: pauseMs(failures) };
  const details = { table: displayTable(table), attempts: failures, reason: last.message };
  return { do: 'set-aside', error: new MillraceError('LOAD_GIVEN_UP', details, { cause: last }) };
}
