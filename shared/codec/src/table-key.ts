import type { TableId } from '@millrace/contract/table.js';

/** A text that stands for a table in maps: unambiguous whatever characters the names hold. */
export function tableKey(table: TableId): string {
  return `${table.schema.length}:${table.schema}.${table.table}`;
}

/** The table's name as people read it: `public.orders`. Not for SQL. */
export function displayTable(table: TableId): string {
  return `${table.schema}.${table.table}`;
}
