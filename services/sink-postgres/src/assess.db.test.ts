import type { Finding } from '@millrace/contract/finding.js';
import type { TablePreparation } from '@millrace/contract/sink.js';
import type { TableSchema, TypeDefinition } from '@millrace/contract/table.js';
import { closeSession } from '@millrace/postgres/connect.js';
import { parseConnectionUrl } from '@millrace/postgres/connection-url.js';
import { createDatabase, type TestDatabase, uniqueWord } from '@millrace/testkit/servers.js';
import type { Client } from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { assessTarget } from './assess.js';
import { prepareTable } from './prepare.js';
import { openSinkSession } from './session.js';
import { column, table } from './testing/table-schemas.js';

let database: TestDatabase;
let admin: Client;
const role = uniqueWord();

beforeEach(async () => {
  database = await createDatabase();
  admin = await connect(database.url);
  await admin.query(`CREATE ROLE ${role} LOGIN`);
});

afterEach(async () => {
  await admin.query(`DROP OWNED BY ${role} CASCADE; DROP ROLE ${role}`);
  await closeSession(admin);
  await database[Symbol.asyncDispose]();
});

async function connect(url: string): Promise<Client> {
  return (await openSinkSession(parseConnectionUrl(url, 'target'), 'millrace:test:sink:1')).client;
}

async function assess(
  client: Client,
  tables: readonly TableSchema[],
  preparation: TablePreparation = 'DO_NOTHING',
): Promise<readonly string[]> {
  const findings = await assessTarget(client, tables, preparation);
  expect(findings.filter(({ message, remedy }) => /\{\w+\}/.test(message + remedy))).toEqual([]);
  return findings.map(({ severity, code, where }: Finding) => `${severity} ${code} ${where}`);
}

/** As a role without any privilege but those granted. */
async function assessAsRole(tables: readonly TableSchema[]): Promise<readonly string[]> {
  const url = new URL(database.url);
  url.username = role;
  const client = await connect(url.href);
  try {
    return await assess(client, tables);
  } finally {
    await closeSession(client);
  }
}

const t = table('t', [column('id', 'integer', { nullable: false }), column('v', 'text')], { primaryKey: ['id'] });

test('an empty database and a superuser need nothing, and the assessment leaves nothing', async () => {
  expect(await assess(admin, [t])).toEqual([]);
  const { rows } = await admin.query(`SELECT nspname FROM pg_namespace WHERE nspname IN ('app', 'millrace')`);
  expect(rows).toEqual([]);
});

test('a role without rights is told each one that it lacks', async () => {
  expect(await assessAsRole([t])).toEqual(['error TARGET_RIGHT_MISSING target', 'error TARGET_RIGHT_MISSING target']);
  await admin.query(`GRANT CREATE ON DATABASE ${database.name} TO ${role}`);
  expect(await assessAsRole([t])).toEqual([]);
  await admin.query('CREATE SCHEMA app');
  expect(await assessAsRole([t])).toEqual(['error TARGET_RIGHT_MISSING target', 'error TARGET_RIGHT_MISSING app.t']);
  await admin.query(
    `GRANT USAGE ON SCHEMA app TO ${role}; CREATE TABLE app.t (id int PRIMARY KEY, v text); GRANT SELECT, INSERT ON app.t TO ${role}`,
  );
  expect(await assessAsRole([t])).toEqual([
    'error TARGET_RIGHT_MISSING app.t',
    'error TARGET_RIGHT_MISSING app.t',
    'warning TARGET_NOT_OWNER app.t',
  ]);
  await admin.query(`GRANT UPDATE, DELETE ON app.t TO ${role}`);
  expect(await assessAsRole([t])).toEqual(['warning TARGET_NOT_OWNER app.t']);
});

test('triggers and foreign keys that fire, and policies that hide rows, are told', async () => {
  await admin.query(`GRANT CREATE ON DATABASE ${database.name} TO ${role}; CREATE SCHEMA app AUTHORIZATION ${role}; SET ROLE ${role};
    CREATE TABLE app.u (id int PRIMARY KEY); CREATE TABLE app.t (id int PRIMARY KEY REFERENCES app.u, v text); RESET ROLE`);
  expect(await assessAsRole([t])).toEqual(['warning TARGET_TRIGGERS_FIRE app.t']);
  expect(await assess(admin, [t])).toEqual([]);
  await admin.query(
    'ALTER TABLE app.t DROP CONSTRAINT t_id_fkey; ALTER TABLE app.t ENABLE ROW LEVEL SECURITY; ALTER TABLE app.t FORCE ROW LEVEL SECURITY',
  );
  expect(await assessAsRole([t])).toEqual(['error TARGET_ROW_SECURITY app.t']);
});

