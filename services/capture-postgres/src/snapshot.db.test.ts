import { ChunkRowsCursor } from '@millrace/codec/chunk-rows.js';
import { fingerprintOf } from '@millrace/codec/fingerprint.js';
import { decodeRow } from '@millrace/codec/row-reader.js';
import type { ChunkSpec, RowFilter, Snapshot, SnapshotTable } from '@millrace/contract/load.js';
import type { Value } from '@millrace/contract/row.js';
import type { TableVersion } from '@millrace/contract/table.js';
import { closeSession } from '@millrace/postgres/connect.js';
import { type ConnectionSettings, parseConnectionUrl } from '@millrace/postgres/connection-url.js';
import { createDatabase, type TestDatabase, waitUntil } from '@millrace/testkit/servers.js';
import fc from 'fast-check';
import type { Client } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeTables } from './catalog/describe-tables.js';
import type { ChunkSize } from './chunk-plan.js';
import type { SourceIdentity } from './lsn.js';
import { openSecondSnapshot } from './second-snapshot.js';
import { openSession } from './session.js';
import { readIdentity } from './source-identity.js';

let database: TestDatabase;
let connection: ConnectionSettings;
let client: Client;
let identity: SourceIdentity;
const never = new AbortController().signal;

beforeAll(async () => {
  database = await createDatabase();
  connection = parseConnectionUrl(database.url, 'source');
  client = await openSession(connection, { applicationName: 'millrace:test' });
  await client.query('SET search_path = public');
  identity = await readIdentity(client);
});

afterAll(async () => {
  await closeSession(client);
  await database[Symbol.asyncDispose]();
});

async function openSnapshot(chunkSize?: ChunkSize, applicationName = 'millrace:test:snapshot'): Promise<Snapshot> {
  const size = chunkSize === undefined ? {} : { chunkSize };
  return await openSecondSnapshot({ connection, identity, applicationName, signal: never, ...size });
}

async function tableOf(
  name: string,
  more: Partial<SnapshotTable> = {},
): Promise<{ table: SnapshotTable; version: TableVersion }> {
  const [described] = await describeTables(client, [{ schema: 'public', table: name }]);
  if (described === undefined) throw new Error(`${name} is not there`);
  const { schema } = described;
  return {
    table: { schema, filter: null, encoding: 'postgresql-copy-text', ...more },
    version: { source: schema.id, schema, registryId: 1, fingerprint: fingerprintOf(schema) },
  };
}

type Subject = Awaited<ReturnType<typeof tableOf>>;

async function chunksOf(snapshot: Snapshot, { table }: Subject, after: ChunkSpec | null = null): Promise<readonly ChunkSpec[]> {
  const chunks: ChunkSpec[] = [];
  for await (const chunk of snapshot.chunks(table, after, never)) chunks.push(chunk);
  return chunks;
}

async function linesOf(snapshot: Snapshot, { table, version }: Subject, chunk: ChunkSpec): Promise<readonly string[]> {
  let text = '';
  let rows = 0;
  for await (const part of snapshot.read(table, version, chunk, never)) {
    text += Buffer.from(part.bytes).toString('utf8');
    rows += part.rows;
  }
  const lines = text.split('\n').slice(0, -1);
  expect(lines).toHaveLength(rows);
  return lines;
}

async function readAll(snapshot: Snapshot, subject: Subject, after: ChunkSpec | null = null): Promise<readonly string[]> {
  const lines: string[] = [];
  for (const chunk of await chunksOf(snapshot, subject, after)) lines.push(...(await linesOf(snapshot, subject, chunk)));
  return lines;
}

async function valuesOf(snapshot: Snapshot, subject: Subject): Promise<readonly (readonly Value[])[]> {
  const rows: (readonly Value[])[] = [];
  const rowsSubject = { ...subject, table: { ...subject.table, encoding: 'rows' as const } };
  for (const chunk of await chunksOf(snapshot, rowsSubject)) {
    for await (const part of snapshot.read(rowsSubject.table, subject.version, chunk, never)) {
      const cursor = new ChunkRowsCursor(part, subject.version);
      while (cursor.next()) rows.push(decodeRow(subject.version, part.bytes, cursor.start, cursor.end));
    }
  }
  return rows;
}

