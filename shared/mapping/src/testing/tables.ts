import type { ColumnSchema, LogicalType, TableSchema } from '@millrace/contract/table.js';

export const INT: LogicalType = { kind: 'integer', bits: 32 };
export const LONG: LogicalType = { kind: 'integer', bits: 64 };
export const DECIMAL: LogicalType = { kind: 'decimal', precision: null, scale: null };
export const TEXT: LogicalType = { kind: 'text', maxLength: null, padded: false };
export const TIMESTAMP: LogicalType = { kind: 'timestamp', precision: 6, withZone: false };
export const TIMESTAMPTZ: LogicalType = { kind: 'timestamp', precision: 6, withZone: true };

/** A table `public.t`, keyed by its first column, with what a test says otherwise. */
export function table(columns: Readonly<Record<string, LogicalType>>, otherwise: Partial<TableSchema> = {}): TableSchema {
  const [first = ''] = Object.keys(columns);
  return {
    id: { schema: 'public', table: 't' },
    columns: Object.entries(columns).map(([name, type], index) => column(name, type, { ordinal: index + 1 })),
    primaryKey: [first],
    primaryKeyName: 't_pkey',
    identityColumns: [first],
    replicaIdentity: 'key',
    types: [],
    extensions: [],
    ...otherwise,
  };
}

/** The same table with REPLICA IDENTITY FULL. */
export function fullTable(columns: Readonly<Record<string, LogicalType>>, otherwise: Partial<TableSchema> = {}): TableSchema {
  return table(columns, { replicaIdentity: 'full', identityColumns: Object.keys(columns), ...otherwise });
}

export function column(name: string, type: LogicalType, otherwise: Partial<ColumnSchema> = {}): ColumnSchema {
  const native = { engine: 'postgresql', schema: 'pg_catalog', name: type.kind, declaration: type.kind };
  return {
    name,
    ordinal: 1,
    type,
    native,
    nullable: true,
    generated: null,
    identity: 'none',
    default: null,
    missingValue: null,
    collation: null,
    ...otherwise,
  };
}
