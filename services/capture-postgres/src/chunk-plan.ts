import type { KeyRange } from '@millrace/contract/load.js';
import type { ColumnSchema, TableSchema } from '@millrace/contract/table.js';

/** How large a chunk may get; whatever is reached first ends it. */
export interface ChunkSize {
  readonly rows: number;
  readonly bytes: number;
}

export const DEFAULT_CHUNK_SIZE: ChunkSize = { rows: 50_000, bytes: 16 * 1024 * 1024 };

/** What the catalogue's statistics say about the relation that stores the rows. */
export interface RelationStatistics {
  /** Pages of the main file now. */
  readonly pages: number;
  /** Main file, TOAST and maps. */
  readonly bytes: number;
  /** pg_class.reltuples: estimate of the last VACUUM or ANALYZE, -1 or 0 where there was none. */
  readonly rows: number;
  /** pg_stats.correlation of the first key column: ±1 where the rows lie in key order; null: never analysed. */
  readonly correlation: number | null;
  /** Share of the rows that have the first key column's most common value; null: not known. */
  readonly mostCommon: number | null;
}

export interface ChunkAbilities {
  /** PostgreSQL 14 and later read a range of pages without reading the others (TID Range Scan). */
  readonly pageRanges: boolean;
  /** Texts of collation C sort by the bytes that the client sees (the database's encoding is UTF-8). */
  readonly bytewiseC: boolean;
  /** The database's default collation is C. */
  readonly bytewiseDefault: boolean;
}

export type ChunkPlan =
  | { readonly kind: 'all'; readonly keys: KeyRange | null }
  | { readonly kind: 'keys'; readonly keys: KeyRange; readonly rowsPerChunk: number }
  | { readonly kind: 'pages'; readonly pagesPerChunk: number };

/** Of rows whose width nobody knows yet: about 8 KB page space per 100 rows. */
const ROWS_PER_PAGE = 80;

/**
 * Chooses how to cut a table. Key ranges can be taken up again in a later snapshot, page ranges cannot; but a key range is only
 * cheap to read where rows lie roughly in key order, and only even where no single first value has many rows.
 */
export function planChunks(schema: TableSchema, statistics: RelationStatistics, size: ChunkSize, can: ChunkAbilities): ChunkPlan {
  const keys = keyRangeOf(schema, can);
  const rows = estimatedRows(statistics);
  if (statistics.bytes <= size.bytes && rows <= size.rows) return { kind: 'all', keys };
  if (keys !== null && (!can.pageRanges || isCheapByKey(schema, keys, statistics, size))) {
    return { kind: 'keys', keys, rowsPerChunk: rowsPerChunk(statistics, size) };
  }
  if (!can.pageRanges) return { kind: 'all', keys };
  const pages = Math.max(statistics.pages, 1);
  const byBytes = Math.floor(size.bytes / (statistics.bytes / pages));
  const byRows = Math.floor(size.rows / Math.max(rows / pages, 0.1));
  return { kind: 'pages', pagesPerChunk: Math.max(1, Math.min(byBytes, byRows)) };
}

/** The whole range of the first key column, null where its order is neither the integers' nor the bytes'. */
export function keyRangeOf(schema: TableSchema, can: ChunkAbilities): KeyRange | null {
  const [first] = schema.primaryKey;
  const column = schema.columns.find((each) => each.name === first);
  const order = column === undefined ? null : orderOf(column, can);
  return column === undefined || order === null ? null : { column: column.name, order, from: null, to: null };
}

function orderOf(column: ColumnSchema, can: ChunkAbilities): KeyRange['order'] | null {
  switch (column.type.kind) {
    case 'integer':
      return 'integer';
    case 'uuid':
      return 'bytes';
    case 'text': {
      // A domain's collation may be its own, and char(n) compares without its padding.
      const plain = column.native.schema === 'pg_catalog' && (column.native.name === 'text' || column.native.name === 'varchar');
      const bytewise = column.collation === null ? can.bytewiseDefault : /^pg_catalog\."(C|POSIX)"$/.test(column.collation);
      return plain && bytewise && can.bytewiseC ? 'bytes' : null;
    }
    default:
      return null;
  }
}

function isCheapByKey(schema: TableSchema, keys: KeyRange, statistics: RelationStatistics, size: ChunkSize): boolean {
  const { correlation, mostCommon, rows } = statistics;
  // Never analysed: integers are nearly always handed out in order, other keys nearly never.
  const ordered = correlation === null ? keys.order === 'integer' : Math.abs(correlation) >= 0.9;
  const even = schema.primaryKey.length === 1 || (mostCommon !== null && mostCommon * rows <= 4 * size.rows);
  return ordered && even;
}

/** Rows by the last statistics, or by the size where there are none. */
export function estimatedRows(statistics: RelationStatistics): number {
  return statistics.rows > 0 ? statistics.rows : statistics.pages * ROWS_PER_PAGE;
}

/** Rows that fill a chunk. */
export function rowsPerChunk(statistics: RelationStatistics, size: ChunkSize): number {
  const rowBytes = Math.max(statistics.bytes / Math.max(estimatedRows(statistics), 1), 1);
  return Math.min(Math.max(Math.floor(size.bytes / rowBytes), 1), size.rows);
}
