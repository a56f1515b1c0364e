import { ChangeLog, type JournalPlace } from '@millrace/apply/change-log.js';
import { GroupOutcome } from '@millrace/apply/group-outcome.js';
import { type Step, stepsOf } from '@millrace/apply/group-steps.js';
import type { Checkpoint } from '@millrace/contract/position.js';
import type { ApplyResult, TransactionGroup } from '@millrace/contract/sink.js';
import type { TableId } from '@millrace/contract/table.js';
import { crashPoint } from '@millrace/telemetry/crash-point.js';
import type { ApplyContext, Definition } from './apply-context.js';
import { applyLarge } from './apply-large.js';
import { applyStep, type Careful } from './apply-step.js';
import { BulkRefused } from './batch.js';
import { CheckpointElsewhere, lockCheckpoint, moveCheckpoint, type Stand } from './checkpoint-guard.js';
import { ATTEMPTS, askStand, elsewhereError, isPassing, pause, rollBack } from './group-transaction.js';
import { OutcomeWriter } from './outcome-writer.js';
import { isConnectionLoss, targetError } from './server-failure.js';
import type { SinkSession } from './session.js';

/**
 * Applies a group in one target transaction that also moves the checkpoint. Where a Schema event in it defines a table, which no
 * transaction of MySQL can hold, the group goes in in parts: each moves the mark of how far the target is (`part`) in its own
 * transaction, and a later attempt or a new sink goes on behind it. Resolves only when the target has committed all of it. Deadlocks, lock
 * time-outs and lost connections repeat the open part, within bounds; if the reply to COMMIT is lost, the checkpoint tells whether it happened.
 *
 * @throws MillraceError SINK_FENCED where another sink has moved the checkpoint (nothing was written); APPLY_REFUSED where the policy
 * stops the task; TARGET_* where the target cannot go on
 */
export async function applyGroup(context: ApplyContext, group: TransactionGroup, signal: AbortSignal): Promise<ApplyResult> {
  return group.large ? applyLarge(context, group, signal) : applySmall(context, group, signal);
}

async function applySmall(context: ApplyContext, group: TransactionGroup, signal: AbortSignal): Promise<ApplyResult> {
  const log = new ChangeLog();
  for await (const block of group.blocks) log.add(block);
  const work = new SmallGroup({ context, log, group, next: group.next() });
  const buffers = log.buffers.length;
  let careful: Careful = new Set();
  for (let attempts = 1; ; ) {
    signal.throwIfAborted();
    try {
      return await work.attempt(careful, signal);
    } catch (error) {
      // Images composed by the attempt are of no use to the next one.
      log.buffers.length = buffers;
      const fate = await work.recover(error, signal);
      if (error instanceof CheckpointElsewhere) throw await elsewhereError(context, group.from, signal);
      if (fate === 'committed') return work.result();
      const more: Careful | undefined = fate === 'failed' ? moreCareful(careful, error) : careful;
      if (more === undefined || (fate === 'again' && attempts === ATTEMPTS))
        throw signal.aborted ? error : targetError(error, 'applying changes');
      if (fate === 'again') await pause(attempts++, signal);
      careful = more;
    }
  }
}

/** How to go on where the target refuses the data; undefined: not at all. Each answer is more careful, so there are as many as tables. */
function moreCareful(careful: Careful, error: unknown): Careful | undefined {
  if (!(error instanceof BulkRefused) || careful === 'all') return undefined;
  const more = new Set([...careful, ...error.versions]);
  return more.size > careful.size ? more : 'all';
}

interface SmallGroupOptions {
  readonly context: ApplyContext;
  readonly log: ChangeLog;
  readonly group: TransactionGroup;
  readonly next: Checkpoint;
}

/** A group of whole blocks, in as many transactions as it takes. */
class SmallGroup {
  /** Of the open part. */
  private outcome = new GroupOutcome();
  private committing = false;
  private errors = 0;
  private readonly suspended: TableId[] = [];

  constructor(private readonly options: SmallGroupOptions) {}

