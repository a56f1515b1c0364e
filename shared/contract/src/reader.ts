import type { RowFilter } from './load.js';
import type { TableId } from './table.js';

/** A key column and how both ends order it: integers by value, everything else by the bytes of its text. */
export interface OrderColumn {
  readonly name: string;
  readonly order: 'integer' | 'bytes';
}

export interface ReadRequest {
  readonly table: TableId;
  /** Columns to read, as text; null for SQL's null. */
  readonly columns: readonly string[];
  /** Rows come in this order; empty: ordered by all columns' texts (a keyless table as a multiset). */
  readonly orderBy: readonly OrderColumn[];
  readonly filter: RowFilter | null;
}

/** Values of one row in the order of the request's columns. */
export type TextRow = readonly (string | null)[];

/** Reads whole tables in one view each, for comparing: rows as the texts that the engine prints, a batch at a time. */
export interface TableReader extends AsyncDisposable {
  rows(request: ReadRequest, signal: AbortSignal): AsyncIterable<readonly TextRow[]>;
}
