import { Buffer } from 'node:buffer';
import { displayTable } from '@millrace/codec/table-key.js';
import type { TableId, TableSchema } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { quoteIdentifier, quoteTable } from '@millrace/postgres/quote-identifier.js';
import type { Client } from 'pg';
import { z } from 'zod';
import { addPrimaryKey } from './create-table.js';
import { serverFailureOf } from './sql-state.js';
import { findTable, freeRelationName } from './target-relation.js';
import { targetSchema } from './target-schema.js';

/**
 * After a table's last chunk: its primary key where no unique index does that work yet, its sequences moved past the loaded values,
 * its statistics. Inside the caller's transaction; safe to repeat.
 * @throws MillraceError LOAD_KEY_REFUSED where rows that were in the table before have the key of loaded ones.
 */
export async function finishTable(client: Client, version: TableSchema): Promise<void> {
  const schema = targetSchema(version);
  await buildPrimaryKey(client, schema);
  for (const column of schema.columns) {
    if (column.identity !== 'none' && column.type.kind === 'integer') await advanceSequence(client, schema.id, column.name);
  }
  await client.query(`ANALYZE ${quoteTable(schema.id)}`);
}

/** Valid, immediate, whole-table unique indexes, whatever their order of columns, and the primary key. */
const UNIQUE_INDEXES = `
  SELECT i.indisprimary AS "primary",
         (SELECT array_agg(a.attname::text ORDER BY a.attname::text COLLATE "C")
            FROM unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, place)
            JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
            WHERE k.place <= i.indnkeyatts) AS columns
  FROM pg_catalog.pg_index i
  WHERE i.indrelid = $1 AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL`;

const uniqueIndexRow = z.object({ primary: z.boolean(), columns: z.array(z.string()) });

export async function buildPrimaryKey(client: Client, schema: TableSchema): Promise<boolean> {
  if (schema.primaryKey.length === 0) return false;
  const { rows } = await client.query(UNIQUE_INDEXES, [await findTable(client, schema.id)]);
  const wanted = JSON.stringify([...schema.primaryKey].sort(byBytes));
  const done = z
    .array(uniqueIndexRow)
    .parse(rows)
    .some(({ primary, columns }) => primary || JSON.stringify(columns) === wanted);
  if (done) return false;
  const { primaryKeyName: name } = schema;
  const free = name !== null && (await freeRelationName(client, schema.id.schema, name)) === name;
  try {
    await client.query(addPrimaryKey(schema, free ? name : null));
    return true;
  } catch (error) {
    const failure = serverFailureOf(error);
    if (failure === undefined || !['23505', '23502'].includes(failure.sqlState)) throw error;
    const details = { table: displayTable(schema.id), columns: schema.primaryKey.join(', '), reason: failure.message };
    throw new MillraceError('LOAD_KEY_REFUSED', details, { cause: error });
  }
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

const sequenceRow = z.object({ sequence: z.string(), descending: z.boolean() });

/**
 * Sets a serial or identity column's sequence to the furthest value that the table holds, never back, so that the target's own
 * inserts after a cut-over do not meet a key that is there.
 */
export async function advanceSequence(client: Client, id: TableId, column: string): Promise<void> {
  const { rows } = await client.query(
    `SELECT s.seqrelid::regclass::text AS sequence, s.seqincrement < 0 AS descending FROM pg_catalog.pg_sequence s
     WHERE s.seqrelid = pg_catalog.pg_get_serial_sequence($1, $2)::regclass`,
    [quoteTable(id), column],
  );
  const [found] = z.array(sequenceRow).parse(rows);
  if (found === undefined) return;
  const { sequence, descending } = found;
  const furthest = descending ? 'min' : 'max';
  const beyond = descending ? '<' : '>';
  await client.query(
    `SELECT pg_catalog.setval(s.seqrelid::regclass, m.value)
     FROM pg_catalog.pg_sequence s, (SELECT ${furthest}(${quoteIdentifier(column)})::int8 AS value FROM ${quoteTable(id)}) m
     WHERE s.seqrelid = $1::regclass AND m.value BETWEEN s.seqmin AND s.seqmax
       AND coalesce(m.value ${beyond} pg_catalog.pg_sequence_last_value(s.seqrelid), true)`,
    [sequence],
  );
}
