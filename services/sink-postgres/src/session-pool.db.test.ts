import type { Writable } from 'node:stream';
import { deferred } from '@millrace/flow/deferred.js';
import { parseConnectionUrl } from '@millrace/postgres/connection-url.js';
import { createDatabase, type TestDatabase, withClient } from '@millrace/testkit/servers.js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openSinkSession, type SinkSession } from './session.js';
import { SessionPool } from './session-pool.js';

let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase();
});

afterAll(async () => {
  await database[Symbol.asyncDispose]();
});

const poolOf = (size: number): SessionPool =>
  new SessionPool(size, () => openSinkSession(parseConnectionUrl(database.url, 'target'), 'millrace:pool:sink:1:load'));

async function pidOf({ client }: SinkSession): Promise<number> {
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  return rows[0]?.pid ?? 0;
}

test('a session is used again, also after a statement of it failed', async () => {
  await using pool = poolOf(1);
  const first = await pool.use(pidOf);
  await expect(pool.use(({ client }) => client.query('SELECT 1/0'))).rejects.toThrow('division by zero');
  expect(await pool.use(pidOf)).toBe(first);
});

test('no more sessions than the limit are in use at once', async () => {
  await using pool = poolOf(2);
  let inUse = 0;
  let most = 0;
  const work = async (session: SinkSession): Promise<void> => {
    inUse += 1;
    most = Math.max(most, inUse);
    await session.client.query('SELECT pg_sleep(0.02)');
    inUse -= 1;
  };
  await Promise.all(Array.from({ length: 8 }, () => pool.use(work)));
  expect(most).toBe(2);
});

test('a session that the server ended is not used again', async () => {
  await using pool = poolOf(1);
  const first = await pool.use(pidOf);
  await withClient(database.url, async (client) => void (await client.query('SELECT pg_terminate_backend($1, 5000)', [first])));
  await pool.use(pidOf).catch(() => undefined);
  expect(await pool.use(pidOf)).not.toBe(first);
});

test('a session that was left in a transaction is not used again', async () => {
  await using pool = poolOf(1);
  const first = await pool.use(async (session) => {
    const pid = await pidOf(session);
    await session.client.query('BEGIN');
    return pid;
  });
  expect(await pool.use(pidOf)).not.toBe(first);
});

test('a session in use while the pool is closed ends with its work', async () => {
  const pool = poolOf(1);
  const [started, goOn] = [deferred(), deferred()];
  let stream: Writable | undefined;
  const work = pool.use(async (session) => {
    stream = session.client.connection.stream;
    started.resolve();
    await goOn.promise;
  });
  await started.promise;
  await pool[Symbol.asyncDispose]();
  goOn.resolve();
  await work;
  expect(stream?.writable).toBe(false);
  await expect(pool.use(pidOf)).rejects.toMatchObject({ code: 'INTERNAL' });
});
