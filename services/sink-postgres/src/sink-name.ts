import { createHash } from 'node:crypto';

/** As a name of its own in an application_name of 63 bytes (NAMEDATALEN - 1), beside the words, the generation and the purpose. */
const MAX_TASK_LENGTH = 20;

export type SessionPurpose = 'assess' | 'inspect' | 'remove' | 'claim' | 'apply' | 'load';

/**
 * The application_name of a sink's session, by which its successor finds it: `millrace:<task>:sink:<generation>:<purpose>`.
 * PostgreSQL would cut a long name and replace what is not ASCII, so such a task's name goes with a digest.
 */
export function sinkName(task: string, generation: bigint, purpose: SessionPurpose): string {
  return `${sinkNamePrefix(task)}${generation}:${purpose}`;
}

/** What the names of this task's sinks, and of no other's, begin with. */
export function sinkNamePrefix(task: string): string {
  return `millrace:${shortName(task)}:sink:`;
}

function shortName(task: string): string {
  if (task.length <= MAX_TASK_LENGTH && /^[\w.-]+$/.test(task)) return task;
  const digest = createHash('sha256').update(task).digest('hex').slice(0, 8);
  return `${task.replaceAll(/[^\w.-]/g, '_').slice(0, MAX_TASK_LENGTH - 9)}~${digest}`;
}
