import { MillraceError } from '@millrace/errors/millrace-error.js';
import type { TablePlan } from './table-plan.js';

/** What the pipe around the mapper can do. */
export interface MapperSupport {
  /** An insert that meets a row of its key overwrites it, which `operation_indicator` needs: deleted rows stay. */
  readonly insertsOverwrite: boolean;
}

/** @throws MillraceError MAPPING_RULE_UNSUPPORTED rather than lose a row that is inserted again. */
export function refuseUnsupported({ columns }: TablePlan, supports: MapperSupport): void {
  for (const one of columns) {
    if (one.kind !== 'computed' || !one.indicator || supports.insertsOverwrite) continue;
    throw new MillraceError('MAPPING_RULE_UNSUPPORTED', {
      rule: one.rule.id,
      what: 'operation_indicator() with the task setting ErrorBehavior.ApplyErrorInsertPolicy as it is',
      why: 'a deleted row stays in the target, flagged, and would be in the way of a row inserted again under its key',
      instead: 'Set ApplyErrorInsertPolicy to UPDATE_RECORD, so that the insert overwrites it; or leave the column out.',
    });
  }
}
