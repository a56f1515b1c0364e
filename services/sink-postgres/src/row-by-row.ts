import { describePosition } from '@millrace/codec/position.js';
import { displayTable } from '@millrace/codec/table-key.js';
import type { ErrorPolicy } from '@millrace/contract/sink.js';
import type { TableVersion } from '@millrace/contract/table.js';
import { assertNever, MillraceError } from '@millrace/errors/millrace-error.js';
import type { Client } from 'pg';
import { isRefusal } from './apply-session.js';
import { truncateStatement } from './bulk.js';
import { CHANGE, type ChangeLog } from './change-log.js';
import { type Conflict, judge } from './error-policy.js';
import type { GroupOutcome, Reason } from './group-outcome.js';
import type { IntList } from './int-list.js';
import { RowStatements } from './row-statements.js';
import { serverFailureOf } from './sql-state.js';
import type { WritePlan } from './write-plan.js';

/** Changes between two savepoints: after a failure, so many at most are applied again. */
const SPAN = 64;
const SAVEPOINT = 'SAVEPOINT millrace_row';
const UNDO = 'ROLLBACK TO SAVEPOINT millrace_row; RELEASE SAVEPOINT millrace_row';
const KEEP = 'RELEASE SAVEPOINT millrace_row';

export interface RowByRowOptions {
  readonly client: Client;
  readonly log: ChangeLog;
  readonly policy: ErrorPolicy;
  readonly outcome: GroupOutcome;
  /** Plans of the tables concerned; changes of other tables are left out. */
  readonly plans: ReadonlyMap<TableVersion, WritePlan>;
}

/**
 * Applies changes one by one in source order, each as its own statement: the only way that tells which change conflicts, and the
 * order in which the source itself could do them. Conflicts go to the policy.
 * @throws MillraceError APPLY_REFUSED where the policy stops the task
 */
export async function applyRowByRow(options: RowByRowOptions, changes: IntList): Promise<void> {
  const concerned: number[] = [];
  for (let index = 0; index < changes.length; index++) {
    const change = changes.at(index);
    if (options.log.kinds.at(change) === CHANGE.truncate || options.plans.has(options.log.version(change)))
      concerned.push(change);
  }
  await new RowByRow(options).applyAll(concerned);
}

interface Failure {
  readonly conflict: Conflict;
  readonly reason: Reason;
}

class RowByRow {
  private readonly statements: RowStatements;

  constructor(private readonly options: RowByRowOptions) {
    this.statements = new RowStatements(options.client, options.log);
  }

  async applyAll(changes: readonly number[]): Promise<void> {
    let done = 0;
    while (done < changes.length) {
      const span = changes.slice(done, done + SPAN);
      const applied = await this.applySpan(span);
      done += applied;
      const conflicting = changes[done];
      if (applied < span.length && conflicting !== undefined) {
        await this.settle(conflicting);
        done++;
      }
    }
  }

  /** Applies changes until one does not go; returns how many went, which are then in. */
  private async applySpan(span: readonly number[]): Promise<number> {
    const { client } = this.options;
    await client.query(SAVEPOINT);
    let applied = 0;
    try {
      for (const change of span) {
        if ((await this.perform(change)) === 'missing') break;
        applied++;
      }
    } catch (error) {
      if (!isRefusal(error)) throw error;
      await client.query(UNDO);
      // They went before, and nothing else has happened since.
      for (const change of span.slice(0, applied)) await this.perform(change);
      this.count(span.slice(0, applied));
      return applied;
    }
    await client.query(KEEP);
    this.count(span.slice(0, applied));
    return applied;
  }

  private async perform(change: number): Promise<'applied' | 'missing'> {
    const { log } = this.options;
    if (log.kinds.at(change) === CHANGE.truncate) return this.truncate(change);
    const version = log.version(change);
    if (this.options.outcome.isSuspended(version.source)) return 'applied';
    return this.statements.apply(this.plan(version), change);
  }

  private async truncate(change: number): Promise<'applied'> {
    const { client, log, plans, outcome } = this.options;
    const { tables, restartIdentity } = log.truncation(change);
    const relations = tables.flatMap((version) =>
      outcome.isSuspended(version.source) ? [] : (plans.get(version)?.table.relation ?? []),
    );
    if (relations.length > 0) await client.query(truncateStatement(relations, restartIdentity));
    return 'applied';
  }

  private count(changes: readonly number[]): void {
    const { log, outcome, plans } = this.options;
    for (const change of changes) {
      const versions =
        log.kinds.at(change) === CHANGE.truncate
          ? log.truncation(change).tables.filter((version) => plans.has(version))
          : [log.version(change)];
      for (const version of versions) {
        if (outcome.isSuspended(version.source)) outcome.countError(version.source);
        else outcome.applied(log, change, version);
      }
    }
  }

