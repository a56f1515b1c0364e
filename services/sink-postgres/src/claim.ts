import type { Client } from 'pg';
import { serverFailureOf } from './sql-state.js';
import { createStateSchema } from './state-schema.js';
import type { TaskState } from './state.js';

/** How long an older sink may finish what it is at before its sessions are ended. */
const PATIENCE = '3s';

/**
 * Claims the task for this sink. An older one that is busy gets a moment to commit; one that hangs with the checkpoint's row
 * locked is ended: its transaction rolls back, so nothing of it is half-applied.
 */
export async function takeOver(client: Client, { task, state, definition }: { readonly task: string; readonly state: TaskState; readonly definition: string }): Promise<bigint> {
  await createStateSchema(client);
  await client.query(`SET lock_timeout = '${PATIENCE}'`);
  try {
    return await state.claim(client, definition);
  } catch (error) {
    const failure = serverFailureOf(error);
    if (failure?.sqlState !== '55P03') throw error;
    await endOlderSinks(client, task);
    return await state.claim(client, definition);
  } finally {
    await client.query('RESET lock_timeout');
  }
}

/** Ends the sessions of this task's other sinks, by the name that every sink's session carries. */
async function endOlderSinks(client: Client, task: string): Promise<void> {
  await client.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE pid <> pg_backend_pid() AND datname = current_database() AND starts_with(application_name, $1)`,
    [`millrace:${task}:sink:`],
  );
}
