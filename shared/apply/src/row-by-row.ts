import { describePosition } from '@millrace/codec/position.js';
import { displayTable } from '@millrace/codec/table-key.js';
import type { ErrorPolicy } from '@millrace/contract/sink.js';
import type { TableVersion } from '@millrace/contract/table.js';
import { assertNever, MillraceError } from '@millrace/errors/millrace-error.js';
import { CHANGE, type ChangeLog } from './change-log.js';
import { type Conflict, judge } from './error-policy.js';
import type { GroupOutcome, Reason } from './group-outcome.js';
import type { IntList } from './int-list.js';

/** Changes between two savepoints: after a failure, so many at most are applied again. */
const SPAN = 64;

/** The target's answer to the data itself: another attempt would meet it again. */
export interface Refusal {
  readonly kind: 'duplicate' | 'data' | 'table';
  readonly message: string;
}

/** One change at a time, as an engine does it, in an open transaction. The target's errors are thrown as they are. */
export interface RowTarget {
  /** Whether the table is among those concerned; changes of others are left out. */
  has(table: TableVersion): boolean;
  /** Sets the one savepoint; `undo` goes back to it and, like `keep`, gives it up. */
  mark(): Promise<void>;
  keep(): Promise<void>;
  undo(): Promise<void>;
  /** 'missing': an update or a delete met no row. */
  apply(change: number): Promise<'applied' | 'missing'>;
  /** Inserts the change's new image; false where it lacks values. */
  insert(change: number): Promise<boolean>;
  /** Writes the new image over the row with its key. */
  overwrite(change: number): Promise<'applied' | 'missing'>;
  truncate(tables: readonly TableVersion[], restartIdentity: boolean): Promise<void>;
  /** For messages: `id=7`. */
  describeKey(change: number): string;
  /** Undefined: the error says nothing about the data. */
  refusalOf(error: unknown): Refusal | undefined;
}

export interface RowByRowOptions {
  readonly target: RowTarget;
  readonly log: ChangeLog;
  readonly policy: ErrorPolicy;
  readonly outcome: GroupOutcome;
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
    if (options.log.kinds.at(change) === CHANGE.truncate || options.target.has(options.log.version(change)))
      concerned.push(change);
  }
  await new RowByRow(options).applyAll(concerned);
}

interface Failure {
  readonly conflict: Conflict;
  readonly reason: Reason;
}

class RowByRow {
  constructor(private readonly options: RowByRowOptions) {}

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
    const { target } = this.options;
    await target.mark();
    let applied = 0;
    try {
      for (const change of span) {
        if ((await this.perform(change)) === 'missing') break;
        applied++;
      }
    } catch (error) {
      if (target.refusalOf(error) === undefined) throw error;
      await target.undo();
      // They went before, and nothing else has happened since.
      for (const change of span.slice(0, applied)) await this.perform(change);
      this.count(span.slice(0, applied));
      return applied;
    }
    await target.keep();
    this.count(span.slice(0, applied));
    return applied;
  }

  private async perform(change: number): Promise<'applied' | 'missing'> {
    const { log } = this.options;
    if (log.kinds.at(change) === CHANGE.truncate) return this.truncate(change);
    const version = log.version(change);
    if (this.options.outcome.isSuspended(version.source)) return 'applied';
    return this.options.target.apply(change);
  }

  private async truncate(change: number): Promise<'applied'> {
    const { log, target, outcome } = this.options;
    const { tables, restartIdentity } = log.truncation(change);
    const concerned = tables.filter((version) => target.has(version) && !outcome.isSuspended(version.source));
    if (concerned.length > 0) await target.truncate(concerned, restartIdentity);
    return 'applied';
  }

  private count(changes: readonly number[]): void {
    const { log, outcome, target } = this.options;
    for (const change of changes) {
      const versions =
        log.kinds.at(change) === CHANGE.truncate
          ? log.truncation(change).tables.filter((version) => target.has(version))
          : [log.version(change)];
      for (const version of versions) {
        if (outcome.isSuspended(version.source)) outcome.countError(version.source);
        else outcome.applied(log, change, version);
      }
    }
  }

  /** A change that does not go: applied alone, to hear why, and then judged. */
  private async settle(change: number): Promise<void> {
    const { outcome, policy, log, target } = this.options;
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
        await this.instead(change, () => target.overwrite(change), failure.reason);
        return;
      case 'insert':
        await this.instead(change, async () => ((await target.insert(change)) ? 'applied' : 'incomplete'), failure.reason);
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
    const { log, outcome, target } = this.options;
    for (const { source } of log.truncation(change).tables.filter((version) => target.has(version))) {
      outcome.countError(source);
      outcome.suspend(source, reason);
    }
  }

  /** Undefined: it went. */
  private async attempt(way: () => Promise<'applied' | 'missing'>, change: number): Promise<Failure | undefined> {
    const { target } = this.options;
    await target.mark();
    try {
      const result = await way();
      await target.keep();
      return result === 'applied' ? undefined : this.missing(change);
    } catch (error) {
      const refusal = target.refusalOf(error);
      if (refusal === undefined) throw error;
      await target.undo();
      return this.refused(change, refusal);
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

  private refused(change: number, { kind, message: reason }: Refusal): Failure {
    if (kind === 'table') {
      const { log } = this.options;
      const table = log.kinds.at(change) === CHANGE.truncate ? 'the tables' : displayTable(log.version(change).source);
      return { conflict: 'table-changed', reason: reasonOf(new MillraceError('APPLY_TABLE_CHANGED', { table, reason })) };
    }
    if (kind === 'duplicate' && this.options.log.kinds.at(change) === CHANGE.insert) {
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
      key: this.options.target.describeKey(change),
    });
  }
}

function reasonOf(error: MillraceError): Reason {
  return { code: error.code, message: error.message };
}