const byText = (a: string, b: string): number => (a < b ? -1 : Number(a > b));

test('chunks by a key cover every row exactly once, whatever the keys', { timeout: 120_000 }, async () => {
  const key = fc.oneof(
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    fc.bigInt({ min: -50n, max: 50n }),
    fc.constantFrom(-(2n ** 63n), 2n ** 63n - 1n, 0n, 2n ** 53n + 1n),
  );
  await client.query('CREATE TABLE keys_any (id bigint PRIMARY KEY, filler text)');
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(key, { maxLength: 200, minLength: 1 }),
      fc.integer({ min: 1, max: 60 }),
      async (keys, rows) => {
        await client.query('TRUNCATE keys_any');
        await client.query('INSERT INTO keys_any SELECT unnest($1::bigint[])', [keys.map(String)]);
        await using snapshot = await openSnapshot({ rows, bytes: 1 << 30 });
        const subject = await tableOf('keys_any');
        const chunks = await chunksOf(snapshot, subject);
        expect(chunks.map((chunk) => chunk.index)).toEqual(chunks.map((_, index) => index));
        expect([chunks[0]?.keys?.from, chunks.at(-1)?.keys?.to]).toEqual([null, null]);
        for (const [index, chunk] of chunks.entries()) if (index > 0) expect(chunk.keys?.from).toBe(chunks[index - 1]?.keys?.to);
        const lines = await readAll(snapshot, subject);
        expect(lines.map((line) => line.split('\t')[0]).sort()).toEqual(keys.map(String).sort());
      },
    ),
    { numRuns: 15 },
  );
});

test('a load resumed after any chunk reads exactly the rest, also in a later snapshot', async () => {
  await client.query(
    `CREATE TABLE resumed (id int PRIMARY KEY); INSERT INTO resumed SELECT g * 3 FROM generate_series(1, 1000) g; ANALYZE resumed`,
  );
  const subject = await tableOf('resumed');
  await using first = await openSnapshot({ rows: 70, bytes: 1 << 30 });
  const chunks = await chunksOf(first, subject);
  expect(chunks).toHaveLength(15);
  await using second = await openSnapshot({ rows: 90, bytes: 1 << 30 });
  for (const after of [0, 6, 14]) {
    const read: string[] = [];
    for (const chunk of chunks.slice(0, after + 1)) read.push(...(await linesOf(first, subject, chunk)));
    read.push(...(await readAll(second, subject, chunks[after] ?? null)));
    expect(read).toEqual(Array.from({ length: 1_000 }, (_, index) => String((index + 1) * 3)));
  }
});

test('chunks by pages cover every row of a keyless table exactly once and can be resumed in their snapshot', async () => {
  await client.query(`CREATE TABLE keyless (a int, b text); INSERT INTO keyless SELECT g, repeat('x', 50) FROM generate_series(1, 5000) g;
    DELETE FROM keyless WHERE a % 7 = 0; UPDATE keyless SET b = b || 'y' WHERE a % 5 = 0; ANALYZE keyless`);
  const subject = await tableOf('keyless');
  await using snapshot = await openSnapshot({ rows: 400, bytes: 1 << 30 });
  const chunks = await chunksOf(snapshot, subject);
  expect(chunks.length).toBeGreaterThan(5);
  expect(chunks.every((chunk) => chunk.keys === null)).toBe(true);
  await client.query('DELETE FROM keyless');
  await client.query('VACUUM keyless');
  const expected = Array.from({ length: 5_000 }, (_, index) => index + 1).filter((a) => a % 7 !== 0).length;
  const lines = await readAll(snapshot, subject);
  expect([lines.length, new Set(lines).size]).toEqual([expected, expected]);
  const firsts = await Promise.all(chunks.slice(0, 3).map((chunk) => linesOf(snapshot, subject, chunk)));
  expect([...firsts.flat(), ...(await readAll(snapshot, subject, chunks[2]))].sort(byText)).toEqual(lines.toSorted(byText));
});

