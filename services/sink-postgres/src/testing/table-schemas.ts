import { Buffer } from 'node:buffer';
import type { ChunkEncoding, ChunkPart, LoadChunk } from '@millrace/contract/load.js';
import type { ColumnSchema, LogicalType, TableSchema, TableVersion } from '@millrace/contract/table.js';

const LOGICAL: Readonly<Record<string, LogicalType>> = {
  boolean: { kind: 'boolean' },
  smallint: { kind: 'integer', bits: 16 },
  integer: { kind: 'integer', bits: 32 },
  bigint: { kind: 'integer', bits: 64 },
  real: { kind: 'float', bits: 32 },
  'double precision': { kind: 'float', bits: 64 },
  text: { kind: 'text', maxLength: null, padded: false },
  bytea: { kind: 'bytes', maxLength: null },
};

/** A column as PostgreSQL describes it; ordinals are given by `table`. */
export function column(name: string, declaration: string, more: Partial<ColumnSchema> = {}): ColumnSchema {
  return {
    name,
    ordinal: 0,
    type: LOGICAL[declaration] ?? { kind: 'other' },
    native: { engine: 'postgresql', schema: 'pg_catalog', name: declaration, declaration },
    nullable: true,
    generated: null,
    identity: 'none',
    default: null,
    missingValue: null,
    collation: null,
    ...more,
  };
}

export function table(name: string, columns: readonly ColumnSchema[], more: Partial<TableSchema> = {}): TableSchema {
  const primaryKey = more.primaryKey ?? [];
  return {
    id: { schema: 'app', table: name },
    columns: columns.map((each, index) => ({ ...each, ordinal: each.ordinal === 0 ? index + 1 : each.ordinal })),
    primaryKey,
    primaryKeyName: primaryKey.length > 0 ? `${name}_pkey` : null,
    identityColumns: primaryKey,
    replicaIdentity: 'key',
    types: [],
    extensions: [],
    ...more,
  };
}

export function versionOf(schema: TableSchema): TableVersion {
  return { source: schema.id, schema, registryId: 1, fingerprint: JSON.stringify(schema) };
}

/** Lines of COPY text, without their newlines, as one part. */
export function textPart(...lines: readonly string[]): ChunkPart {
  return { bytes: Buffer.from(lines.map((line) => `${line}\n`).join('')), rows: lines.length };
}

export function chunkOf(table: TableVersion, encoding: ChunkEncoding, parts: readonly ChunkPart[]): LoadChunk {
  return {
    load: '1.0',
    table,
    index: 0,
    attempt: 1,
    asOf: { source: 'test', timeline: 1, key: '00' },
    keys: null,
    encoding,
    parts: toAsync(parts),
  };
}

async function* toAsync(parts: readonly ChunkPart[]): AsyncGenerator<ChunkPart> {
  for (const part of parts) yield await Promise.resolve(part);
}
