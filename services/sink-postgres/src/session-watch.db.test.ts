import { parseConnectionUrl } from '@millrace/postgres/connection-url.js';
import { createDatabase, type TestDatabase } from '@millrace/testkit/servers.js';
import { TcpProxy } from '@millrace/testkit/tcp-proxy.js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openSinkSession } from './session.js';
import { watchSession } from './session-watch.js';
import { isConnectionLoss } from './sql-state.js';

let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase();
});

afterAll(async () => {
  await database[Symbol.asyncDispose]();
});

test('a statement whose server is gone without a word ends as a lost connection', async () => {
  const { proxy, url } = await TcpProxy.inFrontOf(database.url);
  const connection = parseConnectionUrl(url, 'target');
  const { client } = await openSinkSession(connection, 'millrace:watch:sink:1');
  await watchSession(client, connection, 100);
  proxy.halfOpen();
  const error = await client.query('SELECT 1').catch((reason: unknown) => reason);
  expect(isConnectionLoss(error)).toBe(true);
  await proxy[Symbol.asyncDispose]();
});

test('a server that works in silence is waited for', async () => {
  const connection = parseConnectionUrl(database.url, 'target');
  const { client } = await openSinkSession(connection, 'millrace:watch:sink:1');
  await watchSession(client, connection, 100);
  await client.query('SELECT pg_sleep(1)');
  expect((await client.query<{ one: number }>('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  await client.end();
});
