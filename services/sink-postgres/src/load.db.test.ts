import { Buffer } from 'node:buffer';
import { ChunkRowsBuilder } from '@millrace/codec/chunk-rows.js';
import { writeRow } from '@millrace/codec/row-reader.js';
import type { Row } from '@millrace/contract/row.js';
import type { TableSchema, TypeDefinition } from '@millrace/contract/table.js';
import { closeSession } from '@millrace/postgres/connect.js';
import { parseConnectionUrl } from '@millrace/postgres/connection-url.js';
import { createDatabase, type TestDatabase } from '@millrace/testkit/servers.js';
import type { Client } from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { finishTable } from './finish-load.js';
import { copyChunk, type RefusedRow } from './load.js';
import { emptyTable, prepareTable } from './prepare.js';
import { openSinkSession } from './session.js';
import { chunkOf, column, table, textPart, versionOf } from './testing/table-schemas.js';
import { inTransaction } from './transaction.js';

let database: TestDatabase;
let client: Client;

beforeEach(async () => {
  database = await createDatabase();
  ({ client } = await openSinkSession(parseConnectionUrl(database.url, 'target'), 'millrace:test:sink:1'));
});

afterEach(async () => {
  await closeSession(client);
  await database[Symbol.asyncDispose]();
});

async function prepare(
  schema: TableSchema,
  preparation: 'DO_NOTHING' | 'DROP_AND_CREATE' | 'TRUNCATE_BEFORE_LOAD' = 'DO_NOTHING',
) {
  return await inTransaction(client, () => prepareTable(client, schema, preparation));
}

async function load(schema: TableSchema, lines: readonly string[], refuse?: (row: RefusedRow) => Promise<void>) {
  return await inTransaction(client, () =>
    copyChunk(client, chunkOf(versionOf(schema), 'postgresql-copy-text', [textPart(...lines)]), refuse),
  );
}

async function rowsOf(sql: string): Promise<readonly unknown[]> {
  return (await client.query({ text: sql, rowMode: 'array' })).rows;
}

const accounts = table(
  'accounts',
  [
    column('id', 'integer', { nullable: false, identity: 'serial', default: 'nextval(\'app."Acc ""1"" seq"\'::regclass)' }),
    column('No', 'bigint', { nullable: false, identity: 'always' }),
    column('owner', 'character varying(20)', { default: "'nobody'::character varying", collation: 'pg_catalog."C"' }),
    column('balance', 'numeric(10,2)', { default: '0' }),
    column('twice', 'numeric', { generated: '(balance * (2)::numeric)' }),
  ],
  { primaryKey: ['id'] },
);

test('a table is made with types, NOT NULL, defaults, sequences, generated columns, then loaded, then keyed', async () => {
  expect(await prepare(accounts)).toEqual({ created: true, wasEmpty: true, findings: [] });
  const copied = await load(accounts, ['7\t70\tAda\t1.50', '8\t80\t\\N\t-2.00']);
  expect(copied).toEqual({ rows: 2n, refused: 0 });
  await inTransaction(client, () => finishTable(client, accounts));
  await inTransaction(client, () => finishTable(client, accounts));
  expect(
    await rowsOf('INSERT INTO app.accounts DEFAULT VALUES RETURNING id, "No"::text, owner, balance::text, twice::text'),
  ).toEqual([[9, '81', 'nobody', '0.00', '0.00']]);
  expect(await rowsOf('SELECT twice::text FROM app.accounts ORDER BY id LIMIT 2')).toEqual([['3.00'], ['-4.00']]);
  expect(
    await rowsOf(`SELECT attname, format_type(atttypid, atttypmod), attnotnull, attidentity::text, attgenerated::text, attcollation::regcollation::text
      FROM pg_attribute WHERE attrelid = 'app.accounts'::regclass AND attnum > 0 ORDER BY attnum`),
  ).toEqual([
    ['id', 'integer', true, '', '', '-'],
    ['No', 'bigint', true, 'a', '', '-'],
    ['owner', 'character varying(20)', false, '', '', '"C"'],
    ['balance', 'numeric(10,2)', false, '', '', '-'],
    ['twice', 'numeric', false, '', 's', '-'],
  ]);
  expect(
    await rowsOf(`SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'app.accounts'::regclass`),
  ).toEqual([['accounts_pkey', 'PRIMARY KEY (id)']]);
  expect(await rowsOf(`SELECT pg_get_serial_sequence('app.accounts', 'id')`)).toEqual([['app."Acc ""1"" seq"']]);
});

