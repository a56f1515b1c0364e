import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { TaskConfig } from '@millrace/config/task-options.js';
import type { StopReason } from '@millrace/contract/task.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { AbortScope, onAbort } from '@millrace/flow/abort.js';
import { describeFailure } from '../failure.js';
import { type FromWorker, tellsOfClaim, type WorkerFailure, type WorkerRole } from '../worker/messages.js';
import { RestartPolicy } from './restart-policy.js';
import type { SpareWorkers, WorkerProcess } from './worker-process.js';

/** Within the 10 s that a clean stop may take. */
const STOP_GRACE_MS = 7_000;
/** A worker that has said nothing for so long hangs; it says something every 2 s. */
const SILENCE_MS = 60_000;
const CHECK_EVERY_MS = 1_000;

export interface Outcome {
  readonly reason: StopReason;
  readonly failure: WorkerFailure | null;
  /** The worker that gave up; null where none did. */
  readonly role: WorkerRole | null;
}

export interface SupervisorOptions {
  readonly config: TaskConfig;
  readonly onMessage: (role: WorkerRole, message: FromWorker) => void;
  readonly onStarted: (role: WorkerRole, pid: number) => void;
  readonly onRestart: (role: WorkerRole, cause: string, inMs: number) => void;
  readonly workers: SpareWorkers;
  /** Resolves with the reason when the run has reached its `--until`. */
  readonly reached: (signal: AbortSignal) => Promise<'loaded' | 'caught-up' | null>;
}

/**
 * Hosts a task's workers: starts them, starts a dead one again (SIGKILL, out of memory, a crash: all are one path), ends a
 * silent one, and ends as a whole when a worker gives up, another run fences this one, the goal is reached or the signal aborts.
 */
export async function supervise(roles: readonly WorkerRole[], options: SupervisorOptions, signal: AbortSignal): Promise<Outcome> {
  using stop = new AbortScope(signal);
  const running = stop.signal;
  const run = randomUUID();
  const keepers = roles.map((role) => keepAlive({ role, run }, options, running));
  const goal = reachGoal(options, running);
  const ended = await Promise.race([...keepers, goal, aborted(signal)]);
  stop.abort();
  await Promise.allSettled([...keepers, goal]);
  return ended;
}

/** A goal that ended without being reached leaves the decision to the others. */
async function reachGoal({ reached }: SupervisorOptions, signal: AbortSignal): Promise<Outcome> {
  try {
    const reason = await reached(signal);
    return reason === null ? await aborted(signal) : { reason, failure: null, role: null };
  } catch (error) {
    return { reason: 'failed', failure: describeFailure(error), role: null };
  }
}

/** Runs one worker until the signal or until it gives up. */
async function keepAlive(
  { role, run }: { readonly role: WorkerRole; readonly run: string },
  options: SupervisorOptions,
  signal: AbortSignal,
): Promise<Outcome> {
  const restarts = new RestartPolicy(options.config.outageMinutes * 60_000);
  let held = false;
  for (;;) {
    let failure: WorkerFailure | null = null;
    restarts.started(performance.now());
    const onMessage = (message: FromWorker): void => {
      if (message.kind === 'failed') failure = message.failure;
      if (message.kind === 'capture' || message.kind === 'sink') held ||= tellsOfClaim(message);
      restarts.heard(message);
      options.onMessage(role, message);
    };
    const worker = options.workers.take();
    worker.start({ kind: 'start', role, config: options.config, claimant: { run, held } }, onMessage);
    if (worker.pid !== undefined) options.onStarted(role, worker.pid);
    const exit = await watch(worker, signal);
    if (signal.aborted) return STOPPED;
    if (failure !== null) return giveUp(role, failure);
    const cause = exit.signal ?? `exit code ${exit.code ?? '?'}`;
    const inMs = restarts.died(performance.now());
    if (inMs === null) return giveUp(role, describeFailure(new MillraceError('WORKER_DIES', { role, cause })));
    options.onRestart(role, cause, inMs);
    await delay(inMs, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return STOPPED;
  }
}

/** Waits for the worker's end; stops it when the signal aborts, kills it when it falls silent. */
async function watch(worker: WorkerProcess, signal: AbortSignal): Promise<Awaited<WorkerProcess['exited']>> {
  const silence = setInterval(() => {
    if (performance.now() - worker.lastHeardMs > SILENCE_MS) worker.kill();
  }, CHECK_EVERY_MS);
  using _ = onAbort(signal, () => worker.stop(STOP_GRACE_MS));
  try {
    return await worker.exited;
  } finally {
    clearInterval(silence);
  }
}

const STOPPED: Outcome = { reason: 'signal', failure: null, role: null };

function giveUp(role: WorkerRole, failure: WorkerFailure): Outcome {
  const fenced = failure.code === 'JOURNAL_FENCED' || failure.code === 'SINK_FENCED';
  return { reason: fenced ? 'fenced' : 'failed', failure, role };
}

function aborted(signal: AbortSignal): Promise<Outcome> {
  return new Promise((resolve) => {
    onAbort(signal, () => resolve(STOPPED));
  });
}
