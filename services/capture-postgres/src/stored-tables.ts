import type { TableId, TableSchema } from '@millrace/contract/table.js';
import type { Client } from 'pg';
import { type DescribedTable, describeTables, describeTablesByOid } from './catalog/describe-tables.js';
import { missingValues, partitionTree } from './catalog/partition-tree.js';
import { queryError } from './query-error.js';
import { formatStorageNote, type RelationNote, type StorageNote } from './storage-note.js';

/** A table as the catalogue has it, its schema with the note on its storage. */
export interface StoredTable {
  readonly oid: number;
  readonly schema: TableSchema;
  readonly note: StorageNote;
}

/** In the order asked for; a table that is not there is missing. @param publications what the notes tell a table's membership of */
export function readTables(
  client: Client,
  ids: readonly TableId[],
  publications: readonly string[],
): Promise<readonly StoredTable[]> {
  return read(client, publications, () => describeTables(client, ids));
}

export function readTablesByOid(
  client: Client,
  oids: readonly number[],
  publications: readonly string[],
): Promise<readonly StoredTable[]> {
  return read(client, publications, () => describeTablesByOid(client, oids));
}

async function read(
  client: Client,
  publications: readonly string[],
  describe: () => Promise<readonly DescribedTable[]>,
): Promise<readonly StoredTable[]> {
  try {
    // One view for schema and storage, so that a note always belongs to its version.
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const described = await describe();
    const oids = described.map(({ oid }) => oid);
    const notes = await readNotes(client, oids);
    const memberships = await readMemberships(client, oids, publications);
    await client.query('COMMIT');
    return described.map(({ oid, schema }) => {
      const relations = notes.get(oid) ?? new Map<number, RelationNote>();
      const note = { oid, awaiting: null, membership: memberships.get(oid) ?? '', relations };
      return { oid, note, schema: { ...schema, storage: formatStorageNote(note) } };
    });
  } catch (cause) {
    // A ROLLBACK that fails too has lost its session with its transaction.
    await client.query('ROLLBACK').catch(() => undefined);
    throw queryError(cause, 'reading the catalogue');
  }
}

/** By table oid, by relation oid. A table with leaves has its rows in them alone. */
async function readNotes(client: Client, tables: readonly number[]): Promise<ReadonlyMap<number, Map<number, RelationNote>>> {
  const { rows } = await client.query<{
    table: number;
    relation: number;
    filenode: number;
    written_by: readonly (string | null)[] | null;
  }>(
    `SELECT asked.oid AS table, c.oid AS relation, c.relfilenode AS filenode,
            (SELECT array_agg(CASE WHEN a.attisdropped OR a.attgenerated <> '' THEN NULL ELSE a.xmin::text END ORDER BY a.attnum)
               FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0) AS written_by
       FROM pg_class asked
       CROSS JOIN LATERAL (SELECT asked.oid WHERE asked.relkind = 'r'
                           UNION ALL SELECT part.oid FROM ${partitionTree('asked.oid')} part WHERE asked.relkind = 'p') member(oid)
       JOIN pg_class c ON c.oid = member.oid AND c.relkind = 'r'
      WHERE asked.oid = ANY ($1::oid[])`,
    [tables],
  );
  const notes = new Map<number, Map<number, RelationNote>>();
  for (const { table, relation, filenode, written_by } of rows) {
    const own = notes.get(table) ?? new Map<number, RelationNote>();
    notes.set(table, own.set(relation, { filenode, writtenBy: written_by ?? [] }));
  }
  return notes;
}

/** By table oid: the oids of the publications' entries for it. An entry that is made anew has another. */
async function readMemberships(
  client: Client,
  tables: readonly number[],
  publications: readonly string[],
): Promise<ReadonlyMap<number, string>> {
  const { rows } = await client.query<{ table: number; membership: string }>(
    `SELECT r.prrelid AS table, string_agg(r.oid::text, ',' ORDER BY r.oid) AS membership
       FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
      WHERE r.prrelid = ANY ($1::oid[]) AND p.pubname = ANY ($2::text[]) GROUP BY r.prrelid`,
    [tables, publications],
  );
  return new Map(rows.map(({ table, membership }) => [table, membership]));
}

/** A relation's columns as the catalogue has them now, dropped ones included; none where the relation is gone. */
export async function readAttributes(client: Client, oid: number): Promise<readonly StoredAttribute[]> {
  try {
    const { rows } = await client.query<StoredAttribute>(
      `WITH ${missingValues('ARRAY[$1::oid]')}
       SELECT a.attnum AS ordinal, CASE WHEN a.attisdropped THEN NULL ELSE a.attname::text END AS name,
              CASE WHEN a.attisdropped THEN NULL ELSE format_type(a.atttypid, a.atttypmod) END AS declaration, missing.value AS "missingValue"
         FROM pg_attribute a LEFT JOIN missing ON missing.ordinal = a.attnum
        WHERE a.attrelid = $1 AND a.attnum > 0 ORDER BY a.attnum`,
      [oid],
    );
    return rows;
  } catch (cause) {
    throw queryError(cause, 'reading the catalogue');
  }
}

export interface StoredAttribute {
  readonly ordinal: number;
  /** Null: dropped, and with it the declaration and the value that older rows showed. */
  readonly name: string | null;
  readonly declaration: string | null;
  /** What rows from before the column show in it; null: null, or they were rewritten since. */
  readonly missingValue: string | null;
}
