import { ChangeLog } from '@millrace/apply/change-log.js';
import { GroupOutcome } from '@millrace/apply/group-outcome.js';
import { type Step, stepsOf } from '@millrace/apply/group-steps.js';
import type { Checkpoint } from '@millrace/contract/position.js';
import type { ApplyResult, TransactionGroup } from '@millrace/contract/sink.js';
import { crashPoint } from '@millrace/telemetry/crash-point.js';
import type { ApplyContext } from './apply-context.js';
import { applyLarge } from './apply-large.js';
import { isRefusal, prepareSession } from './apply-session.js';
import { applyStep, type Careful } from './apply-step.js';
import { BulkRefused } from './bulk.js';
import { CheckpointElsewhere, moveCheckpoint } from './checkpoint-guard.js';
import { ATTEMPTS, begin, commit, fateOf, fencedError, isPassing, pause, rollBack } from './group-transaction.js';
import { OutcomeWriter } from './outcome-writer.js';
import type { Pipeline } from './pipeline.js';
import { isConnectionLoss, targetError } from './sql-state.js';

/**
 * Applies a group in one target transaction that also moves the checkpoint. Resolves only when the target has committed. Deadlocks,
 * lock time-outs and lost connections repeat the whole group, within bounds; if the reply to COMMIT is lost, the
 * checkpoint tells whether it happened.
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
  const next = group.next();
  const buffers = log.buffers.length;
  const steps = stepsOf(log, { coverage: (source) => group.coverage(source), from: group.from.position, end: next.position });
  let careful: Careful = new Set();
  for (let attempts = 1; ; ) {
    signal.throwIfAborted();
    const attempt = new Attempt({ context, log, from: group.from, next });
    try {
      return await attempt.run(steps, careful, signal);
    } catch (error) {
      // Images composed by the attempt are of no use to the next one.
      log.buffers.length = buffers;
      const fate = await attempt.recover(error, signal);
      if (error instanceof CheckpointElsewhere) throw await fencedError(context, group.from, signal);
      if (fate === 'committed') return attempt.result();
      const more: Careful | undefined =
        fate === 'failed' ? moreCareful(careful, error, { steps, triggersOff: attempt.triggersOff }) : careful;
      if (more === undefined || (fate === 'again' && attempts === ATTEMPTS))
        throw signal.aborted ? error : targetError(error, 'applying changes');
      if (fate === 'again') await pause(attempts++, signal);
      careful = more;
    }
  }
}

/** How to go on where the target refuses the data; undefined: not at all. Each answer is more careful, so there are as many as tables. */
function moreCareful(
  careful: Careful,
  error: unknown,
  group: { readonly steps: readonly Step[]; readonly triggersOff: boolean },
): Careful | undefined {
  if (error instanceof BulkRefused) {
    if (careful === 'all' || careful === 'each') return undefined;
    const truncates = group.steps.some((step) => step.kind === 'rows' && step.truncates);
    return group.triggersOff && !truncates ? new Set([...careful, error.version]) : 'all';
  }
  // A constraint that waited for the commit.
  if (!isRefusal(error) || careful === 'each') return undefined;
  return careful === 'all' ? 'each' : 'all';
}

interface AttemptOptions {
  readonly context: ApplyContext;
  readonly log: ChangeLog;
  readonly from: Checkpoint;
  readonly next: Checkpoint;
}

/** One transaction of a group of whole blocks. */
class Attempt {
  triggersOff = true;
  private readonly outcome = new GroupOutcome();
  private committing = false;
  private pipeline: Pipeline | undefined;

  constructor(private readonly options: AttemptOptions) {}

  async run(steps: readonly Step[], careful: Careful, signal: AbortSignal): Promise<ApplyResult> {
    const { context, log, from, next } = this.options;
    const session = await context.session(signal);
    this.triggersOff = session.triggersOff;
    const pipeline = await prepareSession(session.client);
    this.pipeline = pipeline;
    if (steps.length === 0) {
      // Nothing but progress: one statement is its own transaction.
      this.committing = true;
      moveCheckpoint(pipeline, context, from, next);
      await pipeline.flush();
      return this.result();
    }
    begin(pipeline, session);
    moveCheckpoint(pipeline, context, from, next);
    const work = { context, triggersOff: session.triggersOff, pipeline, log, outcome: this.outcome };
    for (const step of steps) {
      signal.throwIfAborted();
      await applyStep(work, step, careful);
    }
    await new OutcomeWriter(context.task, this.outcome).write(pipeline, next.position);
    const client = await pipeline.client();
    if (this.outcome.suspendsTables) context.forgetTables();
    crashPoint('target-commit');
    this.committing = true;
    await commit(client);
    return this.result();
  }

  /**
   * After a failure: rolls back, and says what became of the transaction. 'again': nothing is wrong with the data; 'failed': the error
   * is the answer.
   */
  async recover(error: unknown, signal: AbortSignal): Promise<'committed' | 'again' | 'failed'> {
    const { context, from, next } = this.options;
    context.forgetTables();
    await this.pipeline?.abandon();
    if (!isConnectionLoss(error)) {
      await rollBack(context, signal);
      return isPassing(error) ? 'again' : 'failed';
    }
    await context.discardSession();
    if (!this.committing) return 'again';
    return (await fateOf(context, { from, next }, signal)) === 'committed' ? 'committed' : 'again';
  }

  result(): ApplyResult {
    return this.outcome.result(this.options.log, this.options.next);
  }
}
