/** A table's name as its engine stores it: case-sensitive, unquoted, never split on dots. */
export interface TableId {
  readonly schema: string;
  readonly table: string;
}

/**
 * What a value means, whatever engine it came from. The wire type in Avro follows from it (codec/wire-type.ts):
 * boolean, int (16 and 32 bit), long (64 bit), float, double and bytes as themselves; everything else is a string that
 * holds the source's own text, because no other form keeps every value (PostgreSQL's year 294276, NaN, -infinity, 24:00:00).
 */
export type LogicalType =
  | { readonly kind: 'boolean' }
  | { readonly kind: 'integer'; readonly bits: 16 | 32 | 64 }
  | { readonly kind: 'float'; readonly bits: 32 | 64 }
  | { readonly kind: 'decimal'; readonly precision: number | null; readonly scale: number | null }
  | { readonly kind: 'text'; readonly maxLength: number | null; readonly padded: boolean }
  | { readonly kind: 'bytes'; readonly maxLength: number | null }
  | { readonly kind: 'date' }
  | { readonly kind: 'time'; readonly precision: number; readonly withZone: boolean }
  | { readonly kind: 'timestamp'; readonly precision: number; readonly withZone: boolean }
  | { readonly kind: 'interval' }
  | { readonly kind: 'uuid' }
  | { readonly kind: 'json' }
  | { readonly kind: 'enum'; readonly labels: readonly string[] }
  | { readonly kind: 'array'; readonly element: LogicalType }
  | { readonly kind: 'other' };

/** The source's own type, enough to create the same column elsewhere. */
export interface NativeType {
  readonly engine: string;
  readonly schema: string;
  readonly name: string;
  /** As the engine prints it in DDL, schema-qualified where not a system type: `numeric(10,2)`, `"My"."mood"[]`. */
  readonly declaration: string;
}

export interface ColumnSchema {
  readonly name: string;
  /** Stable identity of the column within the table (PostgreSQL's attnum): tells a rename from a drop and an add. */
  readonly ordinal: number;
  readonly type: LogicalType;
  readonly native: NativeType;
  readonly nullable: boolean;
  /** Expression of a generated column; such a column is created as generated and never written. Null otherwise. */
  readonly generated: string | null;
  readonly identity: 'none' | 'always' | 'by-default' | 'serial';
  /** Default as an expression of the source's dialect, or null. */
  readonly default: string | null;
  /** Value (in the source's text form) that rows written before the column was added show; null where there is none. */
  readonly missingValue: string | null;
  /** Collation in DDL form where it is not the database's default; null otherwise. */
  readonly collation: string | null;
}

/** A user-defined type that a table's columns need, in an order in which they can be created. */
export interface TypeDefinition {
  readonly schema: string;
  readonly name: string;
  readonly kind: 'enum' | 'domain' | 'composite' | 'range';
  /** Complete, quoted CREATE TYPE / CREATE DOMAIN statement of the source's dialect. */
  readonly create: string;
  /** Labels of an enum in order (a sink adds the new ones); empty for other kinds. */
  readonly labels: readonly string[];
}

/** What the source's log says about old rows. 'nothing': no updates or deletes can be carried. */
export type ReplicaIdentity = 'key' | 'full' | 'index' | 'nothing';

/** One version of a table. Two versions are the same when their fingerprints are (codec/fingerprint.ts). */
export interface TableSchema {
  readonly id: TableId;
  readonly columns: readonly ColumnSchema[];
  /** Primary key columns in key order; empty for a keyless table. */
  readonly primaryKey: readonly string[];
  readonly primaryKeyName: string | null;
  /** The columns that identify an old row in the log: the key, the replica identity index, or all. */
  readonly identityColumns: readonly string[];
  readonly replicaIdentity: ReplicaIdentity;
  readonly types: readonly TypeDefinition[];
  /** Extensions that the columns' types come from. */
  readonly extensions: readonly string[];
  /**
   * The source connector's note to itself on how the rows are stored, opaque to everybody else: after a restart it tells rows that
   * were rewritten meanwhile, which no log shows.
   */
  readonly storage?: string;
}

/**
 * A table version as registered: what a block's `tables` entry stands for. One object per version and reader, so that a
 * connector may hang its compiled plan on it by identity.
 */
export interface TableVersion {
  /** The table's name in the source; differs from `schema.id` where a mapping rule renames it. */
  readonly source: TableId;
  readonly schema: TableSchema;
  /** Registry id of its row schema; the images' bytes are Avro by that schema. */
  readonly registryId: number;
  readonly fingerprint: string;
}
