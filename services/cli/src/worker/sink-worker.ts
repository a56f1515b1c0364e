import { openJournal } from '@millrace/journal/journal.js';
import { DeadLetterWriter } from '@millrace/journal/dead-letter-writer.js';
import { LoadTopicReader } from '@millrace/journal/load-topic.js';
import { runSink } from '@millrace/sink-runtime/sink.js';
import { TableMapper } from '@millrace/sink-runtime/table-mapper.js';
import { reportRetry, type WorkerOptions } from './capture-worker.js';
import { runIncarnations } from './retry.js';

/** Applies until the signal, incarnation after incarnation; each starts from the target's checkpoint, as after a crash. */
export async function runSinkWorker({ task, log, send, signal }: WorkerOptions): Promise<void> {
  let lastProgressMs = 0;
  const incarnation = async (): Promise<void> => {
    await using sink = await task.openSink();
    await using journal = await openJournal({ kafka: task.kafka, registry: task.registry, topic: task.topics.journal, create: true });
    await using loadTopic = await LoadTopicReader.open(journal, task.topics.load);
    await using deadLetters = await DeadLetterWriter.open(journal, task.topics.deadLetters);
    await runSink(
      {
        definition: task.definition,
        sink,
        journal,
        loadTopic,
        deadLetters,
        mapper: new TableMapper(task.mapping),
        preparation: task.settings.preparation,
        report: (status) => {
          if (status.kind === 'applied' || status.kind === 'chunk') lastProgressMs = Date.now();
          send({ kind: 'sink', status });
        },
      },
      signal,
    );
  };
  await runIncarnations(incarnation, { outageMs: task.config.outageMinutes * 60_000, lastProgress: () => lastProgressMs, onRetry: reportRetry(log, send) }, signal);
}
