import { displayTable } from '@millrace/codec/table-key.js';
import type { TableSchema } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { quoteIdentifier, quoteTable } from '@millrace/mysql/quote-identifier.js';
import type { Connection } from 'mysql2/promise';
import { serverFailureOf } from './server-failure.js';
import { write } from './statements.js';
import { findTable } from './target-catalog.js';

/**
 * After a table's last chunk: its primary key, in a table that was there before the task and that no unique index of the key's columns
 * keeps. AUTO_INCREMENT has followed the rows by itself, and so have InnoDB's statistics. Safe to repeat.
 * @throws MillraceError LOAD_KEY_REFUSED where rows that were in the table before have the key of loaded ones
 */
export async function finishTable(connection: Connection, schema: TableSchema): Promise<void> {
  if (schema.primaryKey.length === 0) return;
  const present = await findTable(connection, schema.id);
  const wanted = JSON.stringify([...schema.primaryKey].sort());
  if (present === undefined || present.primaryKey.length > 0) return;
  if (present.uniqueKeys.some((columns) => JSON.stringify([...columns].sort()) === wanted)) return;
  try {
    await write(
      connection,
      `ALTER TABLE ${quoteTable(schema.id)} ADD PRIMARY KEY (${schema.primaryKey.map(quoteIdentifier).join(', ')})`,
    );
  } catch (error) {
    const failure = serverFailureOf(error);
    if (failure?.kind !== 'duplicate' && failure?.kind !== 'data') throw error;
    const details = { table: displayTable(schema.id), columns: schema.primaryKey.join(', '), reason: failure.message };
    throw new MillraceError('LOAD_KEY_REFUSED', details, { cause: error });
  }
}
