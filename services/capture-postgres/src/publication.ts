import { displayTable, tableKey } from '@millrace/codec/table-key.js';
import type { TableId } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { quoteIdentifier, quoteTable } from '@millrace/postgres/quote-identifier.js';
import type { Client } from 'pg';
import { queryError } from './query-error.js';

/** What a publication of Millrace's carries: all changes, or only those that need no old row to be named. */
export type PublishedChanges = 'all' | 'inserts';

/**
 * Partitions are published as themselves and named as their root here: under `publish_via_partition_root` the TRUNCATE of a
 * single partition would not be in the stream. ONLY keeps children in an inheritance tree apart from their parent.
 */
const PUBLISH = {
  all: "publish = 'insert, update, delete, truncate', publish_via_partition_root = false",
  inserts: "publish = 'insert, truncate', publish_via_partition_root = false",
} as const satisfies Record<PublishedChanges, string>;

/**
 * A table's place in a publication changes under SHARE UPDATE EXCLUSIVE, for which VACUUM and CREATE INDEX CONCURRENTLY may let wait for
 * hours. Below the server's default deadlock_timeout (1 s), so that it is never the other one that is ended.
 */
const SHORT_WAIT = `SET LOCAL lock_timeout = '500ms'`;

/** The tables that a publication names, not their partitions; null: there is no such publication. */
export async function readPublication(client: Client, name: string): Promise<readonly TableId[] | null> {
  const { rows } = await client.query<{ schema: string | null; table: string | null }>(
    `SELECT n.nspname AS schema, c.relname AS table
       FROM pg_catalog.pg_publication p
       LEFT JOIN pg_catalog.pg_publication_rel r ON r.prpubid = p.oid
       LEFT JOIN pg_catalog.pg_class c ON c.oid = r.prrelid
       LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE p.pubname = $1`,
    [name],
  );
  if (rows.length === 0) return null;
  return rows.flatMap(({ schema, table }) => (schema === null || table === null ? [] : [{ schema, table }]));
}

/** The comment that says that a publication is Millrace's: only such a one is changed or dropped. */
const MARK = 'Made by Millrace, and dropped by "millrace remove".';

/** Makes an empty publication, with its mark in the same transaction. */
export async function createPublication(client: Client, name: string, changes: PublishedChanges): Promise<void> {
  const publication = quoteIdentifier(name);
  await run(
    client,
    `CREATE PUBLICATION ${publication} WITH (${PUBLISH[changes]}); COMMENT ON PUBLICATION ${publication} IS ${client.escapeLiteral(MARK)}`,
    `creating the publication "${name}"`,
  );
}

/** Whether Millrace made the publication; null: there is none of this name. */
export async function isMarked(client: Client, name: string): Promise<boolean | null> {
  const { rows } = await client.query<{ mark: string | null }>(
    `SELECT obj_description(oid, 'pg_publication') AS mark FROM pg_catalog.pg_publication WHERE pubname = $1`,
    [name],
  );
  const [row] = rows;
  return row === undefined ? null : row.mark === MARK;
}

/** @throws MillraceError SOURCE_TABLE_LOCKED where somebody's lock on one of them stands in the way */
export async function addToPublication(client: Client, name: string, tables: readonly TableId[]): Promise<void> {
  await run(
    client,
    `${SHORT_WAIT}; ALTER PUBLICATION ${quoteIdentifier(name)} ADD TABLE ${listOf(tables)}`,
    `adding tables to the publication "${name}"`,
  );
}

/** @throws MillraceError SOURCE_TABLE_LOCKED */
export async function removeFromPublication(client: Client, name: string, tables: readonly TableId[]): Promise<void> {
  await run(
    client,
    `${SHORT_WAIT}; ALTER PUBLICATION ${quoteIdentifier(name)} DROP TABLE ${listOf(tables)}`,
    `removing tables from the publication "${name}"`,
  );
}

/** Drops a publication that Millrace made; false: there is none of this name, or it is somebody else's. */
export async function dropPublication(client: Client, name: string): Promise<boolean> {
  if ((await isMarked(client, name)) !== true) return false;
  await run(client, `DROP PUBLICATION IF EXISTS ${quoteIdentifier(name)}`, `dropping the publication "${name}"`);
  return true;
}

/**
 * A publication that somebody else made is used as it is, so it has to publish every change of every table, whole.
 * @throws MillraceError PUBLICATION_MISSING, PUBLICATION_INCOMPLETE
 */
export async function checkForeignPublication(client: Client, name: string, tables: readonly TableId[]): Promise<void> {
  const { rows } = await client.query<{ insert: boolean; update: boolean; delete: boolean; truncate: boolean }>(
    'SELECT pubinsert AS insert, pubupdate AS update, pubdelete AS delete, pubtruncate AS truncate FROM pg_catalog.pg_publication WHERE pubname = $1',
    [name],
  );
  const [actions] = rows;
  if (actions === undefined) throw new MillraceError('PUBLICATION_MISSING', { reason: `there is no publication "${name}"` });
  const unpublished = Object.entries(actions).flatMap(([action, published]) => (published ? [] : [`${action}s`]));
  if (unpublished.length > 0)
    throw new MillraceError('PUBLICATION_INCOMPLETE', { publication: name, missing: unpublished.join(', ') });
  const missing = without(tables, await publishedRoots(client, name));
  if (missing.length > 0) {
    throw new MillraceError('PUBLICATION_INCOMPLETE', { publication: name, missing: missing.map(displayTable).join(', ') });
  }
}

/** Tables that the publication carries whole (no row filter, no column list: PostgreSQL 15+), a partition under its root. */
export async function publishedRoots(client: Client, name: string): Promise<readonly TableId[]> {
  const { rows } = await client.query<TableId>(
    `SELECT DISTINCT n.nspname AS schema, c.relname AS table
       FROM pg_catalog.pg_publication_tables t
       JOIN pg_catalog.pg_publication p ON p.pubname = t.pubname
       JOIN pg_catalog.pg_namespace tn ON tn.nspname = t.schemaname
       JOIN pg_catalog.pg_class tc ON tc.relnamespace = tn.oid AND tc.relname = t.tablename
       JOIN pg_catalog.pg_class c ON c.oid = CASE WHEN tc.relispartition THEN pg_catalog.pg_partition_root(tc.oid)::oid ELSE tc.oid END
       JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE t.pubname = $1
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_publication_rel r WHERE r.prpubid = p.oid AND r.prrelid IN (tc.oid, c.oid)
                           AND (to_jsonb(r) ->> 'prqual' IS NOT NULL OR to_jsonb(r) ->> 'prattrs' IS NOT NULL))`,
    [name],
  );
  return rows;
}

function without(tables: readonly TableId[], others: readonly TableId[]): readonly TableId[] {
  const keys = new Set(others.map(tableKey));
  return tables.filter((table) => !keys.has(tableKey(table)));
}

function listOf(tables: readonly TableId[]): string {
  return tables.map((table) => `ONLY ${quoteTable(table)}`).join(', ');
}

async function run(client: Client, statement: string, doing: string): Promise<void> {
  try {
    await client.query(statement);
  } catch (cause) {
    throw queryError(cause, doing);
  }
}
