import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../servers.js';
import { createPrefix, isPrefix, PREFIX_STEP, readPrefix } from './prefix.js';

let database: TestDatabase;
let client: pg.Client;

beforeAll(async () => {
  database = await createDatabase();
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await createPrefix(client);
  for (let step = 0; step < 120; step += 1) await client.query(PREFIX_STEP.text);
});

afterAll(async () => {
  await client.end();
  await database[Symbol.asyncDispose]();
});

beforeEach(async () => {
  await client.query('BEGIN');
  return async () => {
    await client.query('ROLLBACK');
  };
});

test('the history as it was written is a prefix, at every step, also after the first batches are gone', async () => {
  expect(await readPrefix(client)).toEqual({ counter: 120, lost: 0, duplicated: 0, torn: 0, differences: [] });
  await client.query('SELECT prefix.step() FROM generate_series(1, 1100)');
  const reading = await readPrefix(client);
  expect(reading.counter).toBe(1_220);
  expect(reading.differences).toEqual([]);
  expect(isPrefix(reading)).toBe(true);
});

test('a dropped transaction is caught as lost', async () => {
  for (const table of ['ledger_a', 'ledger_b', 'ledger_c']) await client.query(`DELETE FROM prefix.${table} WHERE n = 77`);
  expect(await readPrefix(client)).toMatchObject({ lost: 1, duplicated: 0 });
});

test('a transaction applied twice is caught as duplicated', async () => {
  await client.query('INSERT INTO prefix.ledger_c VALUES (77, NULL)');
  expect(await readPrefix(client)).toMatchObject({ lost: 0, duplicated: 1, torn: 0 });
});

test('a transaction of which one row is missing is caught as torn', async () => {
  await client.query('DELETE FROM prefix.ledger_b WHERE n = 120');
  expect(await readPrefix(client)).toMatchObject({ lost: 0, duplicated: 0, torn: 1 });
});

test('a batch that is there in part is caught as torn', async () => {
  await client.query('DELETE FROM prefix.batch WHERE n = 100 AND i > 50');
  expect(await readPrefix(client)).toMatchObject({ torn: 1, differences: ['torn: 1 (batch 100: 50 rows instead of 100)'] });
});

test('two transactions applied in the wrong order are caught, by the row that the later one should have left', async () => {
  await client.query('UPDATE prefix.cells SET last = last - 32 WHERE cell = 120 % 32');
  expect(await readPrefix(client)).toMatchObject({ torn: 1 });
});

test('a transaction ahead of the counter is caught as torn', async () => {
  await client.query(
    "INSERT INTO prefix.ledger_a VALUES (121, 0, now()); INSERT INTO prefix.ledger_b VALUES (121, ''); INSERT INTO prefix.ledger_c VALUES (121, '')",
  );
  expect(await readPrefix(client)).toMatchObject({ lost: 0, torn: 1 });
});

test('a lost TOASTed value is caught', async () => {
  await client.query("UPDATE prefix.cells SET document = '' WHERE cell = 5");
  expect(await readPrefix(client)).toMatchObject({ torn: 1 });
});
