import type { Position } from './position.js';
import type { TableSchema, TableVersion } from './table.js';

/**
 * Writes one row image straight into the open block: exactly one call per column, in column order, then `end()`.
 * A column is Avro's union [null, value, unchanged]; the value's wire type follows from the column's logical type, and the
 * call must fit it (`integer`/`bigint` for int and long, `string` for everything that travels as text).
 */
export interface RowWriter {
  null(): void;
  unchanged(): void;
  boolean(value: boolean): void;
  /** A safe integer, for int and long columns. */
  integer(value: number): void;
  /** For long columns beyond 2^53. */
  bigint(value: bigint): void;
  /** For float and double columns. */
  float(value: number): void;
  /** UTF-8 bytes of a text value, copied from `source[start, end)`. */
  string(source: Uint8Array, start: number, end: number): void;
  bytes(source: Uint8Array, start: number, end: number): void;
  /** Ends the image; the row event is complete with its last image's end. Throws where columns are missing. */
  end(): void;
}

/** What a Schema event says about its table, at its place in the commit order. */
export type SchemaChange =
  /** This version holds for the rows that follow; the target follows it. */
  | { readonly kind: 'version' }
  /** The same, and the table's rows come (again) by this load. */
  | { readonly kind: 'load'; readonly load: string; readonly reason: string }
  | { readonly kind: 'dropped' }
  /** The table cannot go on: it alone is set aside; the others go on. */
  | { readonly kind: 'error'; readonly code: string; readonly message: string };

/** Where and when a transaction commits, said before its changes. */
export interface CommitAhead {
  /**
   * Where the source's log holds the commit: not before any earlier transaction's Commit position, and not behind its own. PostgreSQL:
   * the commit record's beginning (Begin's "final LSN"), where Commit has its end.
   */
  readonly position: Position;
  /** The source's commit time, microseconds since 1970. Later transactions may have earlier ones: it is a clock, no order. */
  readonly atMicros: bigint;
}

/**
 * Appends events to the open block, field by field, without an object per row; the runtime decides when a block goes.
 * Between `begin` and `commit` lie whole transactions of the source in commit order.
 */
export interface EventWriter {
  /**
   * Announces a table version: before its first row and after every change. Registers it (asynchronously: the
   * registry), so await it before writing rows of it. Allowed inside and outside of transactions.
   */
  schema(table: TableSchema, change: SchemaChange): Promise<TableVersion>;
  /** Without `commit`, the log does not say ahead where and when the transaction commits. */
  begin(transactionId: string, commit?: CommitAhead): void;
  insert(table: TableVersion): RowWriter;
  /** With `withBefore` the old image is written first (columns that the log did not carry as unchanged), then, after its `end()`, the new one. */
  update(table: TableVersion, withBefore: boolean): RowWriter;
  delete(table: TableVersion): RowWriter;
  truncate(tables: readonly TableVersion[], options: { readonly cascade: boolean; readonly restartIdentity: boolean }): void;
  commit(position: Position, committedAtMicros: bigint): void;
  /** Nothing of the selection happened up to here. Never inside a transaction. */
  progress(position: Position): void;
  /** A promise: wait for it before reading on (back-pressure in bytes). Undefined: go on. */
  ready(): Promise<void> | undefined;
  /** The source has nothing more at hand: send what is pending without waiting for more. */
  flush(): void;
}

export type EventKind = 'begin' | 'insert' | 'update' | 'delete' | 'truncate' | 'schema' | 'commit' | 'progress';

/**
 * Walks the events of one block. `next()` moves on and returns the kind, undefined at the end; the fields that the kind
 * has are valid until the next call, reading another kind's field throws. Images are slices of `bytes`, decoded on demand.
 */
export interface EventCursor {
  next(): EventKind | undefined;
  readonly bytes: Uint8Array;
  /** begin */
  readonly transactionId: string;
  /** begin: null where the source, or the Millrace that wrote the block, did not say it ahead. */
  readonly commitAhead: CommitAhead | null;
  /** insert, update, delete, schema */
  readonly table: TableVersion;
  /** update, delete: start and end of the old image; start is -1 where there is none. */
  readonly beforeStart: number;
  readonly beforeEnd: number;
  /** insert, update */
  readonly afterStart: number;
  readonly afterEnd: number;
  /** truncate */
  readonly truncated: readonly TableVersion[];
  readonly cascade: boolean;
  readonly restartIdentity: boolean;
  /** schema */
  readonly change: SchemaChange;
  /** commit, progress */
  readonly position: Position;
  /** commit: row and truncate events of the transaction, for checking that none is missing */
  readonly eventCount: number;
  readonly committedAtMicros: bigint;
}

/** One slice of a transaction too large for a block: `first` is the journal offset of slice 0. */
export interface SliceHeader {
  readonly index: number;
  readonly first: bigint;
  readonly last: boolean;
}

/** A block as read from the journal: header checked, events not yet decoded. */
export interface EventBlock {
  readonly offset: bigint;
  /** Size in bytes, for bounds. */
  readonly byteLength: number;
  /** Number of row events, for bounds. */
  readonly rowCount: number;
  /** Number of Schema events: usually 0, so that nobody scans a block for them. */
  readonly schemaCount: number;
  /** Table versions that the block's events refer to. */
  readonly tables: readonly TableVersion[];
  readonly slice: SliceHeader | null;
  events(): EventCursor;
}
