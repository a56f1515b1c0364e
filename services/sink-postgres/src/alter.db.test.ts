import type { TableId, TableSchema } from '@millrace/contract/table.js';
import { closeSession } from '@millrace/postgres/connect.js';
import { parseConnectionUrl } from '@millrace/postgres/connection-url.js';
import { createDatabase, type TestDatabase } from '@millrace/testkit/servers.js';
import type { Client } from 'pg';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Aside, alterTable } from './alter.js';
import { finishTable } from './finish-load.js';
import { prepareTable } from './prepare.js';
import { openSinkSession } from './session.js';
import { describeTable } from './testing/describe-table.js';
import { inTransaction } from './transaction.js';

const T: TableId = { schema: 'app', table: 't' };

let databases: readonly [TestDatabase, TestDatabase];
let source: Client;
let target: Client;
let other: Client;

beforeEach(async () => {
  databases = [await createDatabase(), await createDatabase()];
  const open = async (url: string): Promise<Client> =>
    (await openSinkSession(parseConnectionUrl(url, 'target'), 'millrace:test:sink:1')).client;
  [source, target, other] = [await open(databases[0].url), await open(databases[1].url), await open(databases[1].url)];
  await source.query('CREATE SCHEMA app');
});

afterEach(async () => {
  await Promise.all([source, target, other].map(closeSession));
  for (const database of databases) await database[Symbol.asyncDispose]();
});

const aside: Aside = (work) => work(other);

/** Makes the source's table in the target, with the same rows. */
async function copyTable(): Promise<TableSchema> {
  const schema = await describeTable(source, T);
  await inTransaction(target, async () => {
    await prepareTable(target, schema, 'DO_NOTHING');
    await copyRows(schema);
    await finishTable(target, schema);
  });
  return schema;
}

/** What replication does with the source's rows, by the shortest way there is. */
async function copyRows(schema: TableSchema): Promise<void> {
  const names = schema.columns.filter(({ generated }) => generated === null).map(({ name }) => `"${name}"`);
  const { rows } = await source.query<{ row: string }>(`SELECT row_to_json(t)::text AS row FROM app.t`);
  for (const { row } of rows) {
    await target.query(
      `INSERT INTO app.t (${names.join(', ')}) OVERRIDING SYSTEM VALUE SELECT ${names.join(', ')} FROM json_populate_record(NULL::app.t, $1)`,
      [row],
    );
  }
}

async function follow(from: TableSchema, ddl: string) {
  await source.query(ddl);
  const to = await describeTable(source, T);
  const altered = await inTransaction(target, () => alterTable(target, from, to, aside));
  return { to, altered };
}

