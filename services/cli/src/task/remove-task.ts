import { deleteTopics } from '@millrace/journal/journal.js';
import type { Task } from './task.js';

/**
 * Drops everything that the task made: slot and publication in the source, its rows in the target's `millrace` schema, topics
 * and subjects. The target's rows stay. Returns what was dropped, in words; safe to repeat. What one server refuses is told
 * only after the others were asked, so that as little as can be stays.
 */
export async function removeTask(task: Task): Promise<readonly string[]> {
  const dropped: string[] = [];
  const failures: unknown[] = [];
  for (const part of [removeFromSource, removeFromTarget, removeFromKafka]) {
    try {
      dropped.push(...(await part(task)));
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
  return dropped;
}

async function removeFromSource(task: Task): Promise<readonly string[]> {
  await using source = await task.openSource();
  return await source.remove({ task: task.config.name, journal: '' });
}

async function removeFromTarget(task: Task): Promise<readonly string[]> {
  await using sink = await task.openSink();
  return await sink.remove();
}

function removeFromKafka(task: Task): Promise<readonly string[]> {
  return deleteTopics({ kafka: task.kafka, registry: task.registry, topics: Object.values(task.topics) });
}
