import type { Position } from './position.js';
import type { TableId, TableSchema, TableVersion } from './table.js';

/** Condition on a row, as a table mapping's filters say it: evaluated by the source for the load and in the pipe for changes. */
export type RowFilter =
  | { readonly kind: 'all'; readonly of: readonly RowFilter[] }
  | { readonly kind: 'any'; readonly of: readonly RowFilter[] }
  | {
      readonly kind: 'compare';
      readonly column: string;
      readonly operator: 'eq' | 'noteq' | 'ste' | 'gte';
      readonly value: string;
    }
  | { readonly kind: 'between' | 'notbetween'; readonly column: string; readonly start: string; readonly end: string }
  | { readonly kind: 'null' | 'notnull'; readonly column: string };

/**
 * How a chunk's rows travel. 'rows': Avro array of bytes, each a row image by the table version's schema, readable by every sink.
 * Any other word is an engine's own bulk format (`postgresql-copy-text`), passed through undecoded where both ends speak it
 * and no rule touches the table.
 */
export type ChunkEncoding = 'rows' | 'postgresql-copy-text';

/** Half-open range of the first key column by which a chunk was cut; its order is the integers' or the bytes', never a collation's. */
export interface KeyRange {
  readonly column: string;
  readonly order: 'integer' | 'bytes';
  readonly from: string | null;
  readonly to: string | null;
}

/** A part of a table, small enough to be repeated. */
export interface ChunkSpec {
  /** 0, 1, 2 … within the table's load. */
  readonly index: number;
  /** Where its rows lie, in the connector's own words. */
  readonly locator: string;
  /** Null: the chunk makes sense only in the snapshot it was cut in (ctid ranges). */
  readonly keys: KeyRange | null;
}

export interface SnapshotTable {
  readonly schema: TableSchema;
  readonly filter: RowFilter | null;
  readonly encoding: ChunkEncoding;
}

/** Rows of a chunk, a buffer at a time (about 1 MB each, whole rows only). */
export interface ChunkPart {
  readonly bytes: Uint8Array;
  readonly rows: number;
}

/**
 * A consistent view of the source at one position, over all tables, read by several connections.
 *
 * Its methods throw SNAPSHOT_LOST where the session that held it is gone. Of one table alone they throw TABLE_REWRITTEN where it was
 * dropped, renamed, rewritten or truncated since (it would read empty, or not at all), TABLE_BUSY where a later attempt may succeed,
 * and TABLE_UNREADABLE where one would not.
 */
export interface Snapshot extends AsyncDisposable {
  readonly position: Position;
  /** The source's clock before the snapshot was taken, microseconds since 1970: no change behind `position` committed earlier. */
  readonly takenAtMicros: bigint;
  /** Estimated rows and bytes, for progress; not exact. */
  estimate(table: TableId): Promise<{ readonly rows: number; readonly bytes: number }>;
  /** Cuts the table, lazily, in order, beginning after `after` where given (a resumed load); ends when the table does. */
  chunks(table: SnapshotTable, after: ChunkSpec | null, signal: AbortSignal): AsyncIterable<ChunkSpec>;
  /**
   * Reads one chunk. For encoding 'rows', the images are by `version`'s row schema. A part's bytes may be written over once the next
   * part is asked for.
   * @throws MillraceError as the interface says
   */
  read(table: SnapshotTable, version: TableVersion, chunk: ChunkSpec, signal: AbortSignal): AsyncIterable<ChunkPart>;
}

/** One finished or running copy of a chunk, as the sink is handed it. */
export interface LoadChunk {
  readonly load: string;
  readonly table: TableVersion;
  readonly index: number;
  readonly attempt: number;
  /** Changes at or below this position are already in the chunk's rows: the snapshot that this attempt reads. */
  readonly asOf: Position;
  /** The keys whose rows it holds, in the target's column names; null: the chunk makes sense only beside others of its snapshot. */
  readonly keys: KeyRange | null;
  readonly encoding: ChunkEncoding;
  /** Ends normally only after the End record's row count and digest were checked; throws where the attempt was abandoned. */
  readonly parts: AsyncIterable<ChunkPart>;
}