/** Columns by name with all that a version says of them, the key, and the rows. */
async function contents(client: Client, id: TableId = T): Promise<unknown> {
  const { columns, primaryKey } = await describeTable(client, id);
  const described = columns
    .map(({ name, native, nullable, generated, identity, default: expression, collation }) => ({
      name,
      type: native.declaration,
      nullable,
      generated,
      identity,
      expression,
      collation,
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const list = described.map(({ name }) => `"${name.replaceAll('"', '""')}"::text`).join(', ');
  const { rows } = await client.query({
    text: `SELECT ${list === '' ? '1' : list} FROM "${id.schema}"."${id.table}" t ORDER BY t::text COLLATE "C"`,
    rowMode: 'array',
  });
  return { described, primaryKey, rows: rows.map((row) => JSON.stringify(row)).sort() };
}

const BASE = `CREATE TABLE app.t (id int PRIMARY KEY, name varchar(10) NOT NULL DEFAULT 'x', n numeric(6,2), k int DEFAULT 1);
  INSERT INTO app.t VALUES (1, 'one', 1.5, NULL), (2, 'two', NULL, 7)`;

describe('a schema change is followed, the rows that are there included:', () => {
  const cases: readonly (readonly [claim: string, setup: string, ddl: string])[] = [
    ['a column added without a default shows nulls', BASE, 'ALTER TABLE app.t ADD c text'],
    [
      'a column added with a default shows it in old rows',
      BASE,
      `ALTER TABLE app.t ADD c text NOT NULL DEFAULT 'it''s \\ "5"', ADD d timestamptz(3) DEFAULT 'infinity'`,
    ],
    [
      'a default changed after the column came leaves old rows as they were',
      BASE,
      'ALTER TABLE app.t ADD c int DEFAULT 5; ALTER TABLE app.t ALTER c SET DEFAULT 6',
    ],
    [
      'a default dropped after the column came leaves old rows as they were',
      BASE,
      'ALTER TABLE app.t ADD c int DEFAULT 5; ALTER TABLE app.t ALTER c DROP DEFAULT',
    ],
    ['a dropped column goes', BASE, 'ALTER TABLE app.t DROP name'],
    [
      'a dropped and added column of the same name is a new one',
      BASE,
      'ALTER TABLE app.t DROP name; ALTER TABLE app.t ADD name int DEFAULT 3',
    ],
    ['a renamed column keeps its values', BASE, 'ALTER TABLE app.t RENAME name TO "New ""Name"""'],
    [
      'renames may go in a circle',
      BASE,
      'ALTER TABLE app.t RENAME n TO tmp; ALTER TABLE app.t RENAME k TO n; ALTER TABLE app.t RENAME tmp TO k',
    ],
    [
      'renames may go in a chain',
      BASE,
      'ALTER TABLE app.t DROP name; ALTER TABLE app.t RENAME n TO name; ALTER TABLE app.t RENAME k TO n; ALTER TABLE app.t ADD k text',
    ],
    [
      "a wider type is the target's, too",
      BASE,
      'ALTER TABLE app.t ALTER name TYPE text, ALTER n TYPE numeric(12,4), ALTER k TYPE bigint',
    ],
    [
      'a type that has no cast goes over its text',
      BASE,
      'ALTER TABLE app.t ALTER k TYPE text, ALTER name DROP DEFAULT; ALTER TABLE app.t ALTER k DROP DEFAULT',
    ],
    [
      'a column that others are computed from changes its type',
      `CREATE TABLE app.t (id int PRIMARY KEY, a int, g int GENERATED ALWAYS AS (a * 2) STORED, h text); INSERT INTO app.t VALUES (1, 2)`,
      'ALTER TABLE app.t DROP g; ALTER TABLE app.t ALTER a TYPE bigint; ALTER TABLE app.t ADD g bigint GENERATED ALWAYS AS (a * 3) STORED',
    ],
    [
      'a renamed column stays in the expressions that name it',
      `CREATE TABLE app.t (id int PRIMARY KEY, a int, g int GENERATED ALWAYS AS (a * 2) STORED); INSERT INTO app.t VALUES (1, 2)`,
      'ALTER TABLE app.t RENAME a TO b',
    ],
    [
      'a generated column becomes a plain one with its values',
      `CREATE TABLE app.t (id int PRIMARY KEY, a int, g int GENERATED ALWAYS AS (a * 2) STORED); INSERT INTO app.t VALUES (1, 2)`,
      'ALTER TABLE app.t ALTER g DROP EXPRESSION',
    ],
    [
      'NOT NULL goes and comes',
      BASE,
      `ALTER TABLE app.t ALTER name DROP NOT NULL; UPDATE app.t SET k = 2 WHERE id = 0; ALTER TABLE app.t ALTER n DROP NOT NULL`,
    ],
    [
      'a default is set, changed and dropped',
      BASE,
      `ALTER TABLE app.t ALTER n SET DEFAULT 4, ALTER k SET DEFAULT 2, ALTER name DROP DEFAULT`,
    ],
    [
      'the key moves to other columns',
      BASE,
      'ALTER TABLE app.t DROP CONSTRAINT t_pkey; ALTER TABLE app.t ADD PRIMARY KEY (name, id)',
    ],
    ['the key goes with its column', BASE, 'ALTER TABLE app.t DROP id'],
    ['the key stays with a renamed column', BASE, 'ALTER TABLE app.t RENAME id TO "Id"'],
    [
      'an identity column changes its kind',
      'CREATE TABLE app.t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY); INSERT INTO app.t DEFAULT VALUES',
      'ALTER TABLE app.t ALTER id SET GENERATED BY DEFAULT',
    ],
    [
      'an identity column becomes a plain one',
      'CREATE TABLE app.t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY); INSERT INTO app.t DEFAULT VALUES',
      'ALTER TABLE app.t ALTER id DROP IDENTITY',
    ],
    [
      'a plain column becomes an identity column',
      'CREATE TABLE app.t (id int PRIMARY KEY); INSERT INTO app.t VALUES (5)',
      'ALTER TABLE app.t ALTER id ADD GENERATED BY DEFAULT AS IDENTITY',
    ],
    [
      'a serial column becomes an identity column',
      'CREATE TABLE app.t (id serial PRIMARY KEY); INSERT INTO app.t VALUES (5)',
      'ALTER TABLE app.t ALTER id DROP DEFAULT; DROP SEQUENCE app.t_id_seq; ALTER TABLE app.t ALTER id ADD GENERATED ALWAYS AS IDENTITY',
    ],
    [
      'a serial column widens and keeps its sequence',
      'CREATE TABLE app.t (id serial PRIMARY KEY); INSERT INTO app.t VALUES (5)',
      'ALTER TABLE app.t ALTER id TYPE bigint',
    ],
    [
      'a column gets a sequence',
      'CREATE TABLE app.t (id int PRIMARY KEY); INSERT INTO app.t VALUES (5)',
      `CREATE SEQUENCE app.s OWNED BY app.t.id; ALTER TABLE app.t ALTER id SET DEFAULT nextval('app.s')`,
    ],
    ['a collation changes', BASE, 'ALTER TABLE app.t ALTER name TYPE varchar(10) COLLATE "C"'],
    [
      'an enum gets labels in their places',
      `CREATE TYPE app.mood AS ENUM ('low', 'high'); CREATE TABLE app.t (id int PRIMARY KEY, m app.mood DEFAULT 'low'); INSERT INTO app.t VALUES (1, 'high')`,
      `ALTER TYPE app.mood ADD VALUE 'mid' AFTER 'low'; ALTER TYPE app.mood ADD VALUE 'none' BEFORE 'low'`,
    ],
    [
      'a label is renamed with the rows that have it',
      `CREATE TYPE app.mood AS ENUM ('low', 'high'); CREATE TABLE app.t (id int PRIMARY KEY, m app.mood); INSERT INTO app.t VALUES (1, 'high')`,
      `ALTER TYPE app.mood RENAME VALUE 'high' TO 'top'; ALTER TYPE app.mood ADD VALUE 'under' BEFORE 'low'`,
    ],
    [
      'a type is renamed',
      `CREATE TYPE app.mood AS ENUM ('low', 'high'); CREATE TABLE app.t (id int PRIMARY KEY, m app.mood DEFAULT 'low'); INSERT INTO app.t VALUES (1, 'high')`,
      'ALTER TYPE app.mood RENAME TO feeling',
    ],
  ];

  test.each(cases)('%s', async (_claim, setup, ddl) => {
    await source.query(setup);
    const from = await copyTable();
    expect(await contents(target)).toEqual(await contents(source));
    const { to, altered } = await follow(from, ddl);
    expect(altered.findings).toEqual([]);
    expect(await contents(target)).toEqual(await contents(source));
    // Once more: what is done is seen, unless a name means another column now.
    if (to.columns.some((after) => from.columns.some((before) => before.name === after.name && before.ordinal !== after.ordinal)))
      return;
    const again = await inTransaction(target, () => alterTable(target, from, to, aside));
    expect({ ...again, contents: await contents(target) }).toEqual({
      statements: 0,
      findings: [],
      contents: await contents(source),
    });
  });
});

test('a label that was just added can be written in the same transaction', async () => {
  await source.query(`CREATE TYPE app.mood AS ENUM ('low'); CREATE TABLE app.t (id int PRIMARY KEY, m app.mood)`);
  const from = await copyTable();
  await source.query(`ALTER TYPE app.mood ADD VALUE 'high'`);
  const to = await describeTable(source, T);
  await inTransaction(target, async () => {
    await target.query(`INSERT INTO app.t VALUES (1, 'low')`);
    await alterTable(target, from, to, aside);
    await target.query(`INSERT INTO app.t VALUES (2, 'high')`);
  });
  expect((await target.query('SELECT m::text FROM app.t ORDER BY id')).rows).toEqual([{ m: 'low' }, { m: 'high' }]);
});

test('columns that somebody added in the target stay, and so does a type that was chosen there', async () => {
  await source.query(BASE);
  const from = await copyTable();
  await target.query(`ALTER TABLE app.t ADD mine text DEFAULT 'mine', ALTER name TYPE text`);
  await follow(from, 'ALTER TABLE app.t ALTER name TYPE varchar(20); ALTER TABLE app.t DROP n');
  const { columns } = await describeTable(target, T);
  expect(columns.map(({ name, native }) => `${name} ${native.declaration}`)).toEqual([
    'id integer',
    'name text',
    'k integer',
    'mine text',
  ]);
});

test('what a view of the target depends on is refused with the statement, and the transaction goes on', async () => {
  await source.query(BASE);
  const from = await copyTable();
  await target.query('CREATE VIEW app.v AS SELECT n FROM app.t');
  await source.query('ALTER TABLE app.t DROP k; ALTER TABLE app.t DROP n');
  const to = await describeTable(source, T);
  await inTransaction(target, async () => {
    await expect(alterTable(target, from, to, aside)).rejects.toMatchObject({
      code: 'ALTER_REFUSED',
      message: expect.stringContaining('DROP COLUMN "n"'),
    });
    await target.query('INSERT INTO app.t (id, k) VALUES (3, 3)');
  });
});

test('a value for earlier rows that is told too late is refused, not guessed', async () => {
  await source.query(BASE);
  const from = await copyTable();
  const { to } = await follow(from, 'ALTER TABLE app.t ADD c int');
  await source.query('ALTER TABLE app.t DROP c; ALTER TABLE app.t ADD c int DEFAULT 4');
  const now = await describeTable(source, T);
  const late = { ...now, columns: now.columns.map((column) => (column.name === 'c' ? { ...column, ordinal: 5 } : column)) };
  await expect(inTransaction(target, () => alterTable(target, to, late, aside))).rejects.toMatchObject({ code: 'ALTER_REFUSED' });
});

test("a type of the user's that changed is told, unless the rows come again", async () => {
  await source.query(BASE);
  const from = await copyTable();
  const domain = (check: string) => ({
    schema: 'app',
    name: 'd',
    kind: 'domain' as const,
    labels: [],
    create: `CREATE DOMAIN app.d AS integer CHECK (${check})`,
  });
  const one = { ...from, types: [domain('VALUE > 0')] };
  const two = { ...from, types: [domain('VALUE > 1')] };
  await inTransaction(target, () => alterTable(target, from, one, aside));
  await expect(inTransaction(target, () => alterTable(target, one, two, aside))).rejects.toMatchObject({
    code: 'ALTER_REFUSED',
    message: expect.stringContaining('domain app.d'),
  });
  await target.query('TRUNCATE app.t');
  await inTransaction(target, () => alterTable(target, one, two, aside));
});

test('a table is made with its key, renamed, moved and dropped', async () => {
  await source.query(BASE);
  const schema = await describeTable(source, T);
  await inTransaction(target, () => alterTable(target, null, schema, aside));
  expect((await describeTable(target, T)).primaryKey).toEqual(['id']);
  const moved = { ...schema, id: { schema: 'Else', table: 'u' } };
  await inTransaction(target, () => alterTable(target, schema, moved, aside));
  expect((await describeTable(target, moved.id)).columns.length).toBe(4);
  await inTransaction(target, () => alterTable(target, moved, null, aside));
  await inTransaction(target, () => alterTable(target, moved, null, aside));
  await expect(describeTable(target, moved.id)).rejects.toThrow('does not exist');
});

test('a table that somebody dropped in the target is an error: made again it would miss its rows', async () => {
  await source.query(BASE);
  const from = await copyTable();
  await target.query('DROP TABLE app.t');
  await source.query('ALTER TABLE app.t ADD c int');
  const to = await describeTable(source, T);
  await expect(inTransaction(target, () => alterTable(target, from, to, aside))).rejects.toMatchObject({ code: 'ALTER_REFUSED' });
});
