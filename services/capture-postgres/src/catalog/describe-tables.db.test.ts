import type { ColumnSchema, TableSchema } from '@millrace/contract/table.js';
import { closeSession } from '@millrace/postgres/connect.js';
import { parseConnectionUrl } from '@millrace/postgres/connection-url.js';
import { quoteIdentifier } from '@millrace/postgres/quote-identifier.js';
import { createDatabase, type TestDatabase } from '@millrace/testkit/servers.js';
import type { Client } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openSession } from '../session.js';
import { describeTables, describeTablesByOid } from './describe-tables.js';
import { listTables } from './list-tables.js';

let database: TestDatabase;
let client: Client;

beforeAll(async () => {
  database = await createDatabase();
  client = await openSession(parseConnectionUrl(database.url, 'source'), { applicationName: 'millrace:test' });
});

afterAll(async () => {
  await closeSession(client);
  await database[Symbol.asyncDispose]();
});

async function describeOne(table: string, schema = 'public'): Promise<TableSchema> {
  const [described] = await describeTables(client, [{ schema, table }]);
  if (described === undefined) throw new Error(`${schema}.${table} is not there`);
  return described.schema;
}

function columnOf(schema: TableSchema, name: string): ColumnSchema {
  const column = schema.columns.find((each) => each.name === name);
  if (column === undefined) throw new Error(`no column ${name}`);
  return column;
}

test('every built-in type has its declaration and its meaning', async () => {
  const expected: readonly (readonly [declaration: string, meaning: string])[] = [
    ['boolean', '{"kind":"boolean"}'],
    ['smallint', '{"kind":"integer","bits":16}'],
    ['integer', '{"kind":"integer","bits":32}'],
    ['bigint', '{"kind":"integer","bits":64}'],
    ['real', '{"kind":"float","bits":32}'],
    ['double precision', '{"kind":"float","bits":64}'],
    ['numeric', '{"kind":"decimal","precision":null,"scale":null}'],
    ['numeric(10,2)', '{"kind":"decimal","precision":10,"scale":2}'],
    ['numeric(1000,0)', '{"kind":"decimal","precision":1000,"scale":0}'],
    ['numeric(5,-3)', '{"kind":"decimal","precision":5,"scale":-3}'],
    ['text', '{"kind":"text","maxLength":null,"padded":false}'],
    ['character varying', '{"kind":"text","maxLength":null,"padded":false}'],
    ['character varying(7)', '{"kind":"text","maxLength":7,"padded":false}'],
    ['character(7)', '{"kind":"text","maxLength":7,"padded":true}'],
    ['bpchar', '{"kind":"text","maxLength":null,"padded":false}'],
    ['name', '{"kind":"text","maxLength":63,"padded":false}'],
    ['"char"', '{"kind":"other"}'],
    ['bytea', '{"kind":"bytes","maxLength":null}'],
    ['date', '{"kind":"date"}'],
    ['time without time zone', '{"kind":"time","precision":6,"withZone":false}'],
    ['time(2) with time zone', '{"kind":"time","precision":2,"withZone":true}'],
    ['timestamp(0) without time zone', '{"kind":"timestamp","precision":0,"withZone":false}'],
    ['timestamp with time zone', '{"kind":"timestamp","precision":6,"withZone":true}'],
    ['interval', '{"kind":"interval"}'],
    ['interval day to second(3)', '{"kind":"interval"}'],
    ['uuid', '{"kind":"uuid"}'],
    ['json', '{"kind":"json"}'],
    ['jsonb', '{"kind":"json"}'],
    ['integer[]', '{"kind":"array","element":{"kind":"integer","bits":32}}'],
    ['numeric(4,1)[]', '{"kind":"array","element":{"kind":"decimal","precision":4,"scale":1}}'],
    ...[
      'xml',
      'money',
      'inet',
      'cidr',
      'macaddr',
      'macaddr8',
      'bit(3)',
      'bit varying(5)',
      'point',
      'line',
      'lseg',
      'box',
      'path',
      'polygon',
      'circle',
      'tsvector',
      'tsquery',
      'jsonpath',
      'oid',
      'regclass',
      'regtype',
      'xid',
      'xid8',
      'tid',
      'pg_lsn',
      'txid_snapshot',
      'int2vector',
      'oidvector',
      'int4range',
      'int8range',
      'numrange',
      'tsrange',
      'tstzrange',
      'daterange',
      'int4multirange',
      'aclitem',
      'refcursor',
    ].map((declaration) => [declaration, '{"kind":"other"}'] as const),
  ];
  await client.query(
    `CREATE TABLE public.types (${expected.map(([declaration], index) => `c${index} ${declaration}`).join(', ')})`,
  );
  const schema = await describeOne('types');
  expect(schema.columns.map((column) => [column.native.declaration, JSON.stringify(column.type)])).toEqual(expected);
  expect(schema.columns[0]?.native).toEqual({ engine: 'postgresql', schema: 'pg_catalog', name: 'bool', declaration: 'boolean' });
  expect([schema.types, schema.extensions]).toEqual([[], []]);
});

