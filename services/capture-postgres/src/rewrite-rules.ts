import type { ColumnSchema, TableSchema } from '@millrace/contract/table.js';
import type { RelationStorage } from './catalog-state.js';

/**
 * Why the rows of a relation may have changed without a change in the stream; null: they have not. PostgreSQL logs no rows when
 * ALTER TABLE rewrites a table (ALTER COLUMN TYPE, a default computed per row); VACUUM FULL, CLUSTER and TRUNCATE change the
 * filenode, too, yet leave the columns' catalogue rows alone, or only clear their missing value.
 */
export function rewriteReason(earlier: RelationStorage, later: RelationStorage): string | null {
  if (earlier.filenode === later.filenode) return null;
  const before = new Map(earlier.columns.map((column) => [column.ordinal, column]));
  for (const column of later.columns) {
    if (column.dropped) continue;
    const old = before.get(column.ordinal);
    if (old === undefined) return `column "${column.name}" was added with a value computed for each row`;
    const clearedMissing = old.hasMissing && !column.hasMissing && old.typeOid === column.typeOid && old.typeModifier === column.typeModifier;
    if (old.writtenBy !== column.writtenBy && !clearedMissing) return `the values of column "${column.name}" were rewritten`;
  }
  return null;
}

/** The same where the earlier storage is not known, from the two versions alone: whether such a change may have rewritten rows. */
export function possibleRewrite(earlier: TableSchema, later: TableSchema): string | null {
  const before = new Map(earlier.columns.map((column) => [column.ordinal, column]));
  for (const column of later.columns) {
    const old = before.get(column.ordinal);
    if (old === undefined) {
      if (computedPerRow(column)) return `column "${column.name}" was added with a value computed for each row`;
    } else if (!keepsValues(old, column)) {
      return `column "${column.name}" changed from ${old.native.declaration} to ${column.native.declaration}`;
    }
  }
  return null;
}

/** Old rows get a value that the catalogue does not tell. */
function computedPerRow(column: ColumnSchema): boolean {
  if (column.missingValue !== null || column.generated !== null) return false;
  return column.default !== null || column.identity !== 'none';
}

/** Type changes that PostgreSQL makes without touching rows: the same type, and texts and numbers whose limit is lifted or raised. */
function keepsValues(old: ColumnSchema, next: ColumnSchema): boolean {
  if (old.native.declaration === next.native.declaration) return true;
  if (old.type.kind === 'text' && next.type.kind === 'text') {
    if (old.type.padded || next.type.padded) return false;
    return next.type.maxLength === null || (old.type.maxLength !== null && old.type.maxLength <= next.type.maxLength);
  }
  if (old.type.kind === 'decimal' && next.type.kind === 'decimal') {
    if (next.type.precision === null) return true;
    return old.type.precision !== null && old.type.scale === next.type.scale && old.type.precision <= next.type.precision;
  }
  return false;
}
