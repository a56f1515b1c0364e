import { MillraceError } from '@millrace/errors/millrace-error.js';
import type { TablePlan } from './table-plan.js';

/** What the pipe around the mapper can do. */
export interface MapperSupport {
  /** Rows come with their true `RowOrigin`: position, commit time, transaction. Headers and 'now' are made of it. */
  readonly origins: boolean;
  /** The sink applies `upsert`, which `operation_indicator` needs. */
  readonly upserts: boolean;
}

/** @throws MillraceError MAPPING_RULE_UNSUPPORTED rather than write values that are not true. */
export function refuseUnsupported({ columns }: TablePlan, supports: MapperSupport): void {
  for (const one of columns) {
    if (one.kind !== 'computed') continue;
    if (one.needsOrigin && !supports.origins) {
      throw new MillraceError('MAPPING_RULE_UNSUPPORTED', {
        rule: one.rule.id,
        what: 'an expression with a header ($AR_H_…) or the time "now"',
        why: 'a row does not bring its position and commit time to the place where rules are applied',
        instead: 'Leave the column out, or give it a default on the target.',
      });
    }
    if (one.indicator && !supports.upserts) {
      throw new MillraceError('MAPPING_RULE_UNSUPPORTED', {
        rule: one.rule.id,
        what: 'operation_indicator()',
        why: 'this target does not keep deleted rows',
        instead: 'Leave the column out.',
      });
    }
  }
}