test('keys that lie all over the table are read by pages, and a first key column with one huge value too', async () => {
  await client.query(`
    CREATE TABLE random_key (id uuid PRIMARY KEY); INSERT INTO random_key SELECT gen_random_uuid() FROM generate_series(1, 2000); ANALYZE random_key;
    CREATE TABLE tenants (tenant int, n int, PRIMARY KEY (tenant, n)); INSERT INTO tenants SELECT 1, g FROM generate_series(1, 2000) g;
    INSERT INTO tenants SELECT g, 1 FROM generate_series(2, 50) g; ANALYZE tenants;
    CREATE TABLE even (a int, n int, PRIMARY KEY (a, n)); INSERT INTO even SELECT g / 10, g FROM generate_series(1, 2000) g; ANALYZE even;
    CREATE TABLE words (w text COLLATE "C" PRIMARY KEY); INSERT INTO words SELECT lpad(g::text, 6, '0') || 'é' FROM generate_series(1, 2000) g; ANALYZE words`);
  await using snapshot = await openSnapshot({ rows: 100, bytes: 1 << 30 });
  for (const [name, byKey, rows] of [
    ['random_key', false, 2_000],
    ['tenants', false, 2_049],
    ['even', true, 2_000],
    ['words', true, 2_000],
  ] as const) {
    const subject = await tableOf(name);
    const chunks = await chunksOf(snapshot, subject);
    expect([name, chunks.length > 5, chunks.every((chunk) => (chunk.keys !== null) === byKey)]).toEqual([name, true, true]);
    const lines = await readAll(snapshot, subject);
    expect([lines.length, new Set(lines).size]).toEqual([rows, rows]);
  }
});

test('all tables are read at one position under load: a transfer is never seen half', { timeout: 60_000 }, async () => {
  await client.query(`CREATE TABLE bank_a (id int PRIMARY KEY, v bigint); CREATE TABLE bank_b (id int PRIMARY KEY, v bigint);
    INSERT INTO bank_a SELECT g, 0 FROM generate_series(1, 200) g; INSERT INTO bank_b SELECT g, 0 FROM generate_series(1, 200) g`);
  const stop = new AbortController();
  const transfers = Array.from({ length: 2 }, async () => {
    const session = await openSession(connection, { applicationName: 'load' });
    while (!stop.signal.aborted) {
      const id = 1 + Math.floor(Math.random() * 200);
      await session.query(
        `BEGIN; UPDATE public.bank_a SET v = v - 7 WHERE id = ${id}; UPDATE public.bank_b SET v = v + 7 WHERE id = ${201 - id}; COMMIT`,
      );
    }
    await closeSession(session);
  });
  try {
    const subjects = [await tableOf('bank_a'), await tableOf('bank_b')];
    for (let round = 0; round < 5; round++) {
      await using snapshot = await openSnapshot({ rows: 20, bytes: 1 << 30 });
      const read = await Promise.all(subjects.map((subject) => readAll(snapshot, subject)));
      expect(read.flat()).toHaveLength(400);
      expect(read.flat().reduce((total, line) => total + Number(line.split('\t')[1]), 0)).toBe(0);
    }
  } finally {
    stop.abort();
    await Promise.all(transfers);
  }
});

test('#12 a transaction open while the snapshot is made is wholly in it or wholly after its position', async () => {
  await client.query('CREATE TABLE straddle (id int PRIMARY KEY)');
  const other = await openSession(connection, { applicationName: 'straddle' });
  await other.query('BEGIN; INSERT INTO public.straddle VALUES (1)');
  let opened = false;
  const opening = openSnapshot().then((snapshot) => {
    opened = true;
    return snapshot;
  });
  await waitUntil(
    async () => {
      const { rows } = await client.query(
        `SELECT FROM pg_stat_activity WHERE backend_type = 'walsender' AND wait_event_type = 'Lock' AND datname = current_database()`,
      );
      return rows.length > 0;
    },
    { what: 'the slot to wait for the open transaction', deadlineMs: 10_000 },
  );
  expect(opened).toBe(false);
  await other.query('COMMIT');
  await using snapshot = await opening;
  const { rows } = await client.query<{ before: boolean }>('SELECT pg_current_wal_lsn() >= $1::pg_lsn AS before', [
    `${snapshot.position.key.slice(0, 8)}/${snapshot.position.key.slice(8)}`,
  ]);
  expect(rows[0]?.before).toBe(true);
  expect(await readAll(snapshot, await tableOf('straddle'))).toEqual(['1']);
  await closeSession(other);
});

