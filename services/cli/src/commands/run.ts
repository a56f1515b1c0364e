import type { TaskConfig } from '@millrace/config/task-options.js';
import type { Position } from '@millrace/contract/position.js';
import type { SinkState } from '@millrace/contract/sink.js';
import { exitCodeOf } from '../exit-code.js';
import { describeFailure } from '../failure.js';
import { stopWithParent } from '../run/parent.js';
import { preflight } from '../run/preflight.js';
import { RunProgress } from '../run/progress.js';
import { createReporter, type Reporter } from '../run/reporter.js';
import { type Outcome, supervise } from '../run/supervisor.js';
import { reachGoal } from '../run/until.js';
import { removeTask } from '../task/remove-task.js';
import { openTask, type Task } from '../task/task.js';

/** `millrace run`: both services of one task in the foreground. Returns the exit code. */
export async function runCommand(config: TaskConfig): Promise<number> {
  const progress = new RunProgress();
  const reporter = createReporter(config, progress);
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  const unwatch = stopWithParent(onSignal);
  try {
    return await run(config, { progress, reporter, signal: stop.signal });
  } finally {
    unwatch();
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
    reporter.close();
  }
}

interface Running {
  readonly progress: RunProgress;
  readonly reporter: Reporter;
  readonly signal: AbortSignal;
}

async function run(config: TaskConfig, running: Running): Promise<number> {
  const { progress, reporter, signal } = running;
  let task: Task;
  let firstStart: boolean;
  try {
    task = await openTask(config);
    ({ firstStart } = await preflight(task, reporter, signal));
  } catch (error) {
    const outcome: Outcome = signal.aborted
      ? { reason: 'signal', failure: null }
      : { reason: 'refused', failure: describeFailure(error) };
    reporter.stopped(outcome, null);
    return exitCodeOf(outcome.reason);
  }

  const ended = await supervise(
    ['capture', 'sink'],
    {
      config,
      onMessage: (role, message) => {
        progress.take(message);
        reporter.message(role, message);
      },
      onStarted: (role, pid) => reporter.started(role, pid),
      onRestart: (role, cause, inMs) => reporter.restarting(role, cause, inMs),
      reached: (stopping) => goal(task, progress, stopping),
    },
    signal,
  );
  const outcome = await settle(task, ended, { firstStart, progress });
  reporter.stopped(outcome, await finalState(task));
  return exitCodeOf(outcome.reason);
}

async function goal(task: Task, progress: RunProgress, signal: AbortSignal): Promise<'loaded' | 'caught-up' | null> {
  const { until, migrationType } = task.config;
  const sourcePosition = async (): Promise<Position> => {
    await using source = await task.openSource();
    return await source.currentPosition();
  };
  return reachGoal({ until, migrationType, progress, sourcePosition }, signal);
}

/** A first start that failed before it did anything is a refusal, and leaves nothing behind; a goal is not reached over a table in error. */
async function settle(
  task: Task,
  ended: Outcome,
  { firstStart, progress }: { readonly firstStart: boolean; readonly progress: RunProgress },
): Promise<Outcome> {
  if (
    ended.reason === 'failed' &&
    firstStart &&
    progress.applied === null &&
    progress.tables.size === 0 &&
    ended.failure?.class === 'operator'
  ) {
    await removeTask(task);
    return { reason: 'refused', failure: ended.failure };
  }
  const inError = progress.tableInError();
  if ((ended.reason === 'loaded' || ended.reason === 'caught-up') && inError !== undefined)
    return { reason: 'failed', failure: null };
  return ended;
}

/** The target's own account of the task; null where it cannot be asked any more. */
async function finalState(task: Task): Promise<SinkState | null> {
  try {
    await using sink = await task.openSink();
    return await sink.inspect();
  } catch {
    return null;
  }
}
