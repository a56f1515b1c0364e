import type { TableId } from '@millrace/contract/table.js';

/** A name as an SQL identifier that means exactly this name (MySQL manual, "Schema Object Names"): always quoted. */
export function quoteIdentifier(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``;
}

/** `` `database`.`table` ``. */
export function quoteTable(id: TableId): string {
  return `${quoteIdentifier(id.schema)}.${quoteIdentifier(id.table)}`;
}

/**
 * A text as an SQL literal, for statements that take no parameters. Right only in a session without NO_BACKSLASH_ESCAPES, as all of
 * Millrace's are (`connect` sets sql_mode).
 */
export function quoteLiteral(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "''").replaceAll('\0', '\\0')}'`;
}