test('names that are taken in the target give way to free ones', async () => {
  await client.query('CREATE SCHEMA app; CREATE SEQUENCE app."Acc ""1"" seq"; CREATE TABLE app.accounts_pkey ()');
  await prepare(accounts);
  await inTransaction(client, () => finishTable(client, accounts));
  expect(await rowsOf(`SELECT pg_get_serial_sequence('app.accounts', 'id')`)).toEqual([['app."Acc ""1"" seq_1"']]);
  expect(
    await rowsOf(`SELECT count(*)::int FROM pg_constraint WHERE conrelid = 'app.accounts'::regclass AND contype = 'p'`),
  ).toEqual([[1]]);
});

test('a default or collation that the target lacks is left out with a finding, and the others stay', async () => {
  const schema = table('t', [
    column('a', 'text', { default: 'app.made_up()' }),
    column('b', 'text', { default: "nextval('app.no_such_seq'::regclass)" }),
    column('c', 'text', { default: "'kept'::text", collation: 'app."made up"' }),
  ]);
  const { findings } = await prepare(schema);
  expect(findings.map(({ severity, code, where }) => [severity, code, where])).toEqual([
    ['warning', 'TARGET_COLLATION_MISSING', 'app.t.c'],
    ['warning', 'TARGET_DEFAULT_LEFT_OUT', 'app.t.a'],
    ['warning', 'TARGET_DEFAULT_LEFT_OUT', 'app.t.b'],
  ]);
  expect(await rowsOf('INSERT INTO app.t DEFAULT VALUES RETURNING a, b, c')).toEqual([[null, null, 'kept']]);
});

test('identifiers that need quoting stay what they are', async () => {
  const name = 'a "b" .c\'d\\e ünï $1;--';
  const schema = table(
    name,
    [column('select', 'integer', { identity: 'serial', default: "nextval('s'::regclass)" }), column(name, 'text')],
    {
      id: { schema: 'My "Schema".x', table: name },
      primaryKey: ['select', name],
      primaryKeyName: 'pk "1"',
    },
  );
  await prepare(schema);
  await load(schema, ['1\tone']);
  await inTransaction(client, () => finishTable(client, schema));
  expect(
    await rowsOf(
      `SELECT nspname, relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind = 'r' AND relname = $$${name}$$`,
    ),
  ).toEqual([['My "Schema".x', name]]);
});

const mood: TypeDefinition = {
  schema: 'app',
  name: 'Mood',
  kind: 'enum',
  create: `CREATE TYPE app."Mood" AS ENUM ('low', 'it''s', 'high')`,
  labels: ['low', "it's", 'high'],
};

test('types that the target lacks are created, and an enum that is there gets its missing labels in their places', async () => {
  await client.query(`CREATE SCHEMA app; CREATE TYPE app."Mood" AS ENUM ('it''s')`);
  const types: readonly TypeDefinition[] = [
    mood,
    {
      schema: 'types',
      name: 'short',
      kind: 'domain',
      create: `CREATE DOMAIN types.short AS character varying(3) CHECK (VALUE <> 'bad')`,
      labels: [],
    },
    {
      schema: 'types',
      name: 'pair',
      kind: 'composite',
      create: 'CREATE TYPE types.pair AS (a integer, b types.short)',
      labels: [],
    },
    {
      schema: 'types',
      name: 'span',
      kind: 'range',
      create: 'CREATE TYPE types.span AS RANGE (SUBTYPE = double precision)',
      labels: [],
    },
  ];
  const schema = table('t', [column('m', 'app."Mood"'), column('p', 'types.pair[]'), column('s', 'types.span')], { types });
  await prepare(schema);
  await load(schema, ['low\t{"(1,abc)"}\t[1,2)', "it's\t\\N\tempty"]);
  expect(await rowsOf('SELECT m::text, p::text, s::text FROM app.t ORDER BY t.m')).toEqual([
    ['low', '{"(1,abc)"}', '[1,2)'],
    ["it's", null, 'empty'],
  ]);
  expect(await rowsOf('SELECT enum_range(NULL::app."Mood")::text')).toEqual([["{low,it's,high}"]]);
});

