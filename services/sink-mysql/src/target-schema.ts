import type { TableSchema } from '@millrace/contract/table.js';
import { convertTable } from '@millrace/conversion/convert-table.js';
import type { Server } from '@millrace/mysql/server.js';

/** What a source's table becomes in this target, whatever engine it comes from: the same columns with the target's own declarations. */
export function targetSchema(schema: TableSchema, { engine, version }: Pick<Server, 'engine' | 'version'>): TableSchema {
  return convertTable(schema, { engine, version }).schema;
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
