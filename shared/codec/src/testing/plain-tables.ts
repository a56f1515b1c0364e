import type { LogicalType, TableId, TableSchema } from '@millrace/contract/table.js';

/** A table with these columns and nothing remarkable else. */
export function plainTable(name: string, columns: Readonly<Record<string, LogicalType>>): TableSchema {
  return {
    id: { schema: 'public', table: name },
    columns: Object.entries(columns).map(([column, type], index) => ({
      name: column,
      ordinal: index + 1,
      type,
      native: { engine: 'postgresql', schema: 'pg_catalog', name: type.kind, declaration: type.kind },
      nullable: true,
      generated: null,
      identity: 'none',
      default: null,
      missingValue: null,
      collation: null,
    })),
    primaryKey: Object.keys(columns).slice(0, 1),
    primaryKeyName: `${name}_pkey`,
    identityColumns: Object.keys(columns).slice(0, 1),
    replicaIdentity: 'key',
    types: [],
    extensions: [],
  };
}

/** For what concerns tables and not their rows. */
export function tableWithoutColumns(id: TableId): TableSchema {
  return {
    id,
    columns: [],
    primaryKey: [],
    primaryKeyName: null,
    identityColumns: [],
    replicaIdentity: 'full',
    types: [],
    extensions: [],
  };
}