test('DO_NOTHING leaves an existing table as it is, TRUNCATE_BEFORE_LOAD empties it, DROP_AND_CREATE makes it anew', async () => {
  const schema = table('t', [column('id', 'integer', { nullable: false })], { primaryKey: ['id'] });
  await client.query('CREATE SCHEMA app; CREATE TABLE app.t (id bigint, mine text); INSERT INTO app.t VALUES (1, $$x$$)');
  expect(await prepare(schema)).toMatchObject({ created: false, wasEmpty: false });
  expect(await rowsOf('SELECT id::int, mine FROM app.t')).toEqual([[1, 'x']]);
  expect(await prepare(schema, 'TRUNCATE_BEFORE_LOAD')).toMatchObject({ created: false, wasEmpty: true });
  expect(await rowsOf('SELECT id::int, mine FROM app.t')).toEqual([]);
  expect(await prepare(schema, 'DROP_AND_CREATE')).toMatchObject({ created: true, wasEmpty: true });
  expect(await rowsOf(`SELECT attname FROM pg_attribute WHERE attrelid = 'app.t'::regclass AND attnum > 0`)).toEqual([['id']]);
});

test('a table that a foreign key points to is emptied without touching the other table', async () => {
  await client.query(`CREATE SCHEMA app; CREATE TABLE app.t (id int PRIMARY KEY); CREATE TABLE app.child (t int REFERENCES app.t ON DELETE CASCADE);
    INSERT INTO app.t VALUES (1); INSERT INTO app.child VALUES (1)`);
  const schema = table('t', [column('id', 'integer', { nullable: false })], { primaryKey: ['id'] });
  await inTransaction(client, () => emptyTable(client, schema));
  expect(await rowsOf('SELECT (SELECT count(*)::int FROM app.t), (SELECT count(*)::int FROM app.child)')).toEqual([[0, 1]]);
  await client.query('SET session_replication_role = origin; INSERT INTO app.t VALUES (1)');
  await expect(inTransaction(client, () => emptyTable(client, schema))).rejects.toMatchObject({ code: 'TARGET_TABLE_IN_USE' });
  await expect(prepare(schema, 'DROP_AND_CREATE')).rejects.toMatchObject({ code: 'TARGET_TABLE_IN_USE' });
});

test("something else under the table's name is refused by its kind", async () => {
  await client.query('CREATE SCHEMA app; CREATE VIEW app.t AS SELECT 1 AS id');
  await expect(prepare(table('t', [column('id', 'integer')]))).rejects.toMatchObject({
    code: 'TARGET_NOT_A_TABLE',
    message: expect.stringContaining('a view'),
  });
});

test('rows that the target refuses are found one by one, and the others are in', async () => {
  const schema = table('t', [column('id', 'integer', { nullable: false }), column('v', 'character varying(3)')]);
  await prepare(schema);
  // A session that fires no triggers never checks a deferrable constraint.
  await client.query('ALTER TABLE app.t ADD UNIQUE (id) DEFERRABLE INITIALLY DEFERRED; SET session_replication_role = origin');
  const lines = Array.from({ length: 1000 }, (_each, index) => `${index}\tabc`);
  lines[0] = '0\ttoo long';
  lines[500] = '499\tdup';
  lines[999] = '999\ta\\tb\\nc';
  const refused: RefusedRow[] = [];
  const copied = await load(schema, lines, (row) => Promise.resolve(void refused.push(row)));
  expect(copied).toEqual({ rows: 997n, refused: 3 });
  expect(refused.map(({ ordinal, after, error }) => [ordinal, after, error.code])).toEqual([
    [0, '{"id":0,"v":"too long"}', 'LOAD_ROW_REFUSED'],
    [500, '{"id":499,"v":"dup"}', 'LOAD_ROW_REFUSED'],
    [999, '{"id":999,"v":"a\\tb\\nc"}', 'LOAD_ROW_REFUSED'],
  ]);
  expect(await rowsOf('SELECT count(*)::int, sum(id)::int FROM app.t')).toEqual([[997, 499500 - 500 - 999]]);
});

test('a value that names what the target lacks, or has twice, is a refused row and not a changed table', async () => {
  const schema = table('named', [
    column('id', 'integer'),
    column('f', 'regproc'),
    column('c', 'regclass'),
    column('n', 'regnamespace'),
  ]);
  await prepare(schema);
  const refused: number[] = [];
  const lines = ['1\tnow\tpg_class\tpublic', '2\tavg\tpg_class\tpublic', '3\tnow\tnowhere\tpublic', '4\tnow\tpg_class\tnowhere'];
  const { rows } = await load(schema, lines, async ({ ordinal, error }) => {
    expect(error.code).toBe('LOAD_ROW_REFUSED');
    refused.push(ordinal);
    await Promise.resolve();
  });
  expect([rows, refused]).toEqual([1n, [1, 2, 3]]);
});