  /** A change that does not go: applied alone, to hear why, and then judged. */
  private async settle(change: number): Promise<void> {
    const { outcome, policy, log } = this.options;
    const failure = await this.attempt(() => this.perform(change), change);
    if (failure === undefined) {
      this.count([change]);
      return;
    }
    if (log.kinds.at(change) === CHANGE.truncate) {
      this.suspendTruncated(change, failure.reason);
      return;
    }
    const verdict = judge(failure.conflict, policy);
    const version = log.version(change);
    switch (verdict) {
      case 'set-aside':
        outcome.setAside(log, change, failure.reason);
        return;
      case 'suspend':
        outcome.setAside(log, change, failure.reason);
        outcome.suspend(version.source, failure.reason);
        return;
      case 'stop':
        throw this.stopped(change, failure);
      case 'overwrite':
        await this.instead(change, () => this.statements.overwrite(this.plan(version), change), failure.reason);
        return;
      case 'insert':
        await this.instead(
          change,
          async () => ((await this.statements.insert(this.plan(version), change)) ? 'applied' : 'incomplete'),
          failure.reason,
        );
        return;
      default:
        assertNever(verdict);
    }
  }

  /** Writes the change in another way; where that does not go either, it is set aside. */
  private async instead(change: number, way: () => Promise<'applied' | 'missing' | 'incomplete'>, first: Reason): Promise<void> {
    const { log, outcome } = this.options;
    let incomplete = false;
    const failure = await this.attempt(async () => {
      const result = await way();
      incomplete = result === 'incomplete';
      return result === 'applied' ? 'applied' : 'missing';
    }, change);
    if (failure === undefined) {
      outcome.applied(log, change, log.version(change));
      outcome.countError(log.version(change).source);
    } else if (incomplete) outcome.setAside(log, change, reasonOf(new MillraceError('APPLY_ROW_INCOMPLETE')));
    else
      outcome.setAside(
        log,
        change,
        failure.conflict === 'update-missing' || failure.conflict === 'insert-duplicate' ? first : failure.reason,
      );
  }

  /** The rows that a truncation left behind would be in the way of every later change. */
  private suspendTruncated(change: number, reason: Reason): void {
    const { log, outcome, plans } = this.options;
    for (const { source } of log.truncation(change).tables.filter((version) => plans.has(version))) {
      outcome.countError(source);
      outcome.suspend(source, reason);
    }
  }

  /** Undefined: it went. */
  private async attempt(way: () => Promise<'applied' | 'missing'>, change: number): Promise<Failure | undefined> {
    const { client } = this.options;
    await client.query(SAVEPOINT);
    try {
      const result = await way();
      await client.query(KEEP);
      return result === 'applied' ? undefined : this.missing(change);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      await client.query(UNDO);
      return this.refused(change, error);
    }
  }

  private missing(change: number): Failure {
    const conflict =
      this.options.log.kinds.at(change) === CHANGE.delete
        ? 'delete-missing'
        : this.options.log.kinds.at(change) === CHANGE.insert
          ? 'insert-duplicate'
          : 'update-missing';
    return { conflict, reason: reasonOf(new MillraceError('APPLY_ROW_MISSING')) };
  }

  private refused(change: number, error: unknown): Failure {
    const failure = serverFailureOf(error);
    const reason = failure?.message ?? (error instanceof Error ? error.message : String(error));
    if (failure?.kind === 'table') {
      const { log } = this.options;
      const table = log.kinds.at(change) === CHANGE.truncate ? 'the tables' : displayTable(log.version(change).source);
      return { conflict: 'table-changed', reason: reasonOf(new MillraceError('APPLY_TABLE_CHANGED', { table, reason })) };
    }
    if (failure?.kind === 'duplicate' && this.options.log.kinds.at(change) === CHANGE.insert) {
      return { conflict: 'insert-duplicate', reason: reasonOf(new MillraceError('APPLY_DUPLICATE_ROW', { reason })) };
    }
    return { conflict: 'refused', reason: reasonOf(new MillraceError('APPLY_ROW_REFUSED', { reason })) };
  }

  private stopped(change: number, { reason }: Failure): MillraceError {
    const { log } = this.options;
    const kind = log.kinds.at(change);
    const position = log.position(change);
    const details = { position: position === undefined ? 'its commit' : describePosition(position), reason: reason.message };
    const version = log.version(change);
    const word = kind === CHANGE.insert ? 'an insert' : kind === CHANGE.update ? 'an update' : 'a delete';
    return new MillraceError('APPLY_REFUSED', {
      ...details,
      kind: word,
      table: displayTable(version.source),
      key: this.statements.describeKey(this.plan(version), change),
    });
  }

  private plan(version: TableVersion): WritePlan {
    const plan = this.options.plans.get(version);
    if (plan === undefined) throw new MillraceError('INTERNAL', { what: 'a change applied alone has a plan' });
    return plan;
  }
}

function reasonOf(error: MillraceError): Reason {
  return { code: error.code, message: error.message };
}
