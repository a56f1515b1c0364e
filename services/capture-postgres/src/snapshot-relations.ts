import type { TableId, TableSchema } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { quoteTable } from '@millrace/postgres/quote-identifier.js';
import type { Client } from 'pg';
import type { RelationStatistics } from './chunk-plan.js';

/** A relation that stores rows of a table: the table itself, or one leaf of a partitioned table. */
export interface StoredRelation {
  readonly oid: number;
  readonly schema: string;
  readonly table: string;
  readonly filenode: number;
  readonly columns: readonly { readonly ordinal: number; readonly name: string; readonly type: number }[];
}

const COLUMNS = `(
  SELECT coalesce(json_agg(json_build_object('ordinal', a.attnum, 'name', a.attname, 'type', a.atttypid::int8) ORDER BY a.attnum), '[]')
  FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)`;

// pg_inherits instead of pg_partition_tree: a plain catalogue read sees the snapshot, the function the present.
const RELATIONS = `
  WITH RECURSIVE tree AS (
    SELECT c.oid, c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p')
    UNION ALL
    SELECT c.oid, c.relkind FROM tree JOIN pg_inherits i ON i.inhparent = tree.oid AND tree.relkind = 'p' JOIN pg_class c ON c.oid = i.inhrelid
  )
  SELECT c.oid, n.nspname AS schema, c.relname AS "table", c.relkind::text AS kind, c.relfilenode AS filenode, ${COLUMNS} AS columns
  FROM tree JOIN pg_class c ON c.oid = tree.oid JOIN pg_namespace n ON n.oid = c.relnamespace
  ORDER BY c.oid`;

/** The relations that store the table's rows, by oid, as the client's snapshot sees them; 'unknown' where it sees no such table. */
export async function storedRelations(client: Client, table: TableId): Promise<readonly StoredRelation[] | 'unknown'> {
  const { rows } = await client.query<StoredRelation & { readonly kind: string }>(RELATIONS, [table.schema, table.table]);
  return rows.length === 0 ? 'unknown' : rows.filter(({ kind }) => kind === 'r');
}

/** A relation by its name, as it is now; the caller holds a lock on it. */
export async function relationByName(client: Client, relation: StoredRelation): Promise<StoredRelation | undefined> {
  const { rows } = await client.query<StoredRelation>(
    `SELECT c.oid, n.nspname AS schema, c.relname AS "table", c.relfilenode AS filenode, ${COLUMNS} AS columns
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2`,
    [relation.schema, relation.table],
  );
  return rows[0];
}

/**
 * A rewrite or TRUNCATE after the snapshot makes an old snapshot read the table as empty, and a renamed table or column makes it read
 * something else: neither raises an error in PostgreSQL (manual, 13.6 Caveats).
 * @throws MillraceError TABLE_REWRITTEN
 */
export function checkUnchanged(table: TableSchema, before: StoredRelation, now: StoredRelation | undefined): void {
  const change = changeOf(before, now, table);
  if (change !== null) {
    throw new MillraceError('TABLE_REWRITTEN', {
      table: `${table.id.schema}.${table.id.table}`,
      change: `${quoteTable(before)}: ${change}`,
    });
  }
}

function changeOf(before: StoredRelation, now: StoredRelation | undefined, table: TableSchema): string | null {
  if (now === undefined) return 'it was dropped or renamed';
  if (now.oid !== before.oid) return 'another table has its name now';
  if (now.filenode !== before.filenode) return 'it was rewritten or truncated';
  for (const { name } of table.columns) {
    const old = before.columns.find((column) => column.name === name);
    const same = now.columns.some(
      (column) => column.name === name && column.ordinal === old?.ordinal && column.type === old.type,
    );
    if (!same) return `its column ${name} was dropped, renamed or given another type`;
  }
  return null;
}

/**
 * A unique or exclusion constraint beside the primary key. Rows of different snapshots together may violate it though each snapshot does
 * not, so chunks of such a table make sense only beside others of their own.
 */
export async function hasOtherUniqueness(client: Client, relation: StoredRelation): Promise<boolean> {
  const { rowCount } = await client.query(
    'SELECT FROM pg_index WHERE indrelid = $1 AND (indisunique OR indisexclusion) AND NOT indisprimary LIMIT 1',
    [relation.oid],
  );
  return rowCount === 1;
}

interface StatisticsRow {
  readonly pages: number;
  readonly bytes: string;
  readonly rows: number;
  readonly correlation: number | null;
  readonly most_common: number | null;
}

/** Sizes are those of the files now, 0 where they are gone; statistics those of the last ANALYZE. */
export async function relationStatistics(
  client: Client,
  relation: StoredRelation,
  keyColumn: string | null,
): Promise<RelationStatistics> {
  const { rows } = await client.query<StatisticsRow>(
    `SELECT coalesce(pg_relation_size(c.oid) / current_setting('block_size')::int8, 0)::int4 AS pages, coalesce(pg_table_size(c.oid), 0) AS bytes,
            c.reltuples::float8 AS rows, s.correlation::float8 AS correlation,
            CASE WHEN s.attname IS NOT NULL THEN coalesce(s.most_common_freqs[1], 0)::float8 END AS most_common
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     LEFT JOIN pg_stats s ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = $2 AND NOT s.inherited
     WHERE c.oid = $1`,
    [relation.oid, keyColumn],
  );
  const row = rows[0];
  return row === undefined
    ? { pages: 0, bytes: 0, rows: 0, correlation: null, mostCommon: null }
    : { pages: row.pages, bytes: Number(row.bytes), rows: row.rows, correlation: row.correlation, mostCommon: row.most_common };
}

export interface DatabaseFacts {
  readonly version: number;
  /** What the server compares as bytes are the bytes that the client sees. */
  readonly utf8: boolean;
  /** The database's default collation is C. */
  readonly bytewiseDefault: boolean;
}

export async function databaseFacts(client: Client): Promise<DatabaseFacts> {
  // datlocprovider came with PostgreSQL 15; where an ICU or built-in provider rules, datcollate does not.
  const { rows } = await client.query<{ readonly version: number; readonly utf8: boolean; readonly c: boolean }>(
    `SELECT current_setting('server_version_num')::int4 AS version, pg_encoding_to_char(d.encoding) = 'UTF8' AS utf8,
            d.datcollate IN ('C', 'POSIX') AND coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') = 'c' AS c
     FROM pg_database d WHERE d.datname = current_database()`,
  );
  const row = rows[0];
  return { version: row?.version ?? 0, utf8: row?.utf8 ?? false, bytewiseDefault: row?.c ?? false };
}
