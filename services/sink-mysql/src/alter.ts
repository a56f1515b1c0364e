import { displayTable } from '@millrace/codec/table-key.js';
import type { TableId, TableSchema } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import type { Connection } from 'mysql2/promise';
import { z } from 'zod';
import { planAlter } from './alter-plan.js';
import { serverFailureOf } from './server-failure.js';
import { write } from './statements.js';
import { findTable, readCollations } from './target-catalog.js';
import type { TargetTable } from './target-table.js';

/**
 * The record of an alteration that is about to be done. ALTER TABLE commits by itself, so a crash behind it leaves no trace but the table's own
 * shape: while that is the one from before, the statement was not done.
 */
export interface Intent {
  readonly shape: string;
}

const intentShape = z.object({ shape: z.string() });

/** Undefined where none is recorded. */
export function parseIntent(recorded: unknown): Intent | undefined {
  return recorded === null ? undefined : intentShape.parse(recorded);
}

/** Everything that an alteration could change, names in their places included: two columns that swap their names show in it. */
export function intentFor(present: TargetTable): Intent {
  return { shape: JSON.stringify([present.columns, present.primaryKey]) };
}

/**
 * Whether the target table has to be altered from one version to the next, which `alterTable` then does.
 * @throws MillraceError ALTER_REFUSED where the table is not there; TARGET_NOT_A_TABLE, TARGET_NOT_TRANSACTIONAL
 */
export async function needsAltering(
  connection: Connection,
  from: TableSchema,
  to: TableSchema,
): Promise<{ readonly needed: boolean; readonly intent: Intent }> {
  const present = (await findTable(connection, from.id)) ?? (await findTable(connection, to.id));
  if (present === undefined) throw refused(to.id, 'ALTER TABLE', 'the table is not there', '42S02');
  const collations = await readCollations(connection);
  const { statement, afterwards } = planAlter(from, to, present, (name) => collations.has(name));
  return { needed: statement !== null || afterwards.length > 0, intent: intentFor(present) };
}

/**
 * Alters the target table, outside of transactions. Safe to repeat with the same intent, which the caller has recorded before.
 * @throws MillraceError ALTER_REFUSED where the target does not take the alteration: the table is then as it was
 */
export async function alterTable(connection: Connection, from: TableSchema, to: TableSchema, intent: Intent): Promise<void> {
  const before = await findTable(connection, from.id);
  const collations = await readCollations(connection);
  const present = before ?? (await findTable(connection, to.id));
  if (present === undefined) throw refused(to.id, 'ALTER TABLE', 'the table is not there', '42S02');
  const plan = planAlter(from, to, present, (name) => collations.has(name));
  const isDone = before === undefined || intentFor(before).shape !== intent.shape;
  if (plan.statement !== null && !isDone) await step(connection, to.id, plan.statement);
  for (const statement of plan.afterwards) await step(connection, to.id, statement);
}

async function step(connection: Connection, id: TableId, statement: string): Promise<void> {
  try {
    await write(connection, statement);
  } catch (error) {
    const failure = serverFailureOf(error);
    if (failure === undefined || !['table', 'data', 'duplicate'].includes(failure.kind)) throw error;
    throw refused(id, statement, failure.message, failure.sqlState, error);
  }
}

function refused(id: TableId, statement: string, reason: string, state: string, cause?: unknown): MillraceError {
  return new MillraceError('ALTER_REFUSED', { table: displayTable(id), step: statement, reason, state }, { cause });
}
