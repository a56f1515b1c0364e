import type { Claimant } from '@millrace/contract/task.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { queryRows } from '@millrace/mysql/server.js';
import type { Connection } from 'mysql2/promise';
import { z } from 'zod';
import { definingTables, endDefining, endOlderSinks } from './named-locks.js';
import { serverFailureOf } from './server-failure.js';
import { createStateSchema } from './state-schema.js';
import { write } from './statements.js';
import { inTransaction } from './transaction.js';

/** How long an older sink may finish what it is at before its sessions are ended. */
const PATIENCE_S = 3;
/** How long its rollback may take then. */
const ROLLBACK_S = 60;
const ER_LOCK_WAIT_TIMEOUT = 1205;

/** A sink of no run in particular: it takes the claim whoever has it. */
const ANYBODY: Claimant = { run: '', held: false };

const claimRow = z.object({
  definition: z.string(),
  generation: z.union([z.string(), z.number()]).transform((value) => BigInt(value)),
  run: z.string().nullable(),
});

export interface ClaimOptions {
  readonly task: string;
  readonly definition: string;
  readonly claimant?: Claimant;
}

/**
 * Claims the task for this sink and returns its generation: from here on every older sink's guard fails, and none of them defines a
 * table. One that is busy gets a moment to commit; one that hangs is ended: its transaction rolls back, so nothing of it is half-applied.
 * @throws MillraceError TASK_CHANGED where the task was started with another definition; SINK_FENCED where the claimant held the claim
 * and another run has it; the sink in force stays so in both
 */
export async function takeOver(connection: Connection, options: ClaimOptions): Promise<bigint> {
  const { task } = options;
  await createStateSchema(connection);
  try {
    return await claimWithin(connection, options, PATIENCE_S);
  } catch (error) {
    const waited =
      error instanceof MillraceError ? error.code === 'TARGET_BUSY' : serverFailureOf(error)?.number === ER_LOCK_WAIT_TIMEOUT;
    if (!waited) throw error;
    const [found] = await queryRows(
      connection,
      'SELECT definition, generation, run FROM millrace.claim WHERE task = ?',
      [task],
      claimRow,
    );
    await endDefining(connection, task);
    await endOlderSinks(connection, task, found?.generation ?? 0n);
    return await claimWithin(connection, options, ROLLBACK_S);
  } finally {
    // On a connection that is gone the setting is gone too, and the first error is the one to tell.
    await connection.query('SET SESSION innodb_lock_wait_timeout = 30').catch(() => undefined);
  }
}

async function claimWithin(connection: Connection, options: ClaimOptions, seconds: number): Promise<bigint> {
  await connection.query(`SET SESSION innodb_lock_wait_timeout = ${seconds}`);
  return definingTables(connection, { task: options.task, seconds }, () =>
    inTransaction(connection, () => claim(connection, options)),
  );
}

async function claim(connection: Connection, { task, definition, claimant = ANYBODY }: ClaimOptions): Promise<bigint> {
  await write(
    connection,
    'INSERT INTO millrace.claim (task, definition, generation, run) VALUES (?, ?, 0, ?) ON DUPLICATE KEY UPDATE task = VALUES(task)',
    [task, definition, claimant.run],
  );
  const [found] = await queryRows(
    connection,
    'SELECT definition, generation, run FROM millrace.claim WHERE task = ? FOR UPDATE',
    [task],
    claimRow,
  );
  if (found === undefined) throw new MillraceError('INTERNAL', { what: 'a claim that was just written is there' });
  if (claimant.held && found.run !== claimant.run)
    throw new MillraceError('SINK_FENCED', { task, expected: `run ${claimant.run}`, found: `of run ${found.run ?? 'unknown'}` });
  if (found.definition !== definition)
    throw new MillraceError('TASK_CHANGED', { name: task, what: 'its table mappings or its migration type differ' });
  const generation = found.generation + 1n;
  await write(connection, 'UPDATE millrace.claim SET generation = ?, run = ? WHERE task = ?', [generation, claimant.run, task]);
  // Behind the claim: waits for the group that an older sink is committing.
  await write(
    connection,
    'INSERT INTO millrace.checkpoint (task, generation) VALUES (?, ?) ON DUPLICATE KEY UPDATE generation = ?',
    [task, generation, generation],
  );
  return generation;
}
