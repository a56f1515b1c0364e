import { execFile, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { SourceTable, TableSelector } from '@millrace/contract/capture.js';
import type { RowFilter } from '@millrace/contract/load.js';
import { closeSession } from '@millrace/postgres/connect.js';
import { parseConnectionUrl } from '@millrace/postgres/connection-url.js';
import { createDatabase, scratchFolder, startPostgres, type TestDatabase } from '@millrace/testkit/servers.js';
import type { Client } from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { describeTables } from '../catalog/describe-tables.js';
import { openSecondSnapshot } from '../second-snapshot.js';
import { openSession } from '../session.js';
import { readIdentity } from '../source-identity.js';
import { assessSource } from './assess-source.js';

const GRANTS = fileURLToPath(new URL('../../../../deploy/grants/postgres-source.sql', import.meta.url));

let database: TestDatabase;
let client: Client;
let role: string;

beforeEach(async () => {
  database = await createDatabase();
  role = `${database.name}_role`;
  client = await openSession(parseConnectionUrl(database.url, 'source'), { applicationName: 'millrace:test' });
});

afterEach(async () => {
  for (const name of [role, `${role}_owner`]) {
    const { rows } = await client.query('SELECT FROM pg_roles WHERE rolname = $1', [name]);
    if (rows.length > 0) await client.query(`REASSIGN OWNED BY ${name} TO postgres; DROP OWNED BY ${name}; DROP ROLE ${name}`);
  }
  await closeSession(client);
  await database[Symbol.asyncDispose]();
});

function publicTables(filter: RowFilter | null = null): TableSelector {
  return {
    select: ({ id }: SourceTable) => ({ selected: id.schema === 'public', explicit: false, loadOrder: 0 }),
    filter: () => filter,
    assess: () => [],
  };
}

async function assess({
  as = 'postgres',
  selector = publicTables(),
  publication = null,
}: {
  readonly as?: string;
  readonly selector?: TableSelector;
  readonly publication?: string | null;
} = {}): Promise<readonly string[]> {
  const session = await openSession(
    { ...parseConnectionUrl(database.url, 'source'), user: as },
    { applicationName: 'millrace:assess' },
  );
  try {
    const findings = await assessSource(session, selector, publication);
    for (const { message, remedy } of findings) expect(`${message} ${remedy}`).not.toMatch(/\{\w+\}/);
    return findings
      .filter(({ severity }) => severity !== 'info')
      .map(({ severity, code, where }) => `${severity} ${code} ${where}`);
  } finally {
    await closeSession(session);
  }
}

async function remedyOf(code: string, as: string): Promise<readonly string[]> {
  const session = await openSession(
    { ...parseConnectionUrl(database.url, 'source'), user: as },
    { applicationName: 'millrace:assess' },
  );
  try {
    return (await assessSource(session, publicTables(), null))
      .filter((finding) => finding.code === code)
      .map(({ remedy }) => remedy);
  } finally {
    await closeSession(session);
  }
}

test('a source that is fit has no finding, and the assessment leaves nothing behind', async () => {
  await client.query('CREATE TABLE public.fit (a int PRIMARY KEY)');
  const left = async (): Promise<unknown> =>
    (
      await client.query(`SELECT (SELECT count(*) FROM pg_class), (SELECT count(*) FROM pg_publication),
      (SELECT count(*) FROM pg_replication_slots WHERE database = current_database())`)
    ).rows;
  const before = await left();
  expect(await assess()).toEqual([]);
  expect(await left()).toEqual(before);
});

test('#15 a table whose old rows the log cannot name is refused with the ALTER TABLE that helps, a partitioned one leaf by leaf', async () => {
  await client.query(`
    CREATE TABLE public."Key less" (a int); CREATE TABLE public.deferred (a int PRIMARY KEY DEFERRABLE);
    CREATE TABLE public.parts (a int) PARTITION BY LIST (a); CREATE TABLE public.parts_1 PARTITION OF public.parts FOR VALUES IN (1);
    CREATE TABLE public.parts_2 PARTITION OF public.parts FOR VALUES IN (2); ALTER TABLE public.parts_2 REPLICA IDENTITY FULL`);
  expect(await assess()).toEqual([
    'error TABLE_WITHOUT_IDENTITY public.Key less',
    'error TABLE_WITHOUT_IDENTITY public.deferred',
    'error TABLE_WITHOUT_IDENTITY public.parts_1',
  ]);
  for (const remedy of await remedyOf('TABLE_WITHOUT_IDENTITY', 'postgres')) {
    await client.query(/ALTER TABLE .* FULL/.exec(remedy)?.[0] ?? 'SELECT 1 / 0');
  }
  expect(await assess()).toEqual([]);
});

test('a keyless table that a running task carries by its inserts is a warning at its next start', async () => {
  await client.query('CREATE TABLE public.late (a int); CREATE PUBLICATION millrace_x_inserts FOR TABLE public.late');
  expect(await assess()).toEqual(['warning TABLE_WITHOUT_IDENTITY public.late']);
});

test('partitions that the log does not carry, and generated columns in an identity, are refused', async () => {
  await client.query(`
    CREATE TABLE public.mixed (a int PRIMARY KEY) PARTITION BY LIST (a);
    CREATE UNLOGGED TABLE public.mixed_1 PARTITION OF public.mixed FOR VALUES IN (1);
    CREATE FOREIGN DATA WRAPPER nowhere; CREATE SERVER nowhere FOREIGN DATA WRAPPER nowhere;
    CREATE TABLE public.far (a int) PARTITION BY LIST (a); ALTER TABLE public.far REPLICA IDENTITY FULL;
    CREATE FOREIGN TABLE public.far_1 PARTITION OF public.far FOR VALUES IN (2) SERVER nowhere;
    CREATE TABLE public.gen (a int NOT NULL, g int GENERATED ALWAYS AS (a + 1) STORED PRIMARY KEY)`);
  expect(await assess()).toEqual([
    'error SOURCE_PARTITION_UNCARRIED public.far_1',
    'error SOURCE_PARTITION_UNCARRIED public.mixed_1',
    'error SOURCE_GENERATED_IDENTITY public.gen.g',
  ]);
});

test('a filter that the source cannot read is named with its table before anything starts', async () => {
  await client.query('CREATE TABLE public.filtered (a int PRIMARY KEY)');
  const compare = (column: string, value: string): RowFilter => ({ kind: 'compare', column, operator: 'gte', value });
  expect(await assess({ selector: publicTables(compare('a', '5')) })).toEqual([]);
  expect(await assess({ selector: publicTables(compare('a', 'five')) })).toEqual(['error SOURCE_FILTER_REFUSED public.filtered']);
  expect(await assess({ selector: publicTables(compare('b', '5')) })).toEqual(['error SOURCE_FILTER_REFUSED public.filtered']);
});

test('every right that is missing is named with its GRANT, and the grants are enough', async () => {
  await client.query(
    `CREATE TABLE public.plain (a int PRIMARY KEY); CREATE ROLE ${role} LOGIN; REVOKE USAGE ON SCHEMA public FROM PUBLIC`,
  );
  expect(await assess({ as: role })).toEqual([
    'error SOURCE_RIGHT_MISSING source',
    'error SOURCE_RIGHT_MISSING source',
    'error SOURCE_RIGHT_MISSING public.plain',
    'error SOURCE_RIGHT_MISSING public.plain',
    'error SOURCE_RIGHT_MISSING public.plain',
  ]);
  for (const remedy of await remedyOf('SOURCE_RIGHT_MISSING', role))
    await client.query(/^(GRANT|ALTER ROLE) [^;,]*/.exec(remedy)?.[0] ?? 'SELECT 1 / 0');
  expect(await assess({ as: role })).toEqual([]);
});

test('row-level security that would hide rows is refused', async () => {
  await client.query(`CREATE TABLE public.secured (a int PRIMARY KEY); ALTER TABLE public.secured ENABLE ROW LEVEL SECURITY;
    CREATE ROLE ${role} LOGIN REPLICATION; GRANT SELECT ON public.secured TO ${role}; CREATE PUBLICATION theirs FOR TABLE public.secured`);
  expect(await assess({ as: role, publication: 'theirs' })).toEqual(['error SOURCE_ROW_SECURITY public.secured']);
  expect(await assess({ publication: 'theirs' })).toEqual([]);
});

test('a publication that is named must be there and publish everything', async () => {
  await client.query(`CREATE TABLE public.a (a int PRIMARY KEY); CREATE TABLE public.b (a int PRIMARY KEY);
    CREATE PUBLICATION partial FOR TABLE public.a; CREATE PUBLICATION inserts FOR TABLE public.a, public.b WITH (publish = 'insert')`);
  expect(await assess({ publication: 'missing' })).toEqual(['error PUBLICATION_MISSING source']);
  expect(await assess({ publication: 'partial' })).toEqual(['error PUBLICATION_INCOMPLETE source']);
  expect(await assess({ publication: 'inserts' })).toEqual(['error PUBLICATION_INCOMPLETE source']);
});

test('a server without logical log, free slots and senders is refused, and what it keeps for slots is said', {
  timeout: 120_000,
}, async () => {
  const dir = await scratchFolder();
  const settings = { wal_level: 'replica', max_replication_slots: '0', max_wal_senders: '0', max_slot_wal_keep_size: '64MB' };
  await using server = await startPostgres({ dir, settings });
  const session = await openSession(parseConnectionUrl(server.url, 'source'), { applicationName: 'millrace:test' });
  const findings = await assessSource(session, publicTables(), null);
  expect(findings.map(({ severity, code }) => `${severity} ${code}`)).toEqual([
    'error SOURCE_WAL_LEVEL',
    'error SLOT_LIMIT',
    'error SOURCE_SENDERS_EXHAUSTED',
    'info SOURCE_WAL_LIMITED',
  ]);
  await closeSession(session);
});

// The grants are a psql script; PostgreSQL's npm packages bring no psql.
const hasPsql = spawnSync('psql', ['--version']).status === 0;

test.runIf(hasPsql).each(['owner', 'publication'])(
  'the grants file gives a role everything that reading takes (way: %s)',
  async (way) => {
    await client.query(`CREATE ROLE ${role}_owner; CREATE TABLE public.granted (a int PRIMARY KEY); INSERT INTO public.granted VALUES (1);
    ALTER TABLE public.granted OWNER TO ${role}_owner; REVOKE USAGE ON SCHEMA public FROM PUBLIC`);
    const variable = way === 'owner' ? `owner=${role}_owner` : 'publication=theirs';
    await promisify(execFile)('psql', [
      database.url,
      '-q',
      '-v',
      `role=${role}`,
      '-v',
      'schemas=public',
      '-v',
      variable,
      '-f',
      GRANTS,
    ]);
    expect(await assess({ as: role, publication: way === 'owner' ? null : 'theirs' })).toEqual([]);

    const connection = { ...parseConnectionUrl(database.url, 'source'), user: role };
    const session = await openSession(connection, { applicationName: 'millrace:test' });
    const [described] = await describeTables(session, [{ schema: 'public', table: 'granted' }]);
    if (described === undefined) throw new Error('not described');
    const identity = await readIdentity(session);
    const { signal } = new AbortController();
    await using snapshot = await openSecondSnapshot({ connection, identity, applicationName: 'millrace:test', signal });
    const { schema } = described;
    const table = { schema, filter: null, encoding: 'postgresql-copy-text' } as const;
    let rows = 0;
    for await (const chunk of snapshot.chunks(table, null, signal)) {
      for await (const part of snapshot.read(table, { source: schema.id, schema, registryId: 1, fingerprint: '' }, chunk, signal))
        rows += part.rows;
    }
    expect(rows).toBe(1);
    await closeSession(session);
  },
);
