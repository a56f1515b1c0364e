import type { ImageReader } from '@millrace/codec/image-reader.js';
import { type WireType, wireTypeOf } from '@millrace/codec/wire-type.js';
import type { TableVersion } from '@millrace/contract/table.js';

/** How a table version's images are walked, and which of their columns identify a row. Made once per version. */
export interface ImageLayout {
  readonly version: TableVersion;
  readonly wires: readonly WireType[];
  /** Columns that the source computes: the target does too, whatever an image says of them. */
  readonly computed: readonly boolean[];
  /** Columns of the key, ascending; empty: the table is keyless and a row is known by all its columns. */
  readonly key: readonly number[];
  /** The only key column is an integer: the key fits a number. */
  readonly integerKey: boolean;
}

export function imageLayoutOf(version: TableVersion): ImageLayout {
  const wires = version.schema.columns.map((column) => wireTypeOf(column.type));
  const key = keyColumnsOf(version);
  const [first] = key;
  const wire = first === undefined ? undefined : wires[first];
  const computed = version.schema.columns.map((column) => column.generated !== null);
  return { version, wires, computed, key, integerKey: key.length === 1 && (wire === 'int' || wire === 'long') };
}

/**
 * The columns by which an old row is known. The log's old images hold the identity columns alone, so the primary key serves only
 * where they include it; a full identity without a primary key leaves the table keyless.
 */
function keyColumnsOf(version: TableVersion): readonly number[] {
  const { columns, primaryKey, identityColumns, replicaIdentity } = version.schema;
  const identity = new Set(identityColumns);
  const byPrimaryKey = primaryKey.length > 0 && primaryKey.every((name) => identity.has(name));
  const names = byPrimaryKey ? new Set(primaryKey) : replicaIdentity === 'index' ? identity : new Set<string>();
  return columns.flatMap((column, index) => (names.has(column.name) ? [index] : []));
}

/** Passes over a value whose state was COLUMN.value. */
export function skipValue(reader: ImageReader, wire: WireType): void {
  switch (wire) {
    case 'string':
    case 'bytes':
      reader.blob();
      return;
    case 'int':
      reader.int();
      return;
    case 'long':
      reader.long();
      return;
    case 'boolean':
      reader.boolean();
      return;
    case 'float':
      reader.float();
      return;
    case 'double':
      reader.double();
  }
}
