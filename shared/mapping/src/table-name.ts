import type { TableId } from '@millrace/contract/table.js';

/** How texts show a table; names with dots or quotes in them are quoted, so that the text has one meaning. */
export function showTable({ schema, table }: TableId): string {
  return `${showName(schema)}.${showName(table)}`;
}

/** Always quoted, for a statement that people copy. */
export function quotedTable({ schema, table }: TableId): string {
  return `${quote(schema)}.${quote(table)}`;
}

/** One key for maps: no two tables share it, whatever characters their names hold. */
export function tableKey(id: TableId): string {
  return JSON.stringify([id.schema, id.table]);
}

function showName(name: string): string {
  return /^[\p{L}_][\p{L}\p{N}_$-]*$/u.test(name) ? name : quote(name);
}

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