test('the temporary slot is gone as soon as the snapshot is open', async () => {
  await using snapshot = await openSnapshot();
  await waitUntil(
    async () => {
      const { rows } = await client.query(
        `SELECT FROM pg_replication_slots WHERE slot_name LIKE 'millrace_load_%' AND database = current_database()`,
      );
      return rows.length === 0;
    },
    { what: 'the slot to be dropped', deadlineMs: 10_000 },
  );
  await client.query('CREATE TABLE IF NOT EXISTS one_row AS SELECT 1 AS a');
  expect(snapshot.position.source).toBe(identity.source);
});

test.each([
  ['TRUNCATE', 'TRUNCATE changed'],
  ['a rewriting ALTER TABLE', 'ALTER TABLE changed ALTER COLUMN b TYPE bigint USING b::bigint'],
  ['DROP TABLE', 'DROP TABLE changed'],
  ['a table of the same name in its place', 'ALTER TABLE changed RENAME TO changed_old; CREATE TABLE changed (LIKE changed_old)'],
  ['a column of the same name in its place', 'ALTER TABLE changed DROP COLUMN b; ALTER TABLE changed RENAME COLUMN c TO b'],
  ['VACUUM FULL', 'VACUUM FULL changed'],
])('#13 %s after the snapshot is TABLE_REWRITTEN, not an empty or foreign table', async (_, change) => {
  await client.query('DROP TABLE IF EXISTS changed, changed_old');
  await client.query(
    `CREATE TABLE changed (a int PRIMARY KEY, b int, c int); INSERT INTO changed SELECT g, g, -g FROM generate_series(1, 100) g`,
  );
  const subject = await tableOf('changed');
  await using snapshot = await openSnapshot();
  const [chunk] = await chunksOf(snapshot, subject);
  if (chunk === undefined) throw new Error('no chunk');
  expect(await linesOf(snapshot, subject, chunk)).toHaveLength(100);
  await client.query(change);
  await expect(linesOf(snapshot, subject, chunk)).rejects.toMatchObject({ code: 'TABLE_REWRITTEN' });
});

test.each([
  ['dropped', 'DROP TABLE cutting'],
  ['renamed', 'ALTER TABLE cutting RENAME TO cutting_renamed'],
  ['given a key of another type', 'ALTER TABLE cutting ALTER COLUMN a TYPE text COLLATE "C"'],
])('#13 a table that is %s before or while it is cut into chunks is TABLE_REWRITTEN', async (_, change) => {
  await client.query('DROP TABLE IF EXISTS cutting, cutting_renamed');
  await client.query(
    `CREATE TABLE cutting (a int PRIMARY KEY); INSERT INTO cutting SELECT generate_series(1, 100); ANALYZE cutting`,
  );
  const subject = await tableOf('cutting');
  await using snapshot = await openSnapshot({ rows: 10, bytes: 1 << 30 });
  await snapshot.estimate(subject.table.schema.id);
  const chunks = snapshot.chunks(subject.table, null, never)[Symbol.asyncIterator]();
  await chunks.next();
  await client.query(change);
  await expect(chunks.next()).rejects.toMatchObject({ code: 'TABLE_REWRITTEN' });
  await snapshot.estimate(subject.table.schema.id);
  await expect(readAll(snapshot, subject)).rejects.toMatchObject({ code: 'TABLE_REWRITTEN' });
});

test('a statement that the source breaks off, or will never finish, is an error of its table alone', async () => {
  await client.query(`CREATE TYPE broken AS ENUM ('lost'); CREATE TABLE holding (a int PRIMARY KEY, b broken); INSERT INTO holding VALUES (1, 'lost');
    CREATE TABLE slow (a int PRIMARY KEY); DELETE FROM pg_enum WHERE enumtypid = 'broken'::regtype`);
  await using snapshot = await openSnapshot({ rows: 10, bytes: 1 << 30 }, 'millrace:test:broken');
  await expect(readAll(snapshot, await tableOf('holding'))).rejects.toMatchObject({
    code: 'TABLE_UNREADABLE',
    class: 'operator',
  });
  const slow = await tableOf('slow');
  const owner = await openSession(connection, { applicationName: 'owner' });
  await owner.query('BEGIN; LOCK TABLE public.slow IN ACCESS EXCLUSIVE MODE');
  const reading = readAll(snapshot, slow).then(
    () => 'read',
    (error: unknown) => error,
  );
  const cancel = `SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'millrace:test:broken' AND wait_event_type = 'Lock'`;
  await waitUntil(async () => (await client.query(cancel)).rowCount === 1, { what: 'the read to wait', deadlineMs: 10_000 });
  expect(await reading).toMatchObject({ code: 'TABLE_BUSY', class: 'retry' });
  await closeSession(owner);
});

