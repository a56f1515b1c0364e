import { DeadLetterWriter } from '@millrace/journal/dead-letter-topic.js';
import { openJournal } from '@millrace/journal/journal.js';
import { openLoadTopic } from '@millrace/journal/load-topic.js';
import { runSink } from '@millrace/sink-runtime/sink.js';
import { TableMapper } from '@millrace/sink-runtime/table-mapper.js';
import { reportRetry, type WorkerOptions } from './capture-worker.js';
import { IncarnationProgress } from './incarnation-progress.js';
import { occasionally, runIncarnations } from './retry.js';

/** Applies until the signal, incarnation after incarnation; each starts from the target's checkpoint, as after a crash. */
export async function runSinkWorker({ task, claimant, log, send, signal }: WorkerOptions): Promise<void> {
  const progress = new IncarnationProgress();
  let { held } = claimant;
  const onRetry = reportRetry(log, send);
  const onOutage = occasionally(onRetry);
  const incarnation = async (): Promise<void> => {
    await using sink = await task.openSink();
    await using journal = await openJournal({
      kafka: task.kafka,
      registry: task.registry,
      topic: task.topics.journal,
      create: true,
      onRetry: onOutage,
      signal,
    });
    await using loadTopic = await openLoadTopic({
      kafka: task.kafka,
      registry: task.registry,
      topic: task.topics.load,
      create: true,
      onRetry: onOutage,
      signal,
    });
    await using deadLetters = await DeadLetterWriter.open({
      kafka: task.kafka,
      registry: task.registry,
      topic: task.topics.deadLetters,
      create: true,
      onRetry: onOutage,
      signal,
    });
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
  await runIncarnations(incarnation, { outageMs: task.config.outageMinutes * 60_000, progress, onRetry }, signal);
}
