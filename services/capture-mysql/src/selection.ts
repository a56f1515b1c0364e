import type { SourceTable, TableSelector } from '@millrace/contract/capture.js';
import type { TableId } from '@millrace/contract/table.js';

/** The tables that the selector takes and the log carries, in load order: higher numbers first, then by name. */
export function selectTables(tables: readonly SourceTable[], selector: TableSelector): readonly TableId[] {
  const byName = (left: string, right: string): number => (left < right ? -1 : left > right ? 1 : 0);
  return tables
    .filter(({ kind }) => kind === 'table')
    .map((table) => ({ id: table.id, ...selector.select(table) }))
    .filter(({ selected }) => selected)
    .toSorted(
      (left, right) =>
        right.loadOrder - left.loadOrder || byName(left.id.schema, right.id.schema) || byName(left.id.table, right.id.table),
    )
    .map(({ id }) => id);
}