test('adding a column after the snapshot changes nothing, and a read holds its lock no longer than its chunk', async () => {
  await client.query(`CREATE TABLE added (a int PRIMARY KEY); INSERT INTO added SELECT generate_series(1, 100)`);
  const subject = await tableOf('added');
  await using snapshot = await openSnapshot({ rows: 10, bytes: 1 << 30 });
  const chunks = await chunksOf(snapshot, subject);
  const [first, second] = chunks;
  if (first === undefined || second === undefined) throw new Error('too few chunks');
  await linesOf(snapshot, subject, first);
  await client.query(`SET lock_timeout = '2s'; ALTER TABLE added ADD COLUMN b int DEFAULT 5; RESET lock_timeout`);
  expect(await linesOf(snapshot, subject, second)).toHaveLength(10);
});

test('a table that the snapshot does not know is refused, never loaded as an empty one', async () => {
  await using snapshot = await openSnapshot();
  await client.query('CREATE TABLE newcomer (a int PRIMARY KEY); INSERT INTO newcomer VALUES (1)');
  const subject = await tableOf('newcomer');
  await expect(readAll(snapshot, subject)).rejects.toMatchObject({ code: 'TABLE_REWRITTEN' });
});

test('#13 the holding session ended: SNAPSHOT_LOST, never a part of a table taken for all of it', async () => {
  await client.query(`CREATE TABLE lost (a int PRIMARY KEY); INSERT INTO lost SELECT generate_series(1, 1000)`);
  const subject = await tableOf('lost');
  await using snapshot = await openSnapshot({ rows: 100, bytes: 1 << 30 }, 'millrace:test:lost');
  const [chunk] = await chunksOf(snapshot, subject);
  if (chunk === undefined) throw new Error('no chunk');
  await client.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'millrace:test:lost'`);
  await expect(linesOf(snapshot, subject, chunk)).rejects.toMatchObject({ code: 'SNAPSHOT_LOST' });
});

test('one reading session ended while the snapshot is held: the read can be repeated', async () => {
  await client.query(`CREATE TABLE reread AS SELECT g AS a, repeat('x', 2000) AS b FROM generate_series(1, 20000) g`);
  const subject = await tableOf('reread');
  await using snapshot = await openSnapshot({ rows: 1 << 20, bytes: 1 << 30 }, 'millrace:test:reread');
  const [chunk] = await chunksOf(snapshot, subject);
  if (chunk === undefined) throw new Error('no chunk');
  const parts = snapshot.read(subject.table, subject.version, chunk, never)[Symbol.asyncIterator]();
  await parts.next();
  await client.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'millrace:test:reread' AND query LIKE 'COPY%'`,
  );
  const rest = async (): Promise<void> => {
    while ((await parts.next()).done !== true);
  };
  await expect(rest()).rejects.toMatchObject({ code: 'SOURCE_CONNECTION_LOST', class: 'retry' });
  expect(await linesOf(snapshot, subject, chunk)).toHaveLength(20_000);
});

test('parts hold whole rows and about 1 MB, whatever the size of a row', async () => {
  await client.query(`CREATE TABLE sizes (id int PRIMARY KEY, v text);
    INSERT INTO sizes SELECT g, repeat(chr(65 + g % 26), (g * g * 37) % 900000) FROM generate_series(1, 120) g`);
  const subject = await tableOf('sizes');
  await using snapshot = await openSnapshot({ rows: 1_000, bytes: 1 << 30 });
  const [chunk] = await chunksOf(snapshot, subject);
  if (chunk === undefined) throw new Error('no chunk');
  let rows = 0;
  for await (const part of snapshot.read(subject.table, subject.version, chunk, never)) {
    expect(part.bytes.at(-1)).toBe(10);
    expect(part.bytes.length).toBeLessThan(1024 * 1024 + 900_020);
    rows += part.rows;
  }
  expect(rows).toBe(120);
});

