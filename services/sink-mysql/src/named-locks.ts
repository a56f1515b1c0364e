import { createHash } from 'node:crypto';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { quoteLiteral } from '@millrace/mysql/quote-identifier.js';
import { queryRows } from '@millrace/mysql/server.js';
import type { Connection } from 'mysql2/promise';
import { z } from 'zod';
import { serverFailureOf } from './server-failure.js';

/** Sessions of one sink: each holds a lock of its own for as long as it lives, by which a newer sink finds it. */
const SESSIONS = 32;
/** How many generations a newer sink looks back: those before were ended by the ones between. */
const GENERATIONS = 16n;
const ER_NO_SUCH_THREAD = 1094;

/** A lock's name has at most 64 characters (MySQL manual, "Locking Functions"), whatever the task is called. */
function lockName(task: string, rest: string): string {
  return `millrace:${createHash('sha256').update(task).digest('hex').slice(0, 24)}:${rest}`;
}

const granted = z.object({ granted: z.coerce.number().nullable() });

async function tryLock(connection: Connection, name: string, seconds: number): Promise<boolean> {
  const [row] = await queryRows(connection, 'SELECT GET_LOCK(?, ?) AS granted', [name, seconds], granted);
  return row?.granted === 1;
}

/** Marks the session as one of this sink's. A lost session's lock may be there for a while yet: any free one serves. */
export async function markSession(connection: Connection, task: string, generation: bigint): Promise<void> {
  for (let slot = 0; slot < SESSIONS; slot++) {
    if (await tryLock(connection, lockName(task, `${generation}:${slot}`), 0)) return;
  }
  throw new MillraceError('TARGET_BUSY', {
    doing: 'opening a session',
    reason: 'its lost sessions are still there',
    state: 'none',
  });
}

const holderRow = z.object({ id: z.coerce.number().int().nullable() });

/** Ends the sessions of the generations before this one: their transactions roll back. */
export async function endOlderSinks(connection: Connection, task: string, newest: bigint): Promise<void> {
  const names: string[] = [];
  for (let generation = newest; generation > 0n && generation > newest - GENERATIONS; generation--)
    for (let slot = 0; slot < SESSIONS; slot++) names.push(lockName(task, `${generation}:${slot}`));
  if (names.length === 0) return;
  const sql = names.map((name) => `SELECT IS_USED_LOCK(${quoteLiteral(name)}) AS id`).join(' UNION ALL ');
  const holders = await queryRows(connection, sql, [], holderRow);
  for (const { id } of holders) if (id !== null) await endSession(connection, id);
}

async function endSession(connection: Connection, id: number): Promise<void> {
  try {
    await connection.query(`KILL CONNECTION ${id}`);
  } catch (error) {
    if (serverFailureOf(error)?.number !== ER_NO_SUCH_THREAD) throw error;
  }
}

const released = z.object({ released: z.coerce.number().nullable() });

/**
 * Runs work that defines tables: one at a time for a task, across all of its sinks. A transaction cannot fence such work, since it
 * commits by itself: so whoever begins it holds this lock and looks whether the task is still its own, and a new sink takes the lock to claim.
 * @throws MillraceError TARGET_BUSY where the lock is not free in time
 */
export async function definingTables<T>(
  connection: Connection,
  { task, seconds }: { readonly task: string; readonly seconds: number },
  work: () => Promise<T>,
): Promise<T> {
  const name = lockName(task, 'ddl');
  if (!(await tryLock(connection, name, seconds)))
    throw new MillraceError('TARGET_BUSY', {
      doing: 'waiting to define tables',
      reason: 'another session of the task is at it',
      state: 'none',
    });
  try {
    return await work();
  } finally {
    // With a session that is gone its lock is gone too, and the first error is the one to tell.
    await queryRows(connection, 'SELECT RELEASE_LOCK(?) AS released', [name], released).catch(() => undefined);
  }
}

/** Ends the session that is defining tables for the task, if one is. */
export async function endDefining(connection: Connection, task: string): Promise<void> {
  const [holder] = await queryRows(connection, 'SELECT IS_USED_LOCK(?) AS id', [lockName(task, 'ddl')], holderRow);
  if (holder !== undefined && holder.id !== null) await endSession(connection, holder.id);
}