test('user-defined types come whole, in an order in which they can be created, from whatever depth', async () => {
  await client.query(`
    CREATE SCHEMA "My Types";
    CREATE TYPE "My Types"."Mood" AS ENUM ('sad', 'it''s ok', 'back\\slash', '');
    CREATE DOMAIN "My Types".positive AS numeric(8,3) DEFAULT 1.5 NOT NULL CONSTRAINT "more than 0" CHECK (VALUE > 0) CHECK (VALUE < 1e6);
    CREATE DOMAIN "My Types".moods AS "My Types"."Mood"[];
    CREATE TYPE "My Types".pair AS ("left ""one""" "My Types".positive, r "My Types".moods, n varchar(3) COLLATE "C");
    CREATE TYPE "My Types".pairs AS RANGE (SUBTYPE = "My Types".pair);
    CREATE TYPE "My Types".textrange AS RANGE (SUBTYPE = text, COLLATION = "C");
    CREATE TYPE "My Types".odd AS RANGE (SUBTYPE = float8, SUBTYPE_DIFF = float8mi, MULTIRANGE_TYPE_NAME = "My Types"."Odds");
    CREATE DOMAIN public.word AS text COLLATE "C";
    CREATE TABLE public.user_types (
      a "My Types".pairs, b "My Types".pair[], c "My Types"."Mood", d "My Types"."Odds", e public.word, f "My Types".textmultirange)`);
  const schema = await describeOne('user_types');
  expect(schema.types.map(({ schema: at, name, kind, labels }) => [at, name, kind, labels.length])).toEqual([
    ['My Types', 'positive', 'domain', 0],
    ['My Types', 'Mood', 'enum', 4],
    ['My Types', 'moods', 'domain', 0],
    ['My Types', 'pair', 'composite', 0],
    ['My Types', 'pairs', 'range', 0],
    ['My Types', 'odd', 'range', 0],
    ['public', 'word', 'domain', 0],
    ['My Types', 'textrange', 'range', 0],
  ]);
  expect(columnOf(schema, 'c').type).toEqual({ kind: 'enum', labels: ['sad', "it's ok", 'back\\slash', ''] });
  expect(columnOf(schema, 'b').native.declaration).toBe('"My Types".pair[]');
  expect(columnOf(schema, 'e').type).toEqual({ kind: 'text', maxLength: null, padded: false });

  // Proof that the statements are complete: the same description from what they create.
  const before = schema.types;
  await client.query(
    'DROP TABLE public.user_types; DROP SCHEMA "My Types" CASCADE; DROP DOMAIN public.word; CREATE SCHEMA "My Types"',
  );
  for (const type of before) await client.query(type.create);
  await client.query(
    `CREATE TABLE public.user_types (${schema.columns.map((column) => `${column.name} ${column.native.declaration}`).join(', ')})`,
  );
  expect((await describeOne('user_types')).types).toEqual(before);
});

