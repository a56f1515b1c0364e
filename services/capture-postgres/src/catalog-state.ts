import { tableKey } from '@millrace/codec/table-key.js';
import type { TableSelector } from '@millrace/contract/capture.js';
import type { TableId } from '@millrace/contract/table.js';
import type { Client } from 'pg';
import { listTables } from './catalog/list-tables.js';
import { partitionTree } from './catalog/partition-tree.js';
import { type LsnKey, parseLsn } from './lsn.js';
import { queryError } from './query-error.js';
import { selectTables } from './selection.js';

/** A relation that holds rows of a selected table: the table itself, or a leaf of a partitioned one. */
export interface StoredRelation {
  readonly oid: number;
  /** A leaf that CREATE TABLE … PARTITION OF made: it was empty when it came, unlike one that was attached. */
  readonly createdInPlace: boolean;
}

/** A selected table as the catalogue has it now, down to what tells that something about it changed. */
export interface TableState {
  readonly id: TableId;
  readonly oid: number;
  readonly partitioned: boolean;
  readonly relations: ReadonlyMap<number, StoredRelation>;
  /**
   * Two states of a table with the same stamp are the same state: it holds the catalogue rows' own transaction ids, what publishes the
   * table, and whether the role may publish it.
   */
  readonly stamp: string;
}

export interface CatalogState {
  /** By the table's (the root's) oid, in load order. */
  readonly tables: ReadonlyMap<number, TableState>;
  /** Keys of everything that stands for itself in the catalogue, selected or not: all but partitions. */
  readonly names: ReadonlySet<string>;
  /** Changes with user-defined types: enum labels, domains, composites. */
  readonly typesStamp: string;
  readonly stamp: string;
}

interface RelationRow {
  readonly root: number;
  readonly schema: string;
  readonly table: string;
  readonly partitioned: boolean;
  readonly oid: number;
  readonly kind: string;
  readonly in_place: boolean;
  readonly stamp: string;
}

// A leaf that was created as one has its pg_inherits row by the same transaction as its first catalogue rows (tableoid's, attnum -6, is
// never updated) and two commands later; ATTACH is another transaction's, or comes more commands later.
const CREATED_IN_PLACE =
  'coalesce(inherits.xmin = own.xmin AND inherits.cmin::text::int8 - own.cmin::text::int8 BETWEEN 0 AND 2, false)';

const RELATIONS = `
  WITH root AS (
    SELECT c.oid, n.nspname, c.relname, c.relkind
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p') AND (n.nspname::text, c.relname::text) IN (SELECT * FROM unnest($1::text[], $2::text[]))
  ), member AS (
    SELECT oid AS root, oid AS relation FROM root
    UNION
    SELECT root.oid, part.oid FROM root CROSS JOIN LATERAL ${partitionTree('root.oid')} part WHERE root.relkind = 'p'
  ), attributes AS (
    SELECT attrelid, md5(string_agg(attnum || ':' || xmin, ',' ORDER BY attnum)) AS stamp
      FROM pg_attribute WHERE attnum > 0 AND attrelid >= 16384 GROUP BY attrelid
  ), indexes AS (
    SELECT i.indrelid, string_agg(i.indexrelid || ':' || i.xmin || ':' || coalesce(k.xmin::text, ''), ',' ORDER BY i.indexrelid) AS stamp
      FROM pg_index i LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid
     WHERE i.indrelid >= 16384 AND (i.indisprimary OR i.indisreplident) GROUP BY i.indrelid
  ), published AS (
    SELECT prrelid, string_agg(oid::text, ',' ORDER BY oid) AS stamp FROM pg_publication_rel GROUP BY prrelid
  )
  SELECT member.root, root.nspname AS schema, root.relname AS "table", root.relkind = 'p' AS partitioned,
         c.oid, c.relkind::text AS kind,
         ${CREATED_IN_PLACE} AS in_place,
         concat_ws('/', c.oid, c.relnamespace, c.relname, c.relfilenode, c.relreplident, inherits.xmin, attributes.stamp, indexes.stamp,
           pg_has_role(c.relowner, 'USAGE'), published.stamp) AS stamp
    FROM member
    JOIN root ON root.oid = member.root
    JOIN pg_class c ON c.oid = member.relation
    LEFT JOIN pg_inherits inherits ON c.relispartition AND inherits.inhrelid = c.oid
    LEFT JOIN pg_attribute own ON own.attrelid = c.oid AND own.attnum = -6
    LEFT JOIN attributes ON attributes.attrelid = c.oid
    LEFT JOIN indexes ON indexes.indrelid = c.oid
    LEFT JOIN published ON published.prrelid = c.oid
   ORDER BY member.root, c.oid`;

