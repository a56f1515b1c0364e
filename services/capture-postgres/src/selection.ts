import { tableKey } from '@millrace/codec/table-key.js';
import type { SourceTable, TableSelector } from '@millrace/contract/capture.js';
import type { TableId } from '@millrace/contract/table.js';

/**
 * The tables that the selector takes and the stream can carry, in load order: higher numbers first, then by name. A partition
 * that is matched stands for its root: it is carried under the root's name, and only once.
 */
export function selectTables(tables: readonly SourceTable[], selector: TableSelector): readonly TableId[] {
  const chosen = new Map<string, { readonly id: TableId; readonly loadOrder: number }>();
  for (const table of tables) {
    if (table.kind !== 'table' && table.kind !== 'partitioned' && table.kind !== 'partition') continue;
    const { selected, loadOrder } = selector.select(table);
    const id = table.root ?? table.id;
    const key = tableKey(id);
    const earlier = chosen.get(key);
    if (selected && (earlier === undefined || earlier.loadOrder < loadOrder)) chosen.set(key, { id, loadOrder });
  }
  const byName = (left: string, right: string): number => (left < right ? -1 : left > right ? 1 : 0);
  return [...chosen.values()]
    .toSorted(
      (left, right) =>
        right.loadOrder - left.loadOrder || byName(left.id.schema, right.id.schema) || byName(left.id.table, right.id.table),
    )
    .map(({ id }) => id);
}
