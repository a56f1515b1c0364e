import { createDatabase, withClient } from '@millrace/testkit/servers.js';
import { expect, test } from 'vitest';
import { openPostgresReader } from './table-reader.js';

async function read(
  setup: string,
  table: string,
  columns: readonly string[],
  key: readonly string[] = [],
): Promise<readonly (readonly (string | null)[])[]> {
  await using database = await createDatabase();
  await withClient(database.url, async (client) => void (await client.query(setup)));
  await using reader = openPostgresReader(database.url, 'source');
  const orderBy = key.map((name) => ({ name, order: 'bytes' as const }));
  const request = { table: { schema: 'public', table }, columns, form: 'own' as const, orderBy, filter: null };
  const found: (readonly (string | null)[])[] = [];
  for await (const batch of reader.rows(request, AbortSignal.timeout(20_000))) found.push(...batch);
  return found;
}

test('a table of an inheritance tree is read alone, a partitioned one with all its leaves', async () => {
  const tree =
    'CREATE TABLE parent (a int); CREATE TABLE child () INHERITS (parent); INSERT INTO parent VALUES (1); INSERT INTO child VALUES (2)';
  expect(await read(tree, 'parent', ['a'])).toEqual([['1']]);
  const parted =
    'CREATE TABLE root (a int) PARTITION BY LIST (a); CREATE TABLE one PARTITION OF root FOR VALUES IN (1); CREATE TABLE rest PARTITION OF root DEFAULT; INSERT INTO root VALUES (2), (1)';
  expect(await read(parted, 'root', ['a'])).toEqual([['1'], ['2']]);
});

test('a large value comes as its length and digest, its key and NULL as they are', async () => {
  const setup =
    "CREATE TABLE t (k text PRIMARY KEY, v text); INSERT INTO t VALUES (repeat('k', 2500), repeat('v', 1000000)), ('b', NULL), ('a', repeat('v', 2048))";
  const [a, b, large] = await read(setup, 't', ['k', 'v'], ['k']);
  expect([a, b]).toEqual([
    ['a', 'v'.repeat(2_048)],
    ['b', null],
  ]);
  expect(large).toEqual(['k'.repeat(2_500), expect.stringMatching(/^1000000 bytes, SHA-256 [0-9a-f]{64}$/)]);
});

test('rows of a keyless table come in the order of their texts, large values included', async () => {
  const setup =
    "CREATE TABLE t (j json, v text); INSERT INTO t SELECT '{}', repeat(chr(96 + i), 5000) FROM generate_series(1, 5) i; INSERT INTO t VALUES (NULL, 'x')";
  const rows = await read(setup, 't', ['j', 'v']);
  const texts = rows.map((row) => row[1] ?? '');
  expect(rows.at(-1)).toEqual([null, 'x']);
  expect(texts.slice(0, 5)).toEqual([...texts.slice(0, 5)].sort());
});
