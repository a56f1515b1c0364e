import { displayTable } from '@millrace/codec/table-key.js';
import type { ColumnSchema, TableSchema } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import type { Server } from '@millrace/mysql/server.js';

/**
 * What a source's table becomes in this target: the same columns with the target's own declarations. The one place where an engine's
 * types meet another's. Between MySQL and MariaDB declarations carry over; what only one of them has is told apart here.
 * @throws MillraceError TARGET_TYPE_MISSING where a column's type has no counterpart
 */
export function targetSchema(schema: TableSchema, { engine }: Pick<Server, 'engine'>): TableSchema {
  return { ...schema, columns: schema.columns.map((column) => targetColumn(schema, column, engine)) };
}

function targetColumn(schema: TableSchema, column: ColumnSchema, engine: Server['engine']): ColumnSchema {
  const { native } = column;
  if (native.engine !== 'mysql' && native.engine !== 'mariadb') throw typeMissing(schema, column);
  if (native.engine === engine) return column;
  const declaration = counterpart(native.name, engine, native.declaration);
  if (declaration === undefined) throw typeMissing(schema, column);
  return { ...column, native: { ...native, engine, declaration } };
}

/** Types that MariaDB has and MySQL has not: none of them is written as something else without somebody asking for it. */
const MARIADB_ONLY = new Set(['uuid', 'inet4', 'inet6', 'xmltype']);

function counterpart(name: string, engine: Server['engine'], declaration: string): string | undefined {
  return engine === 'mysql' && MARIADB_ONLY.has(name) ? undefined : declaration;
}

function typeMissing(schema: TableSchema, column: ColumnSchema): MillraceError {
  return new MillraceError('TARGET_TYPE_MISSING', {
    table: displayTable(schema.id),
    column: column.name,
    type: column.native.declaration,
  });
}

/** Types whose columns cannot be part of a key, nor have a literal as a default. */
export const LARGE_TYPES: ReadonlySet<string> = new Set([
  'tinytext',
  'text',
  'mediumtext',
  'longtext',
  'tinyblob',
  'blob',
  'mediumblob',
  'longblob',
  'json',
  'geometry',
  'point',
  'linestring',
  'polygon',
  'multipoint',
  'multilinestring',
  'multipolygon',
  'geometrycollection',
  'geomcollection',
]);

export const GEOMETRY_TYPES: ReadonlySet<string> = new Set([...LARGE_TYPES].filter((name) => !/text|blob|json/.test(name)));
