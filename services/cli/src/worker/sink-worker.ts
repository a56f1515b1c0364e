import { openAll } from '@millrace/flow/open-all.js';
import { DeadLetterWriter } from '@millrace/journal/dead-letter-topic.js';
import { openJournal } from '@millrace/journal/journal.js';
import { openLoadTopic } from '@millrace/journal/load-topic.js';
import { runSink } from '@millrace/sink-runtime/sink.js';
import { TableMapper } from '@millrace/sink-runtime/table-mapper.js';
import { reportRetry, type WorkerOptions } from './capture-worker.js';
import { IncarnationProgress } from './incarnation-progress.js';
import { occasionally, patienceMs, runIncarnations } from './retry.js';

/** Applies until the signal, incarnation after incarnation; each starts from the target's checkpoint, as after a crash. */
export async function runSinkWorker({ task, claimant, log, send, signal }: WorkerOptions): Promise<void> {
  const outageMs = task.config.outageMinutes * 60_000;
  const progress = new IncarnationProgress();
  let { held } = claimant;
  const onRetry = reportRetry(log, send);
  const onOutage = occasionally(onRetry);
  const incarnation = async (): Promise<void> => {
    await using sink = await task.openSink();
    const { kafka, registry, topics } = task;
    const options = { kafka, registry, create: true, patienceMs: patienceMs(outageMs), onRetry: onOutage, signal };
    const opened = await openAll([
      openJournal({ ...options, topic: topics.journal }),
      openLoadTopic({ ...options, topic: topics.load }),
      DeadLetterWriter.open({ ...options, topic: topics.deadLetters }),
    ]);
    await using journal = opened[0];
    await using loadTopic = opened[1];
    await using deadLetters = opened[2];
    await runSink(
      {
        definition: task.definition,
        claimant: { ...claimant, held },
        sink,
        journal,
        loadTopic: loadTopic.reader(),
        deadLetters,
        mapper: new TableMapper(task.mapping, task.supports),
        preparation: task.settings.preparation,
        journalRetentionMs: task.config.journalRetentionHours * 3_600_000,
        onWarning: (error) => log.warn({ err: error }, error.message),
        report: (status) => {
          held ||= status.kind === 'opened';
          if (status.kind === 'applied') progress.streamMoved();
          else if (status.kind === 'chunk') progress.loadMoved();
          else if (status.kind === 'load-failed') progress.loadFailed();
          send({ kind: 'sink', status });
        },
      },
      signal,
    );
  };
  await runIncarnations(incarnation, { outageMs, progress, onRetry }, signal);
}
