import type { Client } from 'pg';
import { z } from 'zod';

/** A column of a target table as its catalogue has it. */
export interface PresentColumn {
  readonly name: string;
  /** As format_type prints it: comparable with a ColumnSchema's declaration. */
  readonly declaration: string;
  /** The type's own name, a domain's base type in the end, with the length or precision that holds for the column. */
  readonly base: string;
  readonly notNull: boolean;
  readonly hasDefault: boolean;
  readonly generated: boolean;
  /** Of the default, or of the generated column, as pg_get_expr prints it. */
  readonly expression: string | null;
  readonly identity: '' | 'a' | 'd';
  /** In DDL form where it is not the type's own; null otherwise. */
  readonly collation: string | null;
  readonly enumLabels: readonly string[] | null;
}

/** A target table as its catalogue has it. */
export interface PresentTable {
  readonly oid: number;
  readonly columns: readonly PresentColumn[];
  readonly primaryKey: { readonly name: string; readonly columns: readonly string[] } | null;
}

const COLUMNS = `
  WITH RECURSIVE base AS (
    SELECT a.attrelid, a.attnum, a.atttypid AS type, a.atttypmod AS modifier FROM pg_catalog.pg_attribute a
    WHERE a.attrelid = ANY ($1) AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT b.attrelid, b.attnum, t.typbasetype, t.typtypmod FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.type WHERE t.typtype = 'd'
  )
  SELECT a.attrelid AS table, a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS declaration, format_type(b.type, b.modifier) AS base,
         a.attnotnull AS "notNull", a.atthasdef AS "hasDefault", a.attgenerated <> '' AS generated,
         pg_get_expr(d.adbin, d.adrelid) AS expression, a.attidentity::text AS identity,
         (SELECT quote_ident(cn.nspname) || '.' || quote_ident(co.collname) FROM pg_catalog.pg_collation co
            JOIN pg_catalog.pg_namespace cn ON cn.oid = co.collnamespace
            WHERE co.oid = a.attcollation AND a.attcollation <> own.typcollation) AS collation,
         (SELECT array_agg(l.enumlabel::text ORDER BY l.enumsortorder) FROM pg_catalog.pg_enum l WHERE l.enumtypid = b.type) AS "enumLabels"
  FROM pg_catalog.pg_attribute a
  JOIN pg_catalog.pg_type own ON own.oid = a.atttypid
  LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  JOIN base b ON b.attrelid = a.attrelid AND b.attnum = a.attnum
  JOIN pg_catalog.pg_type t ON t.oid = b.type AND t.typtype <> 'd'
  WHERE a.attrelid = ANY ($1) ORDER BY a.attrelid, a.attnum`;

const KEYS = `
  SELECT k.conrelid AS table, k.conname::text AS name,
         (SELECT array_agg(a.attname::text ORDER BY place) FROM unnest(k.conkey) WITH ORDINALITY c(attnum, place)
            JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = c.attnum) AS columns
  FROM pg_catalog.pg_constraint k WHERE k.conrelid = ANY ($1) AND k.contype = 'p'`;

const columnRow = z.object({
  table: z.int(),
  name: z.string(),
  declaration: z.string(),
  base: z.string(),
  notNull: z.boolean(),
  hasDefault: z.boolean(),
  generated: z.boolean(),
  expression: z.string().nullable(),
  identity: z.enum(['', 'a', 'd']),
  collation: z.string().nullable(),
  enumLabels: z.array(z.string()).nullable(),
});

const keyRow = z.object({ table: z.int(), name: z.string(), columns: z.array(z.string()) });

/** What the catalogue says of tables that are there, by their oid; one question for all. */
export async function readPresentTables(client: Client, oids: readonly number[]): Promise<ReadonlyMap<number, PresentTable>> {
  const columnRows = z.array(columnRow).parse((await client.query(COLUMNS, [oids])).rows);
  const keyRows = z.array(keyRow).parse((await client.query(KEYS, [oids])).rows);
  const columns = new Map<number, PresentColumn[]>(oids.map((oid) => [oid, []]));
  for (const { table, ...column } of columnRows) columns.get(table)?.push(column);
  const keys = new Map(keyRows.map(({ table, ...key }) => [table, key]));
  return new Map([...columns].map(([oid, own]) => [oid, { oid, columns: own, primaryKey: keys.get(oid) ?? null }]));
}

export async function readPresentTable(client: Client, oid: number): Promise<PresentTable> {
  return (await readPresentTables(client, [oid])).get(oid) ?? { oid, columns: [], primaryKey: null };
}
