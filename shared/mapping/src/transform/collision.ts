import { MillraceError } from '@millrace/errors/millrace-error.js';
import { showTable } from '../table-name.js';
import type { TablePlan } from './table-plan.js';

/** Two source tables that the rules give one target name. */
export function collision(first: TablePlan, second: TablePlan): MillraceError {
  const rules = [...new Set([...first.namedBy, ...second.namedBy].map((rule) => rule.rule.id))];
  return new MillraceError('MAPPING_COLLISION', {
    first: showTable(first.source.id),
    second: showTable(second.source.id),
    target: showTable(second.target.id),
    rules: rules.length === 1 ? `rule ${rules.join()}` : `rules ${rules.join(', ')}`,
  });
}