test('defaults, generated, identity and serial columns, collations and missing values are as the catalogue has them', async () => {
  await client.query(`
    CREATE SEQUENCE public.shared;
    CREATE TABLE public.columns (
      a int GENERATED ALWAYS AS IDENTITY, b bigint GENERATED BY DEFAULT AS IDENTITY, s smallserial, q int DEFAULT nextval('public.shared'),
      d text DEFAULT 'x' || 'y', g int GENERATED ALWAYS AS (1 + 1) STORED, n text COLLATE "C" NOT NULL, o text COLLATE "default",
      gone int);
    INSERT INTO public.columns (n) VALUES ('');
    ALTER TABLE public.columns DROP COLUMN gone, ADD COLUMN m text DEFAULT 'it''s "old"', ADD COLUMN ma int[] DEFAULT '{1,NULL}',
      ADD COLUMN mt timestamptz DEFAULT '2020-01-02 03:04:05.678+09'`);
  const schema = await describeOne('columns');
  expect(
    schema.columns.map((column) => [
      column.name,
      column.ordinal,
      column.identity,
      column.default,
      column.generated,
      column.nullable,
    ]),
  ).toEqual([
    ['a', 1, 'always', null, null, false],
    ['b', 2, 'by-default', null, null, false],
    ['s', 3, 'serial', "nextval('public.columns_s_seq'::regclass)", null, false],
    ['q', 4, 'none', "nextval('public.shared'::regclass)", null, true],
    ['d', 5, 'none', "('x'::text || 'y'::text)", null, true],
    ['g', 6, 'none', null, '(1 + 1)', true],
    ['n', 7, 'none', null, null, false],
    ['o', 8, 'none', null, null, true],
    ['m', 10, 'none', `'it''s "old"'::text`, null, true],
    ['ma', 11, 'none', "'{1,NULL}'::integer[]", null, true],
    ['mt', 12, 'none', "'2020-01-01 18:04:05.678+00'::timestamp with time zone", null, true],
  ]);
  expect(schema.columns.map((column) => column.collation)).toEqual([
    null,
    null,
    null,
    null,
    null,
    null,
    'pg_catalog."C"',
    null,
    null,
    null,
    null,
  ]);
  expect(schema.columns.slice(8).map((column) => column.missingValue)).toEqual([
    `it's "old"`,
    '{1,NULL}',
    '2020-01-01 18:04:05.678+00',
  ]);
});

test('the key comes in key order with its name, and the replica identity says what old rows hold', async () => {
  await client.query(`
    CREATE TABLE public.ident_key (a int, b int, c int, CONSTRAINT "the key" PRIMARY KEY (c, a) INCLUDE (b));
    CREATE TABLE public.ident_none (a int);
    CREATE TABLE public.ident_deferred (a int PRIMARY KEY DEFERRABLE);
    CREATE TABLE public.ident_full (a int PRIMARY KEY, b int, g int GENERATED ALWAYS AS (a + 1) STORED);
    ALTER TABLE public.ident_full REPLICA IDENTITY FULL;
    CREATE TABLE public.ident_index (a int, b int NOT NULL, c int NOT NULL);
    CREATE UNIQUE INDEX ident_index_i ON public.ident_index (c, b);
    ALTER TABLE public.ident_index REPLICA IDENTITY USING INDEX ident_index_i;
    CREATE TABLE public.ident_dropped (LIKE public.ident_index);
    CREATE UNIQUE INDEX ident_dropped_i ON public.ident_dropped (b);
    ALTER TABLE public.ident_dropped REPLICA IDENTITY USING INDEX ident_dropped_i;
    DROP INDEX public.ident_dropped_i;
    CREATE TABLE public.ident_nothing (a int PRIMARY KEY);
    ALTER TABLE public.ident_nothing REPLICA IDENTITY NOTHING`);
  const identity = async (table: string): Promise<unknown> => {
    const { primaryKey, primaryKeyName, replicaIdentity, identityColumns } = await describeOne(table);
    return [primaryKey, primaryKeyName, replicaIdentity, identityColumns];
  };
  expect(await identity('ident_key')).toEqual([['c', 'a'], 'the key', 'key', ['c', 'a']]);
  expect(await identity('ident_none')).toEqual([[], null, 'nothing', []]);
  expect(await identity('ident_deferred')).toEqual([['a'], 'ident_deferred_pkey', 'nothing', []]);
  expect(await identity('ident_full')).toEqual([['a'], 'ident_full_pkey', 'full', ['a', 'b']]);
  expect(await identity('ident_index')).toEqual([[], null, 'index', ['c', 'b']]);
  expect(await identity('ident_dropped')).toEqual([[], null, 'nothing', []]);
  expect(await identity('ident_nothing')).toEqual([['a'], 'ident_nothing_pkey', 'nothing', []]);
});

