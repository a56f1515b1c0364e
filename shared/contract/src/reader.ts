import type { RowFilter } from './load.js';
import type { TableId } from './table.js';

/** A key column and how both ends order it: integers by value, everything else by the bytes of its text. */
export interface OrderColumn {
  readonly name: string;
  readonly order: 'integer' | 'bytes';
}

/**
 * How values are printed. `own`: as the engine prints them. `common`: as every engine prints what means the same, for comparing two
 * engines: booleans as 1 and 0, bytes as lower-case hexadecimal, fractions of seconds and decimals without the zeros at their end, moments in
 * UTC without a zone, floats as JavaScript's shortest text; everything else as its text.
 */
export type ValueForm = 'own' | 'common';

export interface ReadRequest {
  readonly table: TableId;
  /** Columns to read, as text; null for SQL's null. */
  readonly columns: readonly string[];
  readonly form: ValueForm;
  /** Rows come in this order; empty: ordered by all columns' texts (a keyless table as a multiset). */
  readonly orderBy: readonly OrderColumn[];
  readonly filter: RowFilter | null;
}

/** Values of one row in the order of the request's columns. */
export type TextRow = readonly (string | null)[];

/** Reads whole tables in one view each, for comparing: rows as texts, a batch at a time. */
export interface TableReader extends AsyncDisposable {
  /** Two ends with the same word print in the same `own` form. */
  readonly engine: string;
  rows(request: ReadRequest, signal: AbortSignal): AsyncIterable<readonly TextRow[]>;
}
