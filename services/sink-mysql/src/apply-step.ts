import type { ChangeLog } from '@millrace/apply/change-log.js';
import type { GroupOutcome } from '@millrace/apply/group-outcome.js';
import type { RowsStep, Step } from '@millrace/apply/group-steps.js';
import { applyRowByRow } from '@millrace/apply/row-by-row.js';
import { displayTable } from '@millrace/codec/table-key.js';
import type { TableVersion } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import type { ApplyContext } from './apply-context.js';
import { Batch } from './batch.js';
import { applyBulk, type TableChanges } from './bulk.js';
import { MysqlRows } from './mysql-rows.js';
import type { SinkSession } from './session.js';
import { type WritePlan, writePlanOf } from './write-plan.js';

/** Tables whose changes are applied one by one; 'all' of them where several take part in a conflict that only source order settles. */
export type Careful = ReadonlySet<TableVersion> | 'all';

export interface StepWork {
  readonly context: ApplyContext;
  readonly session: SinkSession;
  readonly log: ChangeLog;
  readonly outcome: GroupOutcome;
}

/**
 * Applies one step of rows in the open transaction.
 * @throws BulkRefused where a table that is not among the careful ones has to be
 */
export async function applyStep(work: StepWork, step: Exclude<Step, { kind: 'schema' }>, careful: Careful): Promise<void> {
  if (step.kind === 'rows') return applyRows(work, step, careful);
  const { outcome } = work;
  const { source } = step.table;
  outcome.countError(source);
  if (outcome.isSuspended(source)) return;
  const { code, message } = new MillraceError('COVERAGE_NEEDS_REREAD', { table: displayTable(source) });
  outcome.suspend(source, { code, message });
}

async function applyRows(work: StepWork, step: RowsStep, careful: Careful): Promise<void> {
  const { log, outcome, session } = work;
  const inBulk: TableChanges[] = [];
  const oneByOne = new Map<TableVersion, WritePlan>();
  for (const [version, changes] of step.tables) {
    const plan = await planOf(work, version);
    if (plan === undefined) {
      for (let index = 0; index < changes.length; index++) outcome.countError(version.source);
    } else if (careful === 'all' || careful.has(version) || plan.written.length === 0) {
      oneByOne.set(version, plan);
    } else {
      inBulk.push({ plan, changes });
    }
  }
  if (inBulk.length > 0) {
    await applyBulk(new Batch(session.connection, session.maxPacketBytes), log, inBulk);
    for (const { plan, changes } of inBulk) outcome.allApplied(log, changes, plan.version);
  }
  if (oneByOne.size > 0) {
    const target = new MysqlRows(session, log, oneByOne);
    await applyRowByRow({ target, log, policy: work.context.policy, outcome }, step.changes);
  }
}

const plans = new WeakMap<TableVersion, WritePlan>();

/** Undefined where the table is set aside. */
async function planOf({ context, session, outcome }: StepWork, version: TableVersion): Promise<WritePlan | undefined> {
  if (outcome.isSuspended(version.source)) return undefined;
  const known = await context.targetTable(session.connection, version);
  if (known?.suspended === true) return undefined;
  const plan = plans.get(version);
  if (known !== undefined && plan?.target === known.table) return plan;
  const made = known === undefined ? { missing: 'the table itself' } : writePlanOf(version, known.table);
  if ('missing' in made) {
    const error = new MillraceError('APPLY_TABLE_CHANGED', {
      table: displayTable(version.source),
      reason: `${made.missing} is not there`,
    });
    outcome.suspend(version.source, { code: error.code, message: error.message });
    return undefined;
  }
  plans.set(version, made);
  return made;
}