test('keys that are not checked for replicated rows are told, the primary key as an error', async () => {
  await admin.query(
    `CREATE SCHEMA app; CREATE TABLE app.t (id int PRIMARY KEY DEFERRABLE, v text UNIQUE DEFERRABLE INITIALLY DEFERRED)`,
  );
  // PostgreSQL's own doing: the sink's session lets the second row in.
  await admin.query(`INSERT INTO app.t VALUES (1, 'x'); INSERT INTO app.t VALUES (1, 'x')`);
  expect((await admin.query('SELECT FROM app.t')).rowCount).toBe(2);
  expect(await assess(admin, [t])).toEqual(['error TARGET_KEY_DEFERRABLE app.t', 'warning TARGET_KEY_DEFERRABLE app.t']);
  expect(await assess(admin, [t], 'DROP_AND_CREATE')).toEqual([]);

  await admin.query('TRUNCATE app.t; CREATE UNIQUE INDEX ON app.t (id)');
  expect(await assess(admin, [t])).toEqual(['warning TARGET_KEY_DEFERRABLE app.t']);
  await expect(admin.query(`INSERT INTO app.t VALUES (1, 'x'), (1, 'y')`)).rejects.toMatchObject({ code: '23505' });

  await admin.query(
    `ALTER TABLE app.t OWNER TO ${role}; GRANT USAGE ON SCHEMA app TO ${role}; GRANT CREATE ON DATABASE ${database.name} TO ${role}`,
  );
  // Its session fires triggers, these among them.
  expect(await assessAsRole([t])).toEqual(['warning TARGET_TRIGGERS_FIRE app.t']);
});

test('a table that cannot hold the rows is refused before anything is written, unless it is made anew', async () => {
  await admin.query(
    'CREATE SCHEMA app; CREATE TABLE app.t (id smallint, extra int NOT NULL); CREATE VIEW app.u AS SELECT 1 AS id',
  );
  const tables = [t, { ...t, id: { schema: 'app', table: 'u' } }];
  expect(await assess(admin, tables)).toEqual([
    'error TARGET_TABLE_INCOMPATIBLE app.t.id',
    'error TARGET_TABLE_INCOMPATIBLE app.t.v',
    'error TARGET_TABLE_INCOMPATIBLE app.t.extra',
    'error TARGET_NOT_A_TABLE app.u',
  ]);
  expect(await assess(admin, [t], 'DROP_AND_CREATE')).toEqual([]);
  await expect(prepareTable(admin, t, 'DO_NOTHING')).rejects.toMatchObject({
    code: 'TARGET_TABLE_INCOMPATIBLE',
    message: expect.stringContaining('it is smallint, which cannot hold every integer'),
  });
});

test('a missing extension is told by its name, and a type that lies elsewhere by its own', async () => {
  const hstore = column('h', 'public.hstore', {
    native: { engine: 'postgresql', schema: 'public', name: 'hstore', declaration: 'public.hstore' },
  });
  const schema = table('t', [hstore], { extensions: ['hstore'] });
  expect(await assess(admin, [schema])).toEqual(['error TARGET_EXTENSION_MISSING target', 'error TARGET_TYPE_MISSING app.t.h']);
  const mood: TypeDefinition = {
    schema: 'app',
    name: 'mood',
    kind: 'enum',
    labels: ['a'],
    create: `CREATE TYPE app.mood AS ENUM ('a')`,
  };
  const native = { engine: 'postgresql', schema: 'app', name: '_mood', declaration: 'app.mood[]' };
  expect(await assess(admin, [table('t', [column('m', 'app.mood[]', { native })], { types: [mood] })])).toEqual([]);
});

test('a read-only target is refused', async () => {
  await admin.query('SET default_transaction_read_only = on');
  expect(await assess(admin, [])).toEqual(['error TARGET_READ_ONLY target']);
  await admin.query('SET default_transaction_read_only = off');
});
