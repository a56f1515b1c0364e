import type { Claimant } from '@millrace/contract/task.js';
import type { Client } from 'pg';
import { sinkNamePrefix } from './sink-name.js';
import { serverFailureOf } from './sql-state.js';
import type { TaskState } from './state.js';
import { createStateSchema } from './state-schema.js';

/** How long an older sink may finish what it is at before its sessions are ended. */
const PATIENCE = '3s';

/**
 * Claims the task for this sink. An older one that is busy gets a moment to commit; one that hangs in a transaction of the task
 * is ended: its transaction rolls back, so nothing of it is half-applied.
 */
export async function takeOver(
  client: Client,
  {
    task,
    state,
    definition,
    claimant,
  }: { readonly task: string; readonly state: TaskState; readonly definition: string; readonly claimant?: Claimant },
): Promise<bigint> {
  await createStateSchema(client);
  await client.query(`SET lock_timeout = '${PATIENCE}'`);
  try {
    return await state.claim(client, definition, claimant);
  } catch (error) {
    const failure = serverFailureOf(error);
    if (failure?.sqlState !== '55P03') throw error;
    await endOlderSinks(client, task);
    return await state.claim(client, definition, claimant);
  } finally {
    // On a connection that is gone the setting is gone too, and the first error is the one to tell.
    await client.query('RESET lock_timeout').catch(() => undefined);
  }
}

/**
 * Ends the sessions of the generations that have claimed the task so far, by the name that every sink's session carries. Those that
 * are still claiming have generation 0: two that start at once must not end each other.
 */
async function endOlderSinks(client: Client, task: string): Promise<void> {
  await client.query(
    `SELECT pg_terminate_backend(s.pid)
     FROM (SELECT pid, substr(application_name, length($1) + 1) AS rest FROM pg_stat_activity
           WHERE pid <> pg_backend_pid() AND datname = current_database() AND starts_with(application_name, $1)) s
     JOIN millrace.checkpoint c ON c.task = $2
     WHERE CASE WHEN s.rest ~ '^[0-9]{1,19}:' THEN split_part(s.rest, ':', 1)::numeric END BETWEEN 1 AND c.generation`,
    [sinkNamePrefix(task), task],
  );
}
