import type { TaskConfig } from '@millrace/config/task-options.js';
import type { Position } from '@millrace/contract/position.js';
import type { SinkState } from '@millrace/contract/sink.js';
import { abortable } from '@millrace/flow/abort.js';
import { exitCodeOf } from '../exit-code.js';
import { describeFailure, tellStack } from '../failure.js';
import { finalState } from '../run/final-state.js';
import { freeSource } from '../run/free-source.js';
import { judgeEnd } from '../run/judge-end.js';
import { stopWithParent } from '../run/parent.js';
import { preflight, refusalOf } from '../run/preflight.js';
import { RunProgress } from '../run/progress.js';
import { createReporter, type Reporter } from '../run/reporter.js';
import { openRunMetrics } from '../run/run-metrics.js';
import { type Outcome, supervise } from '../run/supervisor.js';
import { reachGoal } from '../run/until.js';
import { SpareWorkers } from '../run/worker-process.js';
import { removeTask } from '../task/remove-task.js';
import { openTask, type Task } from '../task/task.js';
import { IncarnationProgress } from '../worker/incarnation-progress.js';
import type { WorkerRole } from '../worker/messages.js';
import { runIncarnations } from '../worker/retry.js';

const ROLES: readonly WorkerRole[] = ['capture', 'sink'];

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

async function run(config: TaskConfig, { progress, reporter, signal }: Running): Promise<number> {
  try {
    await using metrics = await openRunMetrics(config);
    const task = await openTask(config);
    using workers = new SpareWorkers(ROLES.length, reporter.log);
    if (task.settings.ignored.length > 0) reporter.ignoredSettings(task.settings.ignored);
    const { pristine, findings } = await preflight(task, reporter, signal);
    const refusal = refusalOf(findings);
    if (refusal !== null) {
      reporter.stopped({ reason: 'refused', failure: refusal, role: null }, null);
      return exitCodeOf('refused');
    }
    const done = config.migrationType === 'full-load' ? await abortable(loadedBefore(task), signal) : null;
    if (done !== null) {
      await freeSource(task, signal);
      reporter.stopped({ reason: 'loaded', failure: null, role: null }, done);
      return exitCodeOf('loaded');
    }
    const ended = await supervise(
      ROLES,
      {
        config,
        workers,
        onMessage: (role, message) => {
          progress.take(role, message);
          metrics?.take(message);
          reporter.message(role, message);
        },
        onStarted: (role, pid) => reporter.started(role, pid),
        onRestart: (role, cause, inMs) => {
          metrics?.restarted(role);
          reporter.restarting(role, cause, inMs);
        },
        reached: (stopping) => goal(task, progress, stopping),
      },
      signal,
    );
    const { outcome, undo } = judgeEnd(ended, progress, pristine);
    if (undo) await abortable(undoStart(task, reporter), signal);
    if (outcome.reason === 'loaded' && config.migrationType === 'full-load') await freeSource(task, signal);
    reporter.stopped(outcome, await finalState(() => inspectTarget(task)));
    return exitCodeOf(outcome.reason);
  } catch (error) {
    tellStack(error, config.logLevel);
    const outcome: Outcome = signal.aborted
      ? { reason: 'signal', failure: null, role: null }
      : { reason: 'refused', failure: describeFailure(error), role: null };
    reporter.stopped(outcome, null);
    return exitCodeOf(outcome.reason);
  }
}

/** A full-load task that has done its work does nothing more: the target's own account, else null. */
async function loadedBefore(task: Task): Promise<SinkState | null> {
  const state = await inspectTarget(task);
  return state.tables.length > 0 && state.tables.every((table) => table.state === 'completed') ? state : null;
}

/** The source's position is asked at a moment when the source may be away: as patiently as by the workers. */
async function goal(task: Task, progress: RunProgress, signal: AbortSignal): Promise<'loaded' | 'caught-up' | null> {
  const { until, migrationType, outageMinutes } = task.config;
  const sourcePosition = async (): Promise<Position | null> => {
    let position: Position | null = null;
    const ask = async (): Promise<void> => {
      await using source = await task.openSource();
      position = await abortable(source.currentPosition(), signal);
    };
    await runIncarnations(
      ask,
      { outageMs: outageMinutes * 60_000, progress: new IncarnationProgress(), onRetry: () => undefined },
      signal,
    );
    return position;
  };
  return reachGoal({ until, migrationType, progress, sourcePosition }, signal);
}

/** A refused start leaves nothing behind; where a server does not let us, `remove` finds it later. */
async function undoStart(task: Task, reporter: Reporter): Promise<void> {
  try {
    await removeTask(task);
  } catch (error) {
    const { code, message } = describeFailure(error);
    reporter.finding({
      severity: 'warning',
      code,
      where: 'undoing the start',
      message,
      remedy: `millrace remove --name ${task.config.name}`,
    });
  }
}

async function inspectTarget(task: Task): Promise<SinkState> {
  await using sink = await task.openSink();
  return await sink.inspect();
}