test('an aborted or abandoned read ends at once and leaves the snapshot usable', async () => {
  await client.query(`CREATE TABLE stopped AS SELECT g AS a, repeat('x', 2000) AS b FROM generate_series(1, 20000) g`);
  const subject = await tableOf('stopped');
  await using snapshot = await openSnapshot({ rows: 1 << 20, bytes: 1 << 30 });
  const [chunk] = await chunksOf(snapshot, subject);
  if (chunk === undefined) throw new Error('no chunk');
  const stop = new AbortController();
  const aborted = async (): Promise<void> => {
    for await (const part of snapshot.read(subject.table, subject.version, chunk, stop.signal)) if (part.rows > 0) stop.abort();
  };
  await expect(aborted()).rejects.toMatchObject({ name: 'AbortError' });
  for await (const part of snapshot.read(subject.table, subject.version, chunk, never)) if (part.rows > 0) break;
  expect(await linesOf(snapshot, subject, chunk)).toHaveLength(20_000);
});

test('a partitioned table is read leaf by leaf, an inheritance tree each table its own rows', async () => {
  await client.query(`
    CREATE TABLE leaves (a int, b text, PRIMARY KEY (a)) PARTITION BY RANGE (a);
    CREATE TABLE leaves_1 PARTITION OF leaves FOR VALUES FROM (0) TO (100);
    CREATE TABLE leaves_2 (b text, gone int, a int NOT NULL); ALTER TABLE leaves_2 DROP COLUMN gone;
    ALTER TABLE leaves ATTACH PARTITION leaves_2 FOR VALUES FROM (100) TO (200);
    INSERT INTO leaves SELECT g, 'v' || g FROM generate_series(0, 199) g;
    CREATE TABLE heirs (a int PRIMARY KEY); CREATE TABLE heirs_child (b int) INHERITS (heirs);
    INSERT INTO heirs VALUES (1); INSERT INTO heirs_child VALUES (2, 3)`);
  await using snapshot = await openSnapshot({ rows: 30, bytes: 1 << 30 });
  const leaves = await tableOf('leaves');
  const lines = await readAll(snapshot, leaves);
  expect(lines.toSorted(byText)).toEqual(Array.from({ length: 200 }, (_, a) => `${a}\tv${a}`).sort(byText));
  const chunks = await chunksOf(snapshot, leaves);
  const read: string[] = [];
  for (const chunk of chunks.slice(0, 2)) read.push(...(await linesOf(snapshot, leaves, chunk)));
  read.push(...(await readAll(snapshot, leaves, chunks[1])));
  expect(read.toSorted(byText)).toEqual(lines.toSorted(byText));
  expect(await readAll(snapshot, await tableOf('heirs'))).toEqual(['1']);
  expect(await readAll(snapshot, await tableOf('heirs_child'))).toEqual(['2\t3']);
});

test('tables without columns, with 1,600, and with generated columns are read', async () => {
  const names = Array.from({ length: 1_600 }, (_, index) => `c${index}`);
  await client.query(`CREATE TABLE nothing (); INSERT INTO nothing DEFAULT VALUES; INSERT INTO nothing DEFAULT VALUES;
    CREATE TABLE wide (${names.map((name) => `${name} int`).join(', ')}); INSERT INTO wide (c0, c1599) VALUES (1, 2);
    CREATE TABLE computed (a int PRIMARY KEY, g int GENERATED ALWAYS AS (a * 2) STORED, b text); INSERT INTO computed VALUES (1, DEFAULT, 'x')`);
  await using snapshot = await openSnapshot();
  expect(await readAll(snapshot, await tableOf('nothing'))).toEqual(['', '']);
  expect(await valuesOf(snapshot, await tableOf('nothing'))).toEqual([[], []]);
  expect(await valuesOf(snapshot, await tableOf('wide'))).toEqual([
    names.map((_, index) => (index === 0 ? 1 : index === 1_599 ? 2 : null)),
  ]);
  expect(await readAll(snapshot, await tableOf('computed'))).toEqual(['1\tx']);
  expect((await valuesOf(snapshot, await tableOf('computed')))[0]?.map(String)).toEqual(['1', 'Symbol(unchanged)', 'x']);
});

