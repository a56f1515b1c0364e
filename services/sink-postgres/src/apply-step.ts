import type { ChangeLog } from '@millrace/apply/change-log.js';
import type { GroupOutcome } from '@millrace/apply/group-outcome.js';
import type { RowsStep, Step } from '@millrace/apply/group-steps.js';
import { applyRowByRow } from '@millrace/apply/row-by-row.js';
import { displayTable } from '@millrace/codec/table-key.js';
import type { TableVersion } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import type { ApplyContext } from './apply-context.js';
import { Bulk, type TableChanges } from './bulk.js';
import type { Pipeline } from './pipeline.js';
import { PostgresRows } from './postgres-rows.js';
import { type WritePlan, writePlanOf } from './write-plan.js';

/**
 * Tables whose changes are applied one by one; 'all' of them where foreign keys fire, since only source order is safe then. 'each': besides,
 * constraints that could wait for the commit are checked at each change, so that the conflicting one can be told.
 */
export type Careful = ReadonlySet<TableVersion> | 'all' | 'each';

/** Kept from group to group, for their buffers; one for each sink, since a COPY reads its buffer while others work. */
const bulks = new WeakMap<ApplyContext, Bulk>();

function bulkOf(context: ApplyContext): Bulk {
  const bulk = bulks.get(context) ?? new Bulk();
  bulks.set(context, bulk);
  return bulk;
}

export interface StepWork {
  readonly context: ApplyContext;
  readonly triggersOff: boolean;
  readonly pipeline: Pipeline;
  readonly log: ChangeLog;
  readonly outcome: GroupOutcome;
}

/**
 * Applies one step in the open transaction, or sends what does.
 * @throws BulkRefused where a table that is not among the careful ones has to be; the pipeline's flush may throw it as well
 */
export async function applyStep(work: StepWork, step: Step, careful: Careful): Promise<void> {
  const { context, pipeline, log, outcome } = work;
  if (step.kind === 'rows') return applyRows(work, step, careful);
  if (step.kind === 'hole') return setAside(work, step.table);
  const { table, change } = log.schemaStep(step.change);
  await context.alterTable(await pipeline.client(), table, change);
  if (change.kind !== 'version') outcome.resume(table.source);
}

function setAside({ outcome }: StepWork, { source }: TableVersion): void {
  outcome.countError(source);
  if (outcome.isSuspended(source)) return;
  const { code, message } = new MillraceError('COVERAGE_NEEDS_REREAD', { table: displayTable(source) });
  outcome.suspend(source, { code, message });
}

async function applyRows(work: StepWork, step: RowsStep, careful: Careful): Promise<void> {
  const { log, outcome, pipeline, triggersOff } = work;
  const inBulk: TableChanges[] = [];
  const oneByOne = new Map<TableVersion, WritePlan>();
  for (const [version, changes] of step.tables) {
    const plan = await planOf(work, version);
    if (plan === undefined) {
      for (let index = 0; index < changes.length; index++) outcome.countError(version.source);
    } else if (careful === 'all' || careful === 'each' || careful.has(version) || plan.written.length === 0) {
      oneByOne.set(version, plan);
    } else {
      inBulk.push({ plan, changes });
    }
  }
  if (inBulk.length > 0) {
    await bulkOf(work.context).apply({ pipeline, log, triggersOff }, inBulk);
    for (const { plan, changes } of inBulk) outcome.allApplied(log, changes, plan.version);
  }
  if (oneByOne.size > 0) {
    const client = await pipeline.client();
    if (careful === 'each') await client.query('SET CONSTRAINTS ALL IMMEDIATE');
    const target = new PostgresRows(client, log, oneByOne);
    await applyRowByRow({ target, log, policy: work.context.policy, outcome }, step.changes);
  }
}

const plans = new WeakMap<TableVersion, WritePlan>();

/** Undefined where the table is set aside. */
async function planOf({ context, pipeline, outcome }: StepWork, version: TableVersion): Promise<WritePlan | undefined> {
  if (outcome.isSuspended(version.source)) return undefined;
  const table = await context.targetTable(() => pipeline.client(), version);
  if (table?.suspended === true) return undefined;
  const known = plans.get(version);
  if (table !== undefined && known?.table === table) return known;
  const plan = table === undefined ? { missing: 'the table itself' } : writePlanOf(version, table);
  if ('missing' in plan) {
    const error = new MillraceError('APPLY_TABLE_CHANGED', {
      table: displayTable(version.source),
      reason: `${plan.missing} is not there`,
    });
    outcome.suspend(version.source, { code: error.code, message: error.message });
    return undefined;
  }
  plans.set(version, plan);
  return plan;
}
