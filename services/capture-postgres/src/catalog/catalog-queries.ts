import type { Client } from 'pg';
import { missingValues, partitionTree } from './partition-tree.js';

/** A leaf's own replica identity: what the log says about old rows is decided by the relation that stores them. */
export interface StoredIdentity {
  /** 'n' also stands for "default without a usable key" and for a dropped replica identity index. */
  readonly effective: 'd' | 'i' | 'f' | 'n';
  readonly columns: readonly string[];
}

export interface TableRow {
  readonly oid: number;
  readonly schema: string;
  readonly table: string;
  readonly kind: 'r' | 'p';
  readonly filenode: number;
  readonly key_name: string | null;
  readonly key_columns: readonly string[] | null;
  readonly identities: readonly StoredIdentity[];
}

export interface ColumnRow {
  readonly table_oid: number;
  readonly ordinal: number;
  readonly name: string;
  readonly type_oid: number;
  readonly modifier: number;
  readonly declaration: string;
  readonly not_null: boolean;
  readonly identity: '' | 'a' | 'd';
  readonly generated: '' | 's' | 'v';
  readonly expression: string | null;
  readonly serial: boolean;
  readonly missing: string | null;
  readonly collation: string | null;
}

export interface TypeRow {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly kind: 'b' | 'c' | 'd' | 'e' | 'm' | 'p' | 'r';
  /** Element type of a true array, 0 for everything else (int2vector's text is not an array's). */
  readonly element: number;
  readonly extension: string | null;
  /** Domain. */
  readonly base: number;
  readonly base_modifier: number;
  readonly base_declaration: string | null;
  readonly default: string | null;
  readonly not_null: boolean;
  readonly collation: string | null;
  readonly checks: readonly { readonly name: string; readonly definition: string }[] | null;
  readonly labels: readonly string[] | null;
  /** Composite; null where the type is a table's row type, which comes and goes with its table. */
  readonly attributes:
    | readonly { readonly name: string; readonly type: number; readonly declaration: string; readonly collation: string | null }[]
    | null;
  readonly row_type: boolean;
  /** Range, and for a multirange the range that it belongs to. */
  readonly range: {
    readonly of: number;
    readonly subtype: number;
    readonly declaration: string;
    readonly opclass: string | null;
    readonly collation: string | null;
    readonly difference: string | null;
    readonly multirange: string | null;
  } | null;
}

const QUALIFIED = (namespace: string, name: string): string => `quote_ident(${namespace}) || '.' || quote_ident(${name})`;

/** Collation of an attribute or domain in DDL form where it differs from its type's own; null otherwise. */
const COLLATION = (own: string, typeOid: string): string => `(
  SELECT ${QUALIFIED('cn.nspname', 'co.collname')} FROM pg_collation co
  JOIN pg_namespace cn ON cn.oid = co.collnamespace
  WHERE co.oid = ${own} AND ${own} <> (SELECT ct.typcollation FROM pg_type ct WHERE ct.oid = ${typeOid}))`;

/**
 * relcache.c, RelationGetIndexList: the default identity is the primary key, and only where it is not deferrable; an index that was
 * chosen and dropped leaves none.
 */
const IDENTITY = (relation: string): string => `
  SELECT json_build_object(
    'effective', CASE WHEN ${relation}.relreplident = 'f' THEN 'f' WHEN i.indexrelid IS NULL THEN 'n' ELSE ${relation}.relreplident END,
    'columns', coalesce((
      SELECT json_agg(a.attname ORDER BY k.place)
      FROM unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, place)
      JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
      WHERE k.place <= i.indnkeyatts), '[]'::json)) AS identity
  FROM (SELECT 1) one
  LEFT JOIN pg_index i ON i.indrelid = ${relation}.oid AND i.indisvalid AND (
    (${relation}.relreplident = 'd' AND i.indisprimary AND i.indimmediate) OR (${relation}.relreplident = 'i' AND i.indisreplident))`;