test('row images hold the exact values: controls, nulls, empty texts, numbers beyond 2^53, floats, bytes', async () => {
  const text = `tab\tnew\nret\rback\\slash \\N \\. \b\f\v é€𝄞`;
  await client.query(
    `CREATE TABLE exact (id bigint PRIMARY KEY, t text, n text, e text, f float8, r float4, b bytea, o boolean, d numeric, s smallint)`,
  );
  await client.query(
    `INSERT INTO exact VALUES (9223372036854775807, $1, NULL, '', 'NaN', '-Infinity', '\\x00ff0a5c', true, '1e-400', -32768)`,
    [text],
  );
  await client.query(`INSERT INTO exact VALUES (-9007199254740993, '\\N', '\\', NULL, '-0', 1.1, '', false, 'NaN', 1)`);
  await using snapshot = await openSnapshot();
  const rows = (await valuesOf(snapshot, await tableOf('exact'))).toReversed();
  expect(rows).toEqual([
    [-9007199254740993n, '\\N', '\\', null, -0, Math.fround(1.1), new Uint8Array(), false, 'NaN', 1],
    [9223372036854775807n, text, null, '', NaN, -Infinity, Uint8Array.of(0, 255, 10, 92), true, `0.${'0'.repeat(399)}1`, -32768],
  ]);
});

test('a filter is applied by the source, and its values are only ever values', async () => {
  await client.query(`CREATE TABLE filtered ("na'me" text, n int, d date);
    INSERT INTO filtered VALUES ('a', 1, '2020-01-01'), ('B', 2, NULL), ('it''s \\ "x"', 3, '2021-01-01'), (NULL, 10, '2022-01-01')`);
  await using snapshot = await openSnapshot();
  const count = async (filter: RowFilter): Promise<readonly string[]> => {
    const subject = await tableOf('filtered', { filter });
    return (await valuesOf(snapshot, subject)).map((row) => String(row[1]));
  };
  const compare = (column: string, operator: 'eq' | 'noteq' | 'ste' | 'gte', value: string): RowFilter => ({
    kind: 'compare',
    column,
    operator,
    value,
  });
  expect(await count(compare("na'me", 'eq', `it's \\ "x"`))).toEqual(['3']);
  expect(await count(compare("na'me", 'eq', `' OR true --`))).toEqual([]);
  expect(await count(compare("na'me", 'ste', 'a'))).toEqual(['1', '2']);
  expect(await count(compare('n', 'gte', '3'))).toEqual(['3', '10']);
  expect(await count({ kind: 'notbetween', column: 'd', start: '2020-06-01', end: '2021-06-01' })).toEqual(['1', '10']);
  expect(
    await count({
      kind: 'all',
      of: [
        { kind: 'notnull', column: 'd' },
        { kind: 'any', of: [compare('n', 'eq', '1'), { kind: 'null', column: "na'me" }] },
      ],
    }),
  ).toEqual(['1', '10']);
  await expect(count(compare('missing', 'eq', '1'))).rejects.toMatchObject({ code: 'SOURCE_FILTER_COLUMN' });
});

test('a row-level security policy refuses the read instead of hiding rows', async () => {
  await client.query(`CREATE TABLE secured (a int PRIMARY KEY); INSERT INTO secured VALUES (1); ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
    CREATE ROLE ${database.name}_reader LOGIN REPLICATION; GRANT SELECT ON secured TO ${database.name}_reader`);
  try {
    const reader = { ...connection, user: `${database.name}_reader` };
    await using snapshot = await openSecondSnapshot({
      connection: reader,
      identity,
      applicationName: 'millrace:test:rls',
      signal: never,
    });
    await expect(readAll(snapshot, await tableOf('secured'))).rejects.toMatchObject({
      code: 'TABLE_UNREADABLE',
      class: 'operator',
    });
  } finally {
    await client.query(`DROP OWNED BY ${database.name}_reader; DROP ROLE ${database.name}_reader`);
  }
});
