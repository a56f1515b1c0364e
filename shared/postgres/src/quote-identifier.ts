import type { TableId } from '@millrace/contract/table.js';

/** A name as an SQL identifier that means exactly this name: always quoted, so no keyword, case rule or dot matters. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** `"schema"."table"`. */
export function quoteTable(id: TableId): string {
  return `${quoteIdentifier(id.schema)}.${quoteIdentifier(id.table)}`;
}

/**
 * A text as an SQL literal, for statements that take no parameters (COPY, replication commands, ALTER … hints).
 * Right whatever `standard_conforming_strings` says: a backslash turns it into an E'' literal with the backslash doubled.
 */
export function quoteLiteral(text: string): string {
  const quoted = `'${text.replaceAll("'", "''")}'`;
  return quoted.includes('\\') ? ` E${quoted.replaceAll('\\', '\\\\')}` : quoted;
}
