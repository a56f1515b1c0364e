import { ChangeLog } from '@millrace/apply/change-log.js';
import { GroupOutcome } from '@millrace/apply/group-outcome.js';
import { type Step, stepsOf } from '@millrace/apply/group-steps.js';
import { isCovered } from '@millrace/apply/is-covered.js';
import { displayTable } from '@millrace/codec/table-key.js';
import type { Checkpoint, Position } from '@millrace/contract/position.js';
import type { ApplyResult, TransactionGroup } from '@millrace/contract/sink.js';
import { invariant, MillraceError } from '@millrace/errors/millrace-error.js';
import { crashPoint } from '@millrace/telemetry/crash-point.js';
import type { ApplyContext } from './apply-context.js';
import { applyStep, type Careful, type StepWork } from './apply-step.js';
import { BulkRefused } from './batch.js';
import { CheckpointElsewhere, lockCheckpoint, moveCheckpoint, type Stand } from './checkpoint-guard.js';
import { askStand, elsewhereError, rollBack } from './group-transaction.js';
import { OutcomeWriter } from './outcome-writer.js';
import { isConnectionLoss, targetError } from './server-failure.js';
import type { SinkSession } from './session.js';

/** A large transaction is applied in portions of this many rows or bytes. */
const PORTION_ROWS = 5_000;
const PORTION_BYTES = 8 * 1024 * 1024;

/** Commit positions of large transactions whose coverage turned out otherwise than assumed, by journal and offset. */
const knownEnds = new Map<string, Position>();
const KNOWN_ENDS = 16;

/**
 * One transaction too large to be held: its rows go into an open target transaction, portion by portion, each under a savepoint. Its
 * blocks cannot be read again here: a failure that could pass is the caller's to repeat. It may yet be abandoned, so nothing of it is
 * committed before its end: a Schema event in it that would define a table sets that table aside.
 */
export async function applyLarge(context: ApplyContext, group: TransactionGroup, signal: AbortSignal): Promise<ApplyResult> {
  const large = new LargeTransaction(context, group, signal);
  try {
    return await large.run();
  } catch (error) {
    context.forgetTables();
    if (!isConnectionLoss(error)) {
      await rollBack(context, signal);
      if (error instanceof CheckpointElsewhere) throw await elsewhereError(context, group.from, signal);
      throw signal.aborted ? error : targetError(error, 'applying a large transaction');
    }
    await context.discardSession();
    const next = large.committing;
    if (next !== null && (await askStand(context, { from: group.from, next }, signal))) return large.result(next);
    throw targetError(error, 'applying a large transaction');
  }
}

class LargeTransaction {
  /** The checkpoint that a COMMIT under way moves to; null before. */
  committing: Checkpoint | null = null;
  private readonly log = new ChangeLog();
  private readonly outcome = new GroupOutcome();
  /** Commit position, where an attempt before has met it. */
  private readonly knownEnd: Position | null;
  /** As-of positions of the loads that might hold the transaction. */
  private readonly assumedCovering: Position[] = [];

  constructor(
    private readonly context: ApplyContext,
    private readonly group: TransactionGroup,
    private readonly signal: AbortSignal,
  ) {
    this.knownEnd = knownEnds.get(endKey(group.from)) ?? null;
  }

  async run(): Promise<ApplyResult> {
    const { context, group, log, outcome } = this;
    const session = await context.session(this.signal);
    const { connection } = session;
    const stand: Stand = { checkpoint: group.from, part: context.part };
    invariant(context.part === null, 'no part of a large transaction is committed before its end');
    await connection.query('START TRANSACTION');
    await lockCheckpoint(connection, context, stand);
    const work: StepWork = { context, session, log, outcome };
    const writer = new OutcomeWriter(session, context.task, outcome);
    for await (const block of group.blocks) {
      this.signal.throwIfAborted();
      log.add(block);
      if (log.length < PORTION_ROWS && log.byteLength < PORTION_BYTES) continue;
      await this.portion(work);
      await writer.writeSome();
    }
    await this.portion(work);
    invariant(log.commits === 1, 'a large transaction ends with its Commit');
    const next = group.next();
    this.checkAssumption(next);
    await moveCheckpoint(connection, context, stand, { checkpoint: next, part: null });
    await writer.write(next.position);
    if (outcome.suspendsTables) context.forgetTables();
    crashPoint('target-commit');
    this.committing = next;
    await connection.query('COMMIT');
    knownEnds.delete(endKey(group.from));
    return this.result(next);
  }

  result(next: Checkpoint): ApplyResult {
    return this.outcome.result(this.log, next);
  }

  private async portion(work: StepWork): Promise<void> {
    const { log } = work;
    for (const step of this.steps(log.positions[0] ?? this.knownEnd)) {
      if (step.kind === 'schema') await this.schema(work.session, step.change);
      else await this.rows(work, step);
    }
    log.clear();
  }

  private async rows(work: StepWork, step: Exclude<Step, { kind: 'schema' }>): Promise<void> {
    const { connection } = work.session;
    const restore = this.outcome.mark();
    const none: Careful = new Set();
    await connection.query('SAVEPOINT millrace_step');
    try {
      await applyStep(work, step, none);
    } catch (error) {
      if (!(error instanceof BulkRefused)) throw error;
      await connection.query('ROLLBACK TO SAVEPOINT millrace_step');
      restore();
      await applyStep(work, step, 'all');
    }
    await connection.query('RELEASE SAVEPOINT millrace_step');
  }

  private async schema({ connection }: SinkSession, change: number): Promise<void> {
    const { context, outcome } = this;
    const { table, change: what } = this.log.schemaStep(change);
    if ((await context.definitionFor(connection, table, what)) === null) {
      await context.record(connection, table, what);
      if (what.kind !== 'version') outcome.resume(table.source);
    } else {
      const { code, message } = new MillraceError('DEFINITION_IN_LARGE_TRANSACTION', { table: displayTable(table.source) });
      await context.setAside(connection, table, { code, message });
      outcome.suspend(table.source, { code, message });
    }
    context.forgetTables();
  }

  /** Where the end is not known yet, changes that a load might hold are assumed to be in it: passing over them does no harm. */
  private steps(end: Position | null): readonly Step[] {
    const { group, log } = this;
    const from = group.from.position;
    const coverage: TransactionGroup['coverage'] = (source) => {
      const found = group.coverage(source);
      if (found !== null && end === null && !(from !== null && isCovered(found.asOf, from)))
        this.assumedCovering.push(found.asOf, ...found.chunks.map(({ asOf }) => asOf));
      return found;
    };
    return stepsOf(log, { coverage, from, end });
  }

  /** @throws MillraceError TARGET_BUSY where changes were passed over that no load holds: the next attempt knows better */
  private checkAssumption({ position }: Checkpoint): void {
    if (position === null || this.assumedCovering.every((asOf) => isCovered(position, asOf))) return;
    if (knownEnds.size >= KNOWN_ENDS) knownEnds.clear();
    knownEnds.set(endKey(this.group.from), position);
    throw new MillraceError('TARGET_BUSY', {
      doing: 'a large transaction',
      reason: 'whether a load holds it already is known only now',
      state: 'none',
    });
  }
}

function endKey(from: Checkpoint): string {
  return `${from.journal}:${from.nextOffset}`;
}