const TABLES = `
  SELECT c.oid, n.nspname AS schema, c.relname AS "table", c.relkind::text AS kind, c.relfilenode AS filenode,
         pk.conname AS key_name,
         (SELECT array_agg(a.attname::text ORDER BY k.place)
            FROM unnest(pk.conkey) WITH ORDINALITY k(attnum, place)
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum) AS key_columns,
         CASE WHEN c.relkind = 'r' THEN (SELECT json_agg(own.identity) FROM (${IDENTITY('c')}) own)
              ELSE coalesce((
                SELECT json_agg(leaf.identity)
                FROM ${partitionTree('c.oid')} part
                JOIN pg_class l ON l.oid = part.oid AND l.relkind = 'r'
                CROSS JOIN LATERAL (${IDENTITY('l')}) leaf),
                (SELECT json_agg(own.identity) FROM (${IDENTITY('c')}) own))
         END AS identities
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_constraint pk ON pk.conrelid = c.oid AND pk.contype = 'p'
  WHERE c.relkind IN ('r', 'p') AND `;

const TABLES_BY_OID = `${TABLES} c.oid = ANY ($1::oid[])`;
const TABLES_BY_NAME = `${TABLES} (n.nspname::text, c.relname::text) IN (SELECT * FROM unnest($1::text[], $2::text[]))`;

// A serial column is one whose default is the sequence that belongs to it (pg_depend: 'a' from the sequence to the column).
const COLUMNS = `
  WITH ${missingValues('$1::oid[]')}
  SELECT a.attrelid AS table_oid, a.attnum AS ordinal, a.attname AS name, a.atttypid AS type_oid, a.atttypmod AS modifier,
         format_type(a.atttypid, a.atttypmod) AS declaration, a.attnotnull AS not_null,
         a.attidentity::text AS identity, a.attgenerated::text AS generated,
         CASE WHEN a.atthasdef THEN pg_get_expr(d.adbin, d.adrelid) END AS expression,
         a.atthasdef AND a.attgenerated = '' AND EXISTS (
           SELECT FROM pg_depend uses
           JOIN pg_depend owns ON owns.classid = 'pg_class'::regclass AND owns.objid = uses.refobjid AND owns.deptype = 'a'
             AND owns.refclassid = 'pg_class'::regclass AND owns.refobjid = a.attrelid AND owns.refobjsubid = a.attnum
           WHERE uses.classid = 'pg_attrdef'::regclass AND uses.objid = d.oid AND uses.refclassid = 'pg_class'::regclass
             AND uses.refobjid <> a.attrelid) AS serial,
         missing.value AS missing,
         CASE WHEN a.attcollation <> 0 THEN ${COLLATION('a.attcollation', 'a.atttypid')} END AS collation
  FROM pg_attribute a
  LEFT JOIN missing ON missing.relation = a.attrelid AND missing.ordinal = a.attnum
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
  ORDER BY a.attrelid, a.attnum`;

