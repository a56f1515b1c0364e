import type { TableSchema, TypeDefinition } from '@millrace/contract/table.js';
import { quoteIdentifier } from '@millrace/postgres/quote-identifier.js';
import type { Client } from 'pg';
import { z } from 'zod';
import { addLabels, withPresentNames } from './enum-labels.js';

/** Any constant: two sessions that make schemas and types at once do it one after the other (IF NOT EXISTS alone races). */
const CREATION_LOCK = 7_203_114_552;

const typeRow = z.object({ schema: z.string(), name: z.string(), labels: z.array(z.string()).nullable() });

/**
 * Makes the schemas and user-defined types that the table needs and the target lacks, and gives its enums the labels that they lack.
 * A type that is there is otherwise left as it is. Safe to repeat.
 *
 * Rows with a label that was added can be written only after the addition is committed (PostgreSQL manual, ALTER TYPE, Notes): a
 * transaction that goes on to write them calls this on a second session before. With the version before given, a label that was only
 * renamed since is not taken for a new one.
 * @returns the number of statements that changed something.
 */
export async function createTypes(client: Client, schema: TableSchema, from: TableSchema | null): Promise<number> {
  const missing = await missingTypes(client, schema, from);
  if (missing.length === 0) return 0;
  const own = client.getTransactionStatus() === 'I';
  if (own) await client.query('BEGIN');
  try {
    await client.query('SELECT pg_advisory_xact_lock($1)', [CREATION_LOCK]);
    // Another session may have made them while this one waited.
    const statements = await missingTypes(client, schema, from);
    for (const statement of statements) await client.query(statement);
    if (own) await client.query('COMMIT');
    return statements.length;
  } catch (error) {
    if (own) await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

/** The statements that `createTypes` would run now. */
export async function missingTypes(client: Client, schema: TableSchema, from: TableSchema | null): Promise<readonly string[]> {
  const { types } = schema;
  const schemas = [...new Set([schema.id.schema, ...types.map((type) => type.schema)])];
  const existing = await client.query<{ name: string }>(
    'SELECT nspname::text AS name FROM pg_catalog.pg_namespace WHERE nspname = ANY ($1::text[])',
    [schemas],
  );
  const there = new Set(existing.rows.map(({ name }) => name));
  const statements = schemas.filter((name) => !there.has(name)).map((name) => `CREATE SCHEMA ${quoteIdentifier(name)}`);
  if (types.length === 0) return statements;
  const found = await readTypes(client, types);
  for (const type of types) {
    const present = found.find(({ schema: namespace, name }) => namespace === type.schema && name === type.name);
    if (present === undefined) statements.push(type.create);
    else if (type.kind === 'enum')
      statements.push(...addLabels(withPresentNames(type, present.labels ?? [], from), present.labels ?? []));
  }
  return statements;
}

async function readTypes(client: Client, types: readonly TypeDefinition[]): Promise<readonly z.infer<typeof typeRow>[]> {
  const { rows } = await client.query(
    `SELECT n.nspname::text AS schema, t.typname::text AS name,
            (SELECT array_agg(l.enumlabel::text ORDER BY l.enumsortorder) FROM pg_catalog.pg_enum l WHERE l.enumtypid = t.oid) AS labels
     FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
     WHERE (n.nspname::text, t.typname::text) IN (SELECT * FROM unnest($1::text[], $2::text[]))`,
    [types.map(({ schema }) => schema), types.map(({ name }) => name)],
  );
  return z.array(typeRow).parse(rows);
}