test('without a policy a refused row ends the chunk, and none of it is in', async () => {
  const schema = table('t', [column('id', 'integer')]);
  await prepare(schema);
  await expect(load(schema, ['1', 'x', '3'])).rejects.toMatchObject({
    code: 'LOAD_ROW_REFUSED',
    message: expect.stringContaining('row 2 of chunk 0 of the load of app.t'),
  });
  expect(await rowsOf('SELECT FROM app.t')).toEqual([]);
});

test('a trigger of the target that swallows rows is an error, not a short load', async () => {
  const schema = table('t', [column('id', 'integer')]);
  await prepare(schema);
  await client.query(`CREATE FUNCTION app.swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
    CREATE TRIGGER swallow BEFORE INSERT ON app.t FOR EACH ROW EXECUTE FUNCTION app.swallow(); ALTER TABLE app.t ENABLE ALWAYS TRIGGER swallow`);
  await expect(load(schema, ['1'])).rejects.toMatchObject({ code: 'LOAD_COUNT' });
});

test('an attempt that is abandoned in the middle leaves the session usable', async () => {
  const schema = table('t', [column('id', 'integer')]);
  await prepare(schema);
  const chunk = {
    ...chunkOf(versionOf(schema), 'postgresql-copy-text', []),
    parts: (async function* () {
      yield await Promise.resolve(textPart('1'));
      throw new Error('abandoned');
    })(),
  };
  await expect(inTransaction(client, () => copyChunk(client, chunk))).rejects.toThrow('abandoned');
  expect(await load(schema, ['2'])).toEqual({ rows: 1n, refused: 0 });
});

test('a table without columns keeps its number of rows', async () => {
  const schema = table('none', []);
  await prepare(schema);
  expect(await load(schema, ['', '', ''])).toEqual({ rows: 3n, refused: 0 });
  expect(await rowsOf('SELECT count(*)::int FROM app.none')).toEqual([[3]]);
});

test('row images go in as exactly the values that they hold', async () => {
  const schema = table('t', [
    column('b', 'boolean'),
    column('i', 'integer'),
    column('g', 'integer', { generated: '(i + 1)' }),
    column('l', 'bigint'),
    column('f', 'real'),
    column('d', 'double precision'),
    column('t', 'text'),
    column('y', 'bytea'),
  ]);
  const version = versionOf(schema);
  await prepare(schema);
  const nasty = 'tab\tnl\ncr\rback\\slash \\N \\. "q" \u0001\u{1f600}';
  const rows: readonly Row[] = [
    [true, 1, null, -(2n ** 63n), Math.fround(0.1), 0.1 + 0.2, nasty, Buffer.from([0, 92, 10, 255])],
    [false, -(2 ** 31), null, 2n ** 63n - 1n, -0, Number.MIN_VALUE, '', Buffer.alloc(0)],
    [null, null, null, null, Number.NaN, Number.NEGATIVE_INFINITY, '\\N', null],
    [null, 0, null, 0n, 3.4028234663852886e38, Number.MAX_VALUE, null, null],
  ];
  const builder = new ChunkRowsBuilder(version);
  for (const row of rows) writeRow(version, row, builder.row());
  await inTransaction(client, () => copyChunk(client, chunkOf(version, 'rows', [builder.take()])));
  const stored = await rowsOf('SELECT b, i, l::text, f::text, d::text, t, y FROM app.t ORDER BY ctid');
  expect(stored).toEqual([
    [true, 1, '-9223372036854775808', '0.1', '0.30000000000000004', nasty, Buffer.from([0, 92, 10, 255])],
    [false, -2147483648, '9223372036854775807', '-0', '5e-324', '', Buffer.alloc(0)],
    [null, null, null, 'NaN', '-Infinity', '\\N', null],
    [null, 0, '0', '3.4028235e+38', '1.7976931348623157e+308', null, null],
  ]);
});

test('a key that rows from before the load share is refused with what to do', async () => {
  await client.query('CREATE SCHEMA app; CREATE TABLE app.t (id int); INSERT INTO app.t VALUES (1)');
  const schema = table('t', [column('id', 'integer', { nullable: false })], { primaryKey: ['id'] });
  await prepare(schema);
  await load(schema, ['1']);
  await expect(inTransaction(client, () => finishTable(client, schema))).rejects.toMatchObject({ code: 'LOAD_KEY_REFUSED' });
});
