import { runCapture } from '@millrace/capture-runtime/capture.js';
import type { Claimant } from '@millrace/contract/task.js';
import { openAll } from '@millrace/flow/open-all.js';
import { openJournal } from '@millrace/journal/journal.js';
import { openLoadTopic } from '@millrace/journal/load-topic.js';
import type { Logger } from '@millrace/telemetry/log.js';
import { describeFailure } from '../failure.js';
import { FurthestChunks } from '../run/furthest-chunks.js';
import { keepsKeys, loadEncoding } from '../task/load-encoding.js';
import type { Task } from '../task/task.js';
import { IncarnationProgress } from './incarnation-progress.js';
import type { FromWorker } from './messages.js';
import { occasionally, patienceMs, runIncarnations } from './retry.js';

export interface WorkerOptions {
  readonly task: Task;
  readonly claimant: Claimant;
  readonly log: Logger;
  readonly send: (message: FromWorker) => void;
  readonly signal: AbortSignal;
}

/** Captures until the signal, incarnation after incarnation; each opens everything anew, as after a crash. */
export async function runCaptureWorker({ task, claimant, log, send, signal }: WorkerOptions): Promise<void> {
  const outageMs = task.config.outageMinutes * 60_000;
  const progress = new IncarnationProgress();
  const furthest = new FurthestChunks();
  let { held } = claimant;
  const onRetry = reportRetry(log, send);
  const onOutage = occasionally(onRetry);
  const incarnation = async (): Promise<void> => {
    await using source = await task.openSource();
    const { kafka, registry, topics } = task;
    const options = { kafka, registry, create: true, patienceMs: patienceMs(outageMs), onRetry: onOutage, signal };
    const opened = await openAll([
      openJournal({ ...options, topic: topics.journal }),
      openLoadTopic({ ...options, topic: topics.load }),
    ]);
    await using journal = opened[0];
    await using loadTopic = opened[1];
    await runCapture(
      {
        task: task.config.name,
        migrationType: task.config.migrationType,
        claimant: { ...claimant, held },
        source,
        selector: task.selector,
        journal,
        loadTopic,
        encoding: loadEncoding(task),
        keepsKeys: keepsKeys(task),
        report: (status) => {
          held ||= status.kind === 'claimed';
          if (status.kind === 'in-force') progress.streamMoved();
          else if (status.kind === 'chunk' && furthest.reach(status)) progress.loadMoved();
          else if (status.kind === 'load-failed') progress.loadFailed();
          send({ kind: 'capture', status });
        },
      },
      signal,
    );
  };
  await runIncarnations(incarnation, { outageMs, progress, onRetry }, signal);
}

export function reportRetry(log: Logger, send: (message: FromWorker) => void): (error: unknown, inMs: number) => void {
  return (error, inMs) => {
    log.warn({ err: error, inMs }, 'tries again');
    send({ kind: 'retrying', failure: describeFailure(error), inMs });
  };
}
