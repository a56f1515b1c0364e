import { ChangeLog } from '@millrace/apply/change-log.js';
import { GroupOutcome } from '@millrace/apply/group-outcome.js';
import { type Step, stepsOf } from '@millrace/apply/group-steps.js';
import { isCovered } from '@millrace/apply/is-covered.js';
import type { Checkpoint, Position } from '@millrace/contract/position.js';
import type { ApplyResult, TransactionGroup } from '@millrace/contract/sink.js';
import { invariant, MillraceError } from '@millrace/errors/millrace-error.js';
import { crashPoint } from '@millrace/telemetry/crash-point.js';
import type { Client } from 'pg';
import type { ApplyContext } from './apply-context.js';
import { prepareSession } from './apply-session.js';
import { applyStep, type StepWork } from './apply-step.js';
import { BulkRefused } from './bulk.js';
import { CheckpointElsewhere, lockCheckpoint, moveCheckpoint } from './checkpoint-guard.js';
import { begin, commit, fateOf, fencedError, rollBack } from './group-transaction.js';
import { OutcomeWriter } from './outcome-writer.js';
import type { Pipeline } from './pipeline.js';
import { inSavepoint } from './savepoint.js';
import { isConnectionLoss, targetError } from './sql-state.js';

/** A large transaction is applied in portions of this many rows or bytes. */
const PORTION_ROWS = 5_000;
const PORTION_BYTES = 8 * 1024 * 1024;

/** Commit positions of large transactions whose coverage turned out otherwise than assumed, by journal and offset. */
const knownEnds = new Map<string, Position>();
const KNOWN_ENDS = 16;

/**
 * One transaction too large to be held: its rows go into an open target transaction, portion by portion, each under a savepoint. Its
 * blocks cannot be read again here: a failure that could pass is the caller's to repeat.
 */
export async function applyLarge(context: ApplyContext, group: TransactionGroup, signal: AbortSignal): Promise<ApplyResult> {
  const large = new LargeTransaction(context, group, signal);
  try {
    return await large.run();
  } catch (error) {
    context.forgetTables();
    await large.pipeline?.abandon();
    if (!isConnectionLoss(error)) {
      await rollBack(context, signal);
      if (error instanceof CheckpointElsewhere) throw await fencedError(context, group.from, signal);
      throw signal.aborted ? error : targetError(error, 'applying a large transaction');
    }
    await context.discardSession();
    const next = large.committing;
    if (next !== null && (await fateOf(context, { from: group.from, next }, signal)) === 'committed') return large.result(next);
    throw targetError(error, 'applying a large transaction');
  }
}

class LargeTransaction {
  /** The checkpoint that a COMMIT under way moves to; null before. */
  committing: Checkpoint | null = null;
  pipeline: Pipeline | undefined;
  private readonly log = new ChangeLog();
  private readonly outcome = new GroupOutcome();
  private readonly writer: OutcomeWriter;
  /** Commit position, where an attempt before has met it. */
  private readonly knownEnd: Position | null;
  /** As-of positions of the loads that might hold the transaction. */
  private readonly assumedCovering: Position[] = [];

  constructor(
    private readonly context: ApplyContext,
    private readonly group: TransactionGroup,
    private readonly signal: AbortSignal,
  ) {
    this.writer = new OutcomeWriter(context.task, this.outcome);
    this.knownEnd = knownEnds.get(endKey(group.from)) ?? null;
  }

  async run(): Promise<ApplyResult> {
    const { context, group, log, outcome } = this;
    const session = await context.session(this.signal);
    const pipeline = await prepareSession(session.client);
    this.pipeline = pipeline;
    begin(pipeline, session);
    lockCheckpoint(pipeline, context, group.from);
    const client = await pipeline.client();
    const work = { context, triggersOff: session.triggersOff, pipeline, log, outcome };
    for await (const block of group.blocks) {
      this.signal.throwIfAborted();
      log.add(block);
      if (log.length >= PORTION_ROWS || log.byteLength >= PORTION_BYTES) await this.portion(work, client);
    }
    await this.portion(work, client);
    invariant(log.commits === 1, 'a large transaction ends with its Commit');
    const next = group.next();
    this.checkAssumption(next);
    moveCheckpoint(pipeline, context, group.from, next);
    await this.writer.write(pipeline, next.position);
    await pipeline.flush();
    if (outcome.suspendsTables) context.forgetTables();
    crashPoint('target-commit');
    this.committing = next;
    await commit(client);
    knownEnds.delete(endKey(group.from));
    return this.result(next);
  }

  result(next: Checkpoint): ApplyResult {
    return this.outcome.result(this.log, next);
  }

  private async portion(work: StepWork, client: Client): Promise<void> {
    const { log, outcome } = work;
    const end = log.positions[0] ?? this.knownEnd;
    for (const step of this.steps(end)) {
      const restore = outcome.mark();
      try {
        await inSavepoint(client, () => inFull(work, step));
      } catch (error) {
        if (!(error instanceof BulkRefused)) throw error;
        restore();
        await applyStep(work, step, 'all');
      }
    }
    await this.writer.writeSome(client);
    log.clear();
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

/** With nothing left under way, so that a savepoint can undo it. */
async function inFull(work: StepWork, step: Step): Promise<void> {
  try {
    await applyStep(work, step, new Set());
    await work.pipeline.flush();
  } finally {
    await work.pipeline.abandon();
  }
}

function endKey(from: Checkpoint): string {
  return `${from.journal}:${from.nextOffset}`;
}
