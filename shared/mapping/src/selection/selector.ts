import type { SourceTable, TableSelector } from '@millrace/contract/capture.js';
import type { TableMapping } from '../rule.js';
import { assessSelection } from './assess-selection.js';
import { decide, filterRule, isCarried } from './decide.js';

/**
 * The task's selection. A table belongs to it where an include or explicit rule matches and no exclude rule does. Only
 * permanent, logged tables can be selected; a partition goes as its root does, whatever its own name matches.
 */
export function createSelector(mapping: TableMapping): TableSelector {
  return {
    select: (table) => select(mapping, table),
    filter: (table) => filterRule(mapping, table)?.filter ?? null,
    assess: (tables) => assessSelection(mapping, tables),
  };
}

function select(mapping: TableMapping, table: SourceTable): ReturnType<TableSelector['select']> {
  const id = table.kind === 'partition' && table.root !== null ? table.root : table.id;
  const decision = decide(mapping, id);
  return { ...decision, selected: decision.selected && isCarried(table) };
}
