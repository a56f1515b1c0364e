import { deleteTopics } from '@millrace/journal/journal.js';
import type { Task } from './task.js';

/**
 * Drops everything that the task made: slot and publication in the source, its rows in the target's `millrace` schema, topics
 * and subjects. The target's rows stay. Returns what was dropped, in words; safe to repeat.
 */
export async function removeTask(task: Task): Promise<readonly string[]> {
  const dropped: string[] = [];
  await using source = await task.openSource();
  dropped.push(...(await source.remove({ task: task.config.name, journal: '' })));
  await using sink = await task.openSink();
  dropped.push(...(await sink.remove()));
  dropped.push(...(await deleteTopics({ kafka: task.kafka, registry: task.registry, topics: Object.values(task.topics) })));
  return dropped;
}
