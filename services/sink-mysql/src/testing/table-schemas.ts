import type { ColumnSchema, LogicalType, TableSchema } from '@millrace/contract/table.js';

/** A column as MySQL describes it; ordinals are given by `table`. */
export function column(name: string, declaration: string, more: Partial<ColumnSchema> = {}): ColumnSchema {
  const native = /^\w+/.exec(declaration)?.[0] ?? declaration;
  const type = more.type ?? logicalType(native, declaration);
  return {
    name,
    ordinal: 0,
    type,
    native: { engine: 'mysql', schema: '', name: native, declaration },
    nullable: true,
    generated: null,
    identity: 'none',
    default: null,
    missingValue: null,
    collation: type.kind === 'text' || type.kind === 'enum' || native === 'set' ? 'utf8mb4_bin' : null,
    ...more,
  };
}

/** As capture carries MySQL's types. */
function logicalType(native: string, declaration: string): LogicalType {
  const [first, second] = (/\((\d+)(?:,(\d+))?\)/.exec(declaration) ?? []).slice(1).map(Number);
  const unsigned = declaration.includes('unsigned');
  switch (native) {
    case 'tinyint':
    case 'year':
      return { kind: 'integer', bits: 16 };
    case 'smallint':
      return { kind: 'integer', bits: unsigned ? 32 : 16 };
    case 'mediumint':
      return { kind: 'integer', bits: 32 };
    case 'int':
      return { kind: 'integer', bits: unsigned ? 64 : 32 };
    case 'bigint':
      return unsigned ? { kind: 'decimal', precision: 20, scale: 0 } : { kind: 'integer', bits: 64 };
    case 'decimal':
      return { kind: 'decimal', precision: first ?? 10, scale: second ?? 0 };
    case 'float':
      return { kind: 'float', bits: 32 };
    case 'double':
      return { kind: 'float', bits: 64 };
    case 'char':
    case 'varchar':
      return { kind: 'text', maxLength: first ?? 1, padded: native === 'char' };
    case 'binary':
    case 'varbinary':
      return { kind: 'bytes', maxLength: first ?? 1 };
    case 'date':
      return { kind: 'date' };
    case 'datetime':
    case 'timestamp':
      return { kind: 'timestamp', precision: first ?? 0, withZone: native === 'timestamp' };
    case 'time':
      return { kind: 'time', precision: first ?? 0, withZone: false };
    case 'enum':
      return { kind: 'enum', labels: [...declaration.matchAll(/'([^']*)'/g)].map(([, label]) => label ?? '') };
    case 'json':
      return { kind: 'json' };
    default:
      if (native.endsWith('text')) return { kind: 'text', maxLength: null, padded: false };
      return native.endsWith('blob') || native === 'point' || native === 'geometry'
        ? { kind: 'bytes', maxLength: null }
        : { kind: 'other' };
  }
}

export function table(
  id: { readonly schema: string; readonly table: string },
  columns: readonly ColumnSchema[],
  more: Partial<TableSchema> = {},
): TableSchema {
  const primaryKey = more.primaryKey ?? [];
  return {
    id,
    columns: columns.map((each, index) => ({ ...each, ordinal: each.ordinal === 0 ? index + 1 : each.ordinal })),
    primaryKey,
    primaryKeyName: primaryKey.length > 0 ? 'PRIMARY' : null,
    identityColumns: primaryKey.length > 0 ? primaryKey : columns.map(({ name }) => name),
    replicaIdentity: 'full',
    types: [],
    extensions: [],
    ...more,
  };
}