test("a partitioned table's replica identity is the weakest of its leaves', which hold the rows", async () => {
  await client.query(`
    CREATE TABLE public.parted (a int, b int) PARTITION BY RANGE (a);
    CREATE TABLE public.parted_1 PARTITION OF public.parted FOR VALUES FROM (0) TO (10) PARTITION BY LIST (b);
    CREATE TABLE public.parted_1_1 PARTITION OF public.parted_1 FOR VALUES IN (1);
    CREATE TABLE public.parted_2 PARTITION OF public.parted FOR VALUES FROM (10) TO (20);
    ALTER TABLE public.parted_2 REPLICA IDENTITY FULL`);
  expect((await describeOne('parted')).replicaIdentity).toBe('nothing');
  await client.query('ALTER TABLE public.parted_1_1 REPLICA IDENTITY FULL');
  expect(await describeOne('parted')).toMatchObject({ replicaIdentity: 'full', identityColumns: ['a', 'b'] });
  await client.query('ALTER TABLE public.parted ADD PRIMARY KEY (a, b)');
  expect((await describeOne('parted')).replicaIdentity).toBe('full');
  await client.query('ALTER TABLE public.parted_2 REPLICA IDENTITY DEFAULT');
  expect(await describeOne('parted')).toMatchObject({ replicaIdentity: 'key', identityColumns: ['a', 'b'] });

  const tables = (await listTables(client)).filter(({ id }) => id.table.startsWith('parted'));
  expect(tables.map(({ id, kind, root }) => [id.table, kind, root?.table ?? null])).toEqual([
    ['parted', 'partitioned', null],
    ['parted_1', 'partition', 'parted'],
    ['parted_1_1', 'partition', 'parted'],
    ['parted_2', 'partition', 'parted'],
  ]);
});

test('a table without columns and one with 1,600 are tables like any other', async () => {
  const names = Array.from({ length: 1_600 }, (_, index) => `c${index}`);
  await client.query(
    `CREATE TABLE public.empty_table (); CREATE TABLE public.wide (${names.map((name) => `${name} int`).join(', ')})`,
  );
  expect((await describeOne('empty_table')).columns).toEqual([]);
  expect((await describeOne('wide')).columns.map((column) => column.name)).toEqual(names);
});

