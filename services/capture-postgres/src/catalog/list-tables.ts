import type { SourceTable } from '@millrace/contract/capture.js';
import type { Client } from 'pg';
import { queryError } from '../query-error.js';

interface ListedRow {
  readonly schema: string;
  readonly table: string;
  readonly kind: string;
  readonly persistence: string;
  readonly partition: boolean;
  readonly root_schema: string | null;
  readonly root_table: string | null;
}

const LIST = `
  SELECT n.nspname AS schema, c.relname AS "table", c.relkind::text AS kind, c.relpersistence::text AS persistence,
         c.relispartition AS partition, rn.nspname AS root_schema, r.relname AS root_table
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_class r ON c.relispartition AND r.oid = pg_partition_root(c.oid)
  LEFT JOIN pg_namespace rn ON rn.oid = r.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
  ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C"`;

/**
 * Everything in the source's catalogue that a table selection could name, ordered by schema and name.
 * @throws MillraceError SOURCE_CONNECTION_LOST, SOURCE_QUERY_FAILED
 */
export async function listTables(client: Client): Promise<readonly SourceTable[]> {
  try {
    const { rows } = await client.query<ListedRow>(LIST);
    return rows.map(toSourceTable);
  } catch (cause) {
    throw queryError(cause, 'listing the tables');
  }
}

function toSourceTable(row: ListedRow): SourceTable {
  const { root_schema: schema, root_table: table } = row;
  return {
    id: { schema: row.schema, table: row.table },
    kind: kindOf(row),
    root: schema === null || table === null ? null : { schema, table },
  };
}

function kindOf(row: ListedRow): SourceTable['kind'] {
  // `millrace` holds the service's own tables where the source is another task's target.
  if (/^(pg_catalog|information_schema|pg_toast|millrace)$/.test(row.schema)) return 'system';
  if (row.persistence === 't') return 'temporary';
  if (row.kind === 'v') return 'view';
  if (row.kind === 'm') return 'materialized-view';
  if (row.partition) return 'partition';
  if (row.kind === 'f') return 'foreign';
  if (row.persistence === 'u') return 'unlogged';
  return row.kind === 'p' ? 'partitioned' : 'table';
}
