import { createDatabase, type TestDatabase } from '@millrace/testkit/servers.js';
import { Client } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Pipeline } from './pipeline.js';

let database: TestDatabase;
let client: Client;

beforeAll(async () => {
  database = await createDatabase();
  client = new Client({ connectionString: database.url });
  client.on('error', () => undefined);
  await client.connect();
});

afterAll(async () => {
  await client.end();
  await database[Symbol.asyncDispose]();
});

beforeEach(async () => {
  // Every test has a pipeline of its own in the one session.
  await client.query('DEALLOCATE ALL; DROP TABLE IF EXISTS t; CREATE TABLE t (id int PRIMARY KEY)');
});

const INSERT = 'INSERT INTO t VALUES ($1)';

async function ids(): Promise<readonly number[]> {
  const { rows } = await client.query<{ id: number }>('SELECT id FROM t ORDER BY id');
  return rows.map(({ id }) => id);
}

/** Counts the pieces that are written to the server's socket. */
function countWrites(): { readonly sent: () => number } {
  const { stream } = client.connection;
  let sent = 0;
  const write = stream._writev?.bind(stream);
  Object.assign(stream, {
    _writev: (...parameters: Parameters<NonNullable<typeof write>>) => {
      sent++;
      write?.(...parameters);
    },
  });
  return { sent: () => sent };
}

describe('statements of one flush', () => {
  test('are sent together, and each hears how many rows it wrote', async () => {
    const pipeline = new Pipeline(client);
    const wrote: number[] = [];
    const writes = countWrites();
    pipeline.add({ text: 'BEGIN' });
    for (const id of ['1', '2']) pipeline.add({ text: INSERT, values: [id], wrote: (rows) => wrote.push(rows) });
    pipeline.add({ text: 'UPDATE t SET id = id + 10', wrote: (rows) => wrote.push(rows) });
    pipeline.add({ text: 'COPY t FROM STDIN', input: Buffer.from('3\n4\n5\n'), wrote: (rows) => wrote.push(rows) });
    await pipeline.flush();
    expect(wrote).toEqual([1, 1, 2, 3]);
    expect(writes.sent()).toBe(1);
    await client.query('COMMIT');
    expect(await ids()).toEqual([3, 4, 5, 11, 12]);
  });

  test('what follows a refused one is not done, and the session goes on', async () => {
    const pipeline = new Pipeline(client);
    const wrote: string[] = [];
    pipeline.add({ text: INSERT, values: ['1'], wrote: () => wrote.push('first') });
    pipeline.add({ text: INSERT, values: ['1'], failed: (error) => new Error('named', { cause: error }) });
    pipeline.add({ text: 'COPY t FROM STDIN', input: Buffer.from('7\n'), wrote: () => wrote.push('third') });
    await expect(pipeline.flush()).rejects.toMatchObject({ message: 'named', cause: { code: '23505' } });
    expect(wrote).toEqual(['first']);
    expect(await ids()).toEqual([]);
    pipeline.add({ text: INSERT, values: ['9'] });
    await pipeline.flush();
    expect(await ids()).toEqual([9]);
  });

  test('the first failure is the one that is told, whether the server finds it or the count', async () => {
    const pipeline = new Pipeline(client);
    pipeline.add({ text: 'BEGIN' });
    pipeline.add({
      text: 'DELETE FROM t WHERE id = $1',
      values: ['5'],
      wrote: (rows) => {
        throw new Error(`${rows} rows`);
      },
    });
    pipeline.add({ text: 'INSERT INTO missing VALUES (1)' });
    await expect(pipeline.flush()).rejects.toThrow('0 rows');
    await client.query('ROLLBACK');
  });

  test('a COPY whose input is refused ends there', async () => {
    const pipeline = new Pipeline(client);
    pipeline.add({ text: 'COPY t FROM STDIN', input: Buffer.from('1\nnumber\n3\n') });
    pipeline.add({ text: INSERT, values: ['4'] });
    await expect(pipeline.flush()).rejects.toMatchObject({ code: '22P02' });
    expect(await ids()).toEqual([]);
  });
});

test('a text is parsed once in a session, also where a flush failed before it came to it', async () => {
  const pipeline = new Pipeline(client);
  const named = async (): Promise<unknown> =>
    (await client.query("SELECT count(*)::int AS n FROM pg_prepared_statements WHERE name LIKE 'millrace_bulk_%'")).rows[0];
  pipeline.add({ text: 'INSERT INTO missing VALUES (1)' });
  pipeline.add({ text: INSERT, values: ['1'] });
  await expect(pipeline.flush()).rejects.toMatchObject({ code: '42P01' });
  expect(await named()).toEqual({ n: 0 });
  for (const id of ['1', '2']) {
    pipeline.add({ text: INSERT, values: [id] });
    pipeline.add({ text: INSERT, values: [`${id}0`] });
    await pipeline.flush();
  }
  expect(await named()).toEqual({ n: 1 });
  expect(await ids()).toEqual([1, 2, 10, 20]);
});

test('the session is given out once everything sent has been answered', async () => {
  const pipeline = new Pipeline(client);
  pipeline.add({ text: INSERT, values: ['1'] });
  const session = await pipeline.client();
  expect((await session.query('SELECT FROM t')).rowCount).toBe(1);
  pipeline.add({ text: INSERT, values: ['1'] });
  await expect(pipeline.client()).rejects.toMatchObject({ code: '23505' });
});

test('a session that ends in the middle fails the flush', async () => {
  const other = new Client({ connectionString: database.url });
  other.on('error', () => undefined);
  await other.connect();
  const pipeline = new Pipeline(other);
  // Nobody waits for it: it is what the server is at when the session ends.
  pipeline.add({ text: 'SELECT pg_sleep(60)' });
  const flushed = pipeline.flush();
  other.connection.stream.destroy();
  await expect(flushed).rejects.toThrow('Connection terminated');
  pipeline.add({ text: 'SELECT 1' });
  await expect(pipeline.flush()).rejects.toThrow();
});