test('names that need every kind of quoting come back as they are', async () => {
  const hostile = [
    'select',
    'MiXed',
    'a b',
    'a"b',
    "a'b",
    'a.b',
    'a\\b',
    'ü€𝄞',
    '$1',
    '%',
    '',
    'a\nb',
    'a\tb',
    'x'.repeat(63),
    '{a,"b"}',
    '--',
    '/*',
  ].filter((name) => name !== '');
  await client.query('CREATE SCHEMA "we.""ird"');
  for (const name of hostile) {
    const quoted = quoteIdentifier(name);
    await client.query(
      `CREATE TYPE "we.""ird".${quoteIdentifier(`${name.slice(0, 60)}_e`)} AS ENUM ('a');
       CREATE TABLE "we.""ird".${quoted} (${quoted} int PRIMARY KEY, e "we.""ird".${quoteIdentifier(`${name.slice(0, 60)}_e`)}[])`,
    );
  }
  const ids = hostile.map((table) => ({ schema: 'we."ird', table }));
  const described = await describeTables(client, ids);
  expect(described.map(({ schema }) => schema.id)).toEqual(ids);
  expect(described.map(({ schema }) => [schema.columns[0]?.name, schema.primaryKey[0], schema.types[0]?.name])).toEqual(
    hostile.map((name) => [name, name, `${name.slice(0, 60)}_e`]),
  );
});

test('a table that is not there is left out, the others come in the order asked for, and by oid as by name', async () => {
  await client.query(
    'CREATE TABLE public.order_b (a int); CREATE TABLE public.order_a (a int); CREATE VIEW public.order_view AS SELECT 1 AS a',
  );
  const ids = ['order_b', 'no such', 'order_view', 'order_a'].map((table) => ({ schema: 'public', table }));
  const described = await describeTables(client, ids);
  expect(described.map(({ schema }) => schema.id.table)).toEqual(['order_b', 'order_a']);
  expect(await describeTablesByOid(client, [...described.map(({ oid }) => oid), 4_294_967_295])).toEqual(described);
});

test('an inherited table and its parent are described each with its own columns', async () => {
  await client.query(
    'CREATE TABLE public.parent (a int PRIMARY KEY); CREATE TABLE public.child (b int) INHERITS (public.parent)',
  );
  expect((await describeOne('parent')).columns.map((column) => column.name)).toEqual(['a']);
  expect((await describeOne('child')).columns.map((column) => column.name)).toEqual(['a', 'b']);
  expect((await describeOne('child')).primaryKey).toEqual([]);
});

test('every kind of relation is listed as what it is', async () => {
  await client.query(`
    CREATE SCHEMA kinds; CREATE TABLE kinds.t (); CREATE UNLOGGED TABLE kinds.u (); CREATE VIEW kinds.v AS SELECT 1 AS a;
    CREATE MATERIALIZED VIEW kinds.m AS SELECT 1 AS a; CREATE TEMPORARY TABLE temp_t ();
    CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; CREATE FOREIGN TABLE kinds.f (a int) SERVER s`);
  const tables = await listTables(client);
  const kinds = tables.filter(({ id }) => id.schema === 'kinds').map(({ id, kind }) => [id.table, kind]);
  expect(kinds).toEqual([
    ['f', 'foreign'],
    ['m', 'materialized-view'],
    ['t', 'table'],
    ['u', 'unlogged'],
    ['v', 'view'],
  ]);
  expect(tables.find(({ id }) => id.table === 'temp_t')?.kind).toBe('temporary');
  expect(tables.find(({ id }) => id.schema === 'pg_catalog' && id.table === 'pg_class')?.kind).toBe('system');
});

test('types of an extension name the extension instead of a definition', async () => {
  await client.query('CREATE EXTENSION hstore SCHEMA public');
  await client.query(
    'CREATE DOMAIN public.tags AS public.hstore; CREATE TABLE public.extended (h public.hstore, t public.tags[])',
  );
  const schema = await describeOne('extended');
  expect(schema.extensions).toEqual(['hstore']);
  expect(schema.types.map(({ name, kind }) => [name, kind])).toEqual([['tags', 'domain']]);
  expect(columnOf(schema, 'h')).toMatchObject({
    type: { kind: 'other' },
    native: { schema: 'public', declaration: 'public.hstore' },
  });
});