  async attempt(careful: Careful, signal: AbortSignal): Promise<ApplyResult> {
    const { context, log, group, next } = this.options;
    this.outcome = new GroupOutcome();
    this.committing = false;
    const session = await context.session(signal);
    const steps = this.steps();
    const definesTables = steps.some(({ kind }) => kind === 'schema');
    const end: Stand = { checkpoint: next, part: behind(context.part, next) };
    await session.connection.query('START TRANSACTION');
    if (definesTables) await lockCheckpoint(session.connection, context, this.stand());
    else await moveCheckpoint(session.connection, context, this.stand(), end);
    for (const step of steps) {
      signal.throwIfAborted();
      if (step.kind === 'schema') await this.schema(session, step.change);
      else await applyStep({ context, session, log, outcome: this.outcome }, step, careful);
    }
    if (definesTables)
      await moveCheckpoint(session.connection, context, this.stand(), { checkpoint: next, part: behind(context.part, next) });
    await new OutcomeWriter(session, context.task, this.outcome).write(next.position);
    crashPoint('target-commit');
    await this.commit(session);
    context.part = behind(context.part, group.next());
    return this.result();
  }

  /**
   * After a failure: rolls back, and says what became of the transaction. 'again': nothing is wrong with the data; 'failed': the error
   * is the answer.
   */
  async recover(error: unknown, signal: AbortSignal): Promise<'committed' | 'again' | 'failed'> {
    const { context, group, next } = this.options;
    context.forgetTables();
    if (!isConnectionLoss(error)) {
      await rollBack(context, signal);
      return isPassing(error) ? 'again' : 'failed';
    }
    await context.discardSession();
    if (!this.committing) return 'again';
    return (await askStand(context, { from: group.from, next }, signal)) ? 'committed' : 'again';
  }

  result(): ApplyResult {
    const result = this.outcome.result(this.options.log, this.options.next);
    return { ...result, errors: result.errors + this.errors, suspended: [...this.suspended, ...result.suspended] };
  }

  private steps(): readonly Step[] {
    const { context, log, group, next } = this.options;
    const first = context.part === null ? 0 : log.firstBehind(context.part);
    return stepsOf(log, { coverage: (source) => group.coverage(source), from: group.from.position, end: next.position, first });
  }

  private stand(): Stand {
    return { checkpoint: this.options.group.from, part: this.options.context.part };
  }

  private async schema(session: SinkSession, change: number): Promise<void> {
    const { context, log } = this.options;
    const { table, change: what, place } = log.schemaStep(change);
    const { connection } = session;
    const definition = await context.definitionFor(connection, table, what);
    if (definition === null) {
      await context.record(connection, table, what);
    } else {
      await this.endPart(session, place, definition);
      crashPoint('target-define');
      await definition.define(connection);
      crashPoint('target-defined');
      await connection.query('START TRANSACTION');
      await lockCheckpoint(connection, context, this.stand());
      await context.record(connection, table, what);
      await this.endPart(session, { offset: place.offset, event: place.event + 1 }, null);
      await connection.query('START TRANSACTION');
      await lockCheckpoint(connection, context, this.stand());
    }
    context.forgetTables();
    if (what.kind !== 'version') this.outcome.resume(table.source);
  }

  /** Commits what was applied so far, and that everything before the place is in. */
  private async endPart(session: SinkSession, place: JournalPlace, definition: Definition | null): Promise<void> {
    const { context, group } = this.options;
    const { connection } = session;
    await new OutcomeWriter(session, context.task, this.outcome).write(null);
    await definition?.announce(connection);
    await moveCheckpoint(connection, context, this.stand(), { checkpoint: group.from, part: place });
    await this.commit(session);
    context.part = place;
    this.errors += this.outcome.errors;
    this.suspended.push(...this.outcome.suspended().map(({ source }) => source));
    this.outcome = new GroupOutcome();
  }

  private async commit({ connection }: SinkSession): Promise<void> {
    if (this.outcome.suspendsTables) this.options.context.forgetTables();
    this.committing = true;
    await connection.query('COMMIT');
    this.committing = false;
  }
}

/** The part that lies behind a checkpoint: what a group that ends before it leaves to the next one. */
function behind(part: JournalPlace | null, { nextOffset }: Checkpoint): JournalPlace | null {
  return part !== null && part.offset >= nextOffset ? part : null;
}
