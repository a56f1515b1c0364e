import { displayTable } from '@millrace/codec/table-key.js';
import type { TableId } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { quoteTable } from '@millrace/postgres/quote-identifier.js';
import type { Client } from 'pg';
import { z } from 'zod';
import { numberedName } from './create-table.js';

/** pg_class.relkind in words; PostgreSQL manual, "pg_class". */
const KINDS = {
  v: 'a view',
  m: 'a materialized view',
  f: 'a foreign table',
  S: 'a sequence',
  i: 'an index',
  I: 'an index',
  c: 'a type',
} as const;

const relationRow = z.object({ oid: z.int(), kind: z.enum(['r', 'p', 'v', 'm', 'f', 'S', 'i', 'I', 'c']) });

/** Whatever has a table's name in the target. */
export type Relation = z.output<typeof relationRow>;

const RELATIONS = `
  SELECT c.oid, c.relkind::text AS kind
  FROM unnest($1::text[], $2::text[]) WITH ORDINALITY w(schema, name, place)
  LEFT JOIN (pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace) ON n.nspname = w.schema AND c.relname = w.name
  ORDER BY w.place`;

/** What has these names in the target, in their order; null where nothing has. One question for all. */
export async function findRelations(client: Client, ids: readonly TableId[]): Promise<readonly (Relation | null)[]> {
  const { rows } = await client.query(RELATIONS, [ids.map(({ schema }) => schema), ids.map(({ table }) => table)]);
  return z.array(z.union([relationRow, z.object({ oid: z.null() }).transform(() => null)])).parse(rows);
}

/**
 * The relation's oid; null where there is none.
 * @throws MillraceError TARGET_NOT_A_TABLE where something else has the table's name.
 */
export function tableOid(id: TableId, relation: Relation | null): number | null {
  if (relation === null) return null;
  const { oid, kind } = relation;
  if (kind === 'r' || kind === 'p') return oid;
  throw new MillraceError('TARGET_NOT_A_TABLE', { table: displayTable(id), kind: KINDS[kind] });
}

/**
 * The table's oid in the target; null where it is not there.
 * @throws MillraceError TARGET_NOT_A_TABLE where something else has its name.
 */
export async function findTable(client: Client, id: TableId): Promise<number | null> {
  const [relation = null] = await findRelations(client, [id]);
  return tableOid(id, relation);
}

export async function isEmpty(client: Client, id: TableId): Promise<boolean> {
  const { rows } = await client.query<{ empty: boolean }>(`SELECT NOT EXISTS (SELECT FROM ${quoteTable(id)}) AS empty`);
  return rows[0]?.empty === true;
}

/** The name, or the first of `name_1`, `name_2` … that no relation of the schema has. */
export async function freeRelationName(client: Client, schema: string, name: string): Promise<string> {
  for (let number = 0; ; number++) {
    const candidate = numberedName(name, number);
    const [taken = null] = await findRelations(client, [{ schema, table: candidate }]);
    if (taken === null) return candidate;
  }
}