const TYPES = `
  SELECT concat_ws('/',
    (SELECT md5(string_agg(oid || ':' || xmin, ',' ORDER BY oid)) FROM pg_enum),
    (SELECT md5(string_agg(oid || ':' || xmin, ',' ORDER BY oid)) FROM pg_type WHERE oid >= 16384 AND typtype IN ('d', 'e', 'r')),
    (SELECT md5(string_agg(oid || ':' || xmin, ',' ORDER BY oid)) FROM pg_constraint WHERE contypid <> 0 AND oid >= 16384)) AS stamp`;

/** The selected tables as the catalogue has them, as the client's transaction sees them. */
export async function readCatalogState(client: Client, selector: TableSelector): Promise<CatalogState> {
  const all = await listTables(client);
  const selected = selectTables(all, selector);
  const names = new Set(all.filter(({ kind }) => kind !== 'partition').map(({ id }) => tableKey(id)));
  try {
    const { rows } = await client.query<RelationRow>(RELATIONS, [
      selected.map(({ schema }) => schema),
      selected.map(({ table }) => table),
    ]);
    const types = await client.query<{ stamp: string | null }>(TYPES);
    return { ...stateOf(rows, types.rows[0]?.stamp ?? ''), names };
  } catch (cause) {
    throw queryError(cause, 'watching the catalogue');
  }
}

function stateOf(rows: readonly RelationRow[], typesStamp: string): Omit<CatalogState, 'names'> {
  const tables = new Map<number, TableState>();
  const groups = new Map<number, RelationRow[]>();
  for (const row of rows) {
    const members = groups.get(row.root);
    if (members === undefined) groups.set(row.root, [row]);
    else members.push(row);
  }
  for (const [oid, members] of groups) {
    const [first] = members;
    if (first === undefined) continue;
    const stored = members.filter(({ kind }) => kind === 'r');
    tables.set(oid, {
      id: { schema: first.schema, table: first.table },
      oid,
      partitioned: first.partitioned,
      relations: new Map(stored.map((row) => [row.oid, { oid: row.oid, createdInPlace: row.in_place }])),
      stamp: members.map(({ stamp }) => stamp).join('\n'),
    });
  }
  return { tables, typesStamp, stamp: [typesStamp, ...[...tables.values()].map(({ stamp }) => stamp)].join('\n') };
}

export interface Leaf {
  /** The root's oid. */
  readonly root: number;
  readonly createdInPlace: boolean;
}

/** Where a partition belongs; null: it is none. */
export async function readLeaf(client: Client, oid: number): Promise<Leaf | null> {
  try {
    const { rows } = await client.query<Leaf>(
      `SELECT pg_partition_root(c.oid)::oid AS root, ${CREATED_IN_PLACE} AS "createdInPlace"
         FROM pg_class c
         LEFT JOIN pg_inherits inherits ON inherits.inhrelid = c.oid
         LEFT JOIN pg_attribute own ON own.attrelid = c.oid AND own.attnum = -6
        WHERE c.oid = $1 AND c.relispartition`,
      [oid],
    );
    return rows[0] ?? null;
  } catch (cause) {
    throw queryError(cause, 'watching the catalogue');
  }
}

/** Where the source's log ends now: everything that is visible now was written before. */
export async function readLogEnd(client: Client): Promise<LsnKey> {
  const { rows } = await client.query<{ lsn: string }>(
    'SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END::text AS lsn',
  );
  return parseLsn(rows[0]?.lsn ?? '');
}
