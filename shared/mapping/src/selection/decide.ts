import type { SourceTable } from '@millrace/contract/capture.js';
import type { TableId } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import type { SelectionRule, TableMapping } from '../rule.js';
import { showTable } from '../table-name.js';

/** Only permanent, logged tables appear in a source's log; a partition does under its root. */
export function isCarried(table: SourceTable): boolean {
  return table.kind === 'table' || table.kind === 'partitioned' || (table.kind === 'partition' && table.root !== null);
}

/** By name alone, without regard to what kind of table it is. */
export function decide(
  mapping: TableMapping,
  id: TableId,
): { readonly selected: boolean; readonly explicit: boolean; readonly loadOrder: number } {
  const taking = mapping.selections.filter((rule) => rule.action !== 'exclude' && matches(rule, id));
  const excluded = mapping.selections.some((rule) => rule.action === 'exclude' && matches(rule, id));
  return {
    selected: taking.length > 0 && !excluded,
    explicit: taking.some((rule) => namesExactly(rule, id)),
    loadOrder: taking.reduce((highest, rule) => Math.max(highest, rule.loadOrder), 0),
  };
}

export function matches(rule: SelectionRule, id: TableId): boolean {
  return rule.schema.matches(id.schema) && rule.table.matches(id.table);
}

export function namesExactly(rule: SelectionRule, id: TableId): boolean {
  return rule.schema.names(id.schema) && rule.table.names(id.table);
}

/**
 * The one rule that filters the table; a rule without a filter that matches as well does not lift it.
 * @throws MillraceError MAPPING_FILTERS_OVERLAP
 */
export function filterRule(mapping: TableMapping, id: TableId): SelectionRule | undefined {
  const [first, second] = mapping.selections.filter((rule) => rule.filter !== null && matches(rule, id));
  if (first !== undefined && second !== undefined) {
    throw new MillraceError('MAPPING_FILTERS_OVERLAP', { first: first.rule.id, second: second.rule.id, table: showTable(id) });
  }
  return first;
}
