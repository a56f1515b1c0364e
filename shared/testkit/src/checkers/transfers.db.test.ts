import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../servers.js';
import { commitSteadily } from './steady-load.js';
import { createTransfers, readTransfers, TRANSFER } from './transfers.js';

// The checker is itself tested: any database is as good a target as another, so each fault of a sink is put into one by hand.

const ACCOUNTS = 5;
let database: TestDatabase;
let client: pg.Client;

beforeAll(async () => {
  database = await createDatabase();
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await createTransfers(client, ACCOUNTS);
});

afterAll(async () => {
  await client.end();
  await database[Symbol.asyncDispose]();
});

test('every sum holds at every moment of concurrent transfers', async () => {
  const stop = new AbortController();
  const running = commitSteadily(
    { engine: 'postgres', url: database.url, perSecond: 2_000, connections: 3, statement: () => TRANSFER },
    stop.signal,
  );
  for (let moves = 0; moves < 150; ) {
    const reading = await readTransfers(client, ACCOUNTS);
    expect(reading.differences).toEqual([]);
    moves = reading.moves;
  }
  stop.abort();
  expect(await running).toMatchObject({ unknown: 0 });
});

beforeEach(async () => {
  await client.query('BEGIN');
  return async () => {
    await client.query('ROLLBACK');
  };
});

const MOVE_ONE =
  'UPDATE transfers.checking SET balance = balance - 5 WHERE id = 1; UPDATE transfers.savings SET balance = balance + 5 WHERE id = 2';

test.each<[fault: string, statement: string, found: RegExp]>([
  ['half of a transfer', 'UPDATE transfers.checking SET balance = balance - 5 WHERE id = 1', /a total of 9995 instead of 10000/],
  ['a transfer without its record, though the total holds', MOVE_ONE, /savings 2 holds/],
  [
    'a record without its transfer',
    'INSERT INTO transfers.moves (debited, credited, amount) VALUES (1, 2, 7)',
    /checking 1 holds/,
  ],
  [
    'a record that came twice',
    'ALTER TABLE transfers.moves DROP CONSTRAINT moves_pkey; INSERT INTO transfers.moves OVERRIDING SYSTEM VALUE VALUES (1, 1, 1, 0), (1, 1, 1, 0)',
    /moves more than once/,
  ],
  ['a lost account', 'DELETE FROM transfers.savings WHERE id = 1', /9 accounts instead of 10/],
  ['an account too many', 'INSERT INTO transfers.savings VALUES (0, 0)', /11 accounts instead of 10/],
])('%s is caught', async (_, statement, found) => {
  await client.query(statement);
  expect((await readTransfers(client, ACCOUNTS)).differences.join('; ')).toMatch(found);
});