/** Multiranges came with PostgreSQL 14. */
const typesQuery = (hasMultiranges: boolean): string => `
  WITH RECURSIVE needed(oid) AS (
    SELECT DISTINCT unnest($1::oid[])
    UNION
    SELECT dependency.oid
    FROM needed
    JOIN pg_type t ON t.oid = needed.oid
    CROSS JOIN LATERAL (
      SELECT t.typelem WHERE t.typelem <> 0 AND t.typcategory = 'A'
      UNION ALL SELECT t.typbasetype WHERE t.typbasetype <> 0
      UNION ALL SELECT a.atttypid FROM pg_attribute a
        WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
      UNION ALL SELECT r.rngsubtype FROM pg_range r WHERE t.typtype = 'r' AND r.rngtypid = t.oid
      ${hasMultiranges ? "UNION ALL SELECT r.rngtypid FROM pg_range r WHERE t.typtype = 'm' AND r.rngmultitypid = t.oid" : ''}
    ) dependency(oid)
  )
  SELECT t.oid, n.nspname AS schema, t.typname AS name, t.typtype::text AS kind,
         CASE WHEN t.typcategory = 'A' AND t.typlen = -1 AND elem.typarray = t.oid THEN t.typelem ELSE 0 END AS element,
         e.extname AS extension,
         t.typbasetype AS base, t.typtypmod AS base_modifier,
         CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod) END AS base_declaration,
         CASE WHEN t.typtype = 'd' THEN pg_get_expr(t.typdefaultbin, 0) END AS default,
         t.typnotnull AS not_null,
         CASE WHEN t.typtype = 'd' AND t.typcollation <> 0 THEN ${COLLATION('t.typcollation', 't.typbasetype')} END AS collation,
         CASE WHEN t.typtype = 'd' THEN (
           SELECT json_agg(json_build_object('name', k.conname, 'definition', pg_get_constraintdef(k.oid))
             ORDER BY k.conname)
           FROM pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c') END AS checks,
         CASE WHEN t.typtype = 'e' THEN (
           SELECT array_agg(l.enumlabel::text ORDER BY l.enumsortorder) FROM pg_enum l WHERE l.enumtypid = t.oid)
         END AS labels,
         CASE WHEN t.typtype = 'c' THEN (
           SELECT json_agg(json_build_object(
             'name', a.attname, 'type', a.atttypid::int8, 'declaration', format_type(a.atttypid, a.atttypmod),
             'collation', CASE WHEN a.attcollation <> 0 THEN ${COLLATION('a.attcollation', 'a.atttypid')} END) ORDER BY a.attnum)
           FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) END AS attributes,
         t.typtype = 'c' AND rel.relkind <> 'c' AS row_type,
         CASE WHEN r.rngtypid IS NOT NULL THEN json_build_object(
           'of', r.rngtypid::int8, 'subtype', r.rngsubtype::int8, 'declaration', format_type(r.rngsubtype, NULL),
           'opclass', (SELECT ${QUALIFIED('opn.nspname', 'op.opcname')} FROM pg_opclass op
             JOIN pg_namespace opn ON opn.oid = op.opcnamespace WHERE op.oid = r.rngsubopc AND NOT op.opcdefault),
           'collation', CASE WHEN r.rngcollation <> 0 THEN ${COLLATION('r.rngcollation', 'r.rngsubtype')} END,
           'difference', (SELECT ${QUALIFIED('pn.nspname', 'p.proname')} FROM pg_proc p
             JOIN pg_namespace pn ON pn.oid = p.pronamespace WHERE p.oid = r.rngsubdiff AND pn.nspname = 'pg_catalog'),
           'multirange', ${hasMultiranges ? '(SELECT m.typname FROM pg_type m WHERE m.oid = r.rngmultitypid)' : 'NULL'}) END AS range
  FROM needed
  JOIN pg_type t ON t.oid = needed.oid
  JOIN pg_namespace n ON n.oid = t.typnamespace
  LEFT JOIN pg_type elem ON elem.oid = t.typelem
  LEFT JOIN pg_class rel ON rel.oid = t.typrelid
  LEFT JOIN pg_range r ON (t.typtype = 'r' AND r.rngtypid = t.oid)${hasMultiranges ? " OR (t.typtype = 'm' AND r.rngmultitypid = t.oid)" : ''}
  LEFT JOIN pg_depend dep ON dep.classid = 'pg_type'::regclass AND dep.objid = t.oid AND dep.objsubid = 0
    AND dep.refclassid = 'pg_extension'::regclass AND dep.deptype = 'e'
  LEFT JOIN pg_extension e ON e.oid = dep.refobjid`;

export async function queryTablesByName(
  client: Client,
  schemas: readonly string[],
  names: readonly string[],
): Promise<readonly TableRow[]> {
  return (await client.query<TableRow>(TABLES_BY_NAME, [schemas, names])).rows;
}

export async function queryTablesByOid(client: Client, oids: readonly number[]): Promise<readonly TableRow[]> {
  return (await client.query<TableRow>(TABLES_BY_OID, [oids])).rows;
}

export async function queryColumns(client: Client, tableOids: readonly number[]): Promise<readonly ColumnRow[]> {
  return (await client.query<ColumnRow>(COLUMNS, [tableOids])).rows;
}

/** The types asked for and everything that they are made of. */
export async function queryTypes(client: Client, typeOids: readonly number[]): Promise<readonly TypeRow[]> {
  return (await client.query<TypeRow>(typesQuery((await serverVersion(client)) >= 140_000), [typeOids])).rows;
}

/** 150004 for 15.4. */
export async function serverVersion(client: Client): Promise<number> {
  const { rows } = await client.query<{ readonly version: number }>(
    `SELECT current_setting('server_version_num')::int4 AS version`,
  );
  return rows[0]?.version ?? 0;
}
