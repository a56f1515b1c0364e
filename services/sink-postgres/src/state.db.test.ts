import { tableWithoutColumns } from '@millrace/codec/testing/plain-tables.js';
import type { LoadChunk } from '@millrace/contract/load.js';
import type { Checkpoint, Position } from '@millrace/contract/position.js';
import type { TableSchema } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { closeSession } from '@millrace/postgres/connect.js';
import { parseConnectionUrl } from '@millrace/postgres/connection-url.js';
import { createDatabase, type TestDatabase, waitUntil } from '@millrace/testkit/servers.js';
import type { Client } from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { takeOver } from './claim.js';
import { openSinkSession } from './session.js';
import { sinkName } from './sink-name.js';
import { TaskState } from './state.js';
import { createStateSchema } from './state-schema.js';
import { inTransaction } from './transaction.js';

const TASK = 'orders to "dr"; --';
const state = new TaskState(TASK);
const at = (lsn: number): Position => ({ source: '7312-5', timeline: 1, key: lsn.toString(16).padStart(16, '0') });
const checkpoint = (position: Position | null): Checkpoint => ({
  journal: 'j1',
  epoch: 9_007_199_254_740_993n,
  seq: -1n,
  nextOffset: 9_007_199_254_740_995n,
  position,
});
const accounts = { schema: 'public', table: 'acc"ounts.x' };
const schema: TableSchema = tableWithoutColumns(accounts);

let database: TestDatabase;
const opened: Client[] = [];

async function session(name = sinkName(TASK, 0n, 'claim')): Promise<Client> {
  const { client } = await openSinkSession(parseConnectionUrl(database.url, 'target'), name);
  opened.push(client);
  return client;
}

const claim = (client: Client, definition = 'd1', task = TASK): Promise<bigint> =>
  takeOver(client, { task, state: new TaskState(task), definition });
const codeOf = (error: unknown): string => (error instanceof MillraceError ? error.code : String(error));

/** As after the Schema event that names the load, and the preparation for its attempt. */
async function prepareLoad(client: Client, load: string, attempt: number): Promise<void> {
  await state.awaitLoad(client, accounts, schema, load);
  await state.prepared(client, accounts, { load, attempt, wasEmpty: true });
}

type MarkedChunk = Pick<LoadChunk, 'load' | 'index' | 'attempt' | 'asOf' | 'keys'>;

function chunkOf(load: string, attempt: number, lsn: number, index = 0): MarkedChunk {
  return { load, index, attempt, asOf: at(lsn), keys: null };
}

async function somebodyWaits(watcher: Client, what: string): Promise<void> {
  const waiting = async (): Promise<boolean> => {
    const { rowCount } = await watcher.query(
      `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`,
    );
    return rowCount !== 0;
  };
  await waitUntil(waiting, { what, deadlineMs: 10_000 });
}

beforeEach(async () => {
  database = await createDatabase();
});

afterEach(async () => {
  await Promise.all(opened.splice(0).map(closeSession));
  await database[Symbol.asyncDispose]();
});

test('reading the state of a target that Millrace never wrote to leaves nothing behind', async () => {
  const client = await session();
  expect(await state.read(client)).toEqual({ checkpoint: null, tables: [], definition: null });
  const { rows } = await client.query(`SELECT count(*)::int AS schemas FROM pg_namespace WHERE nspname = 'millrace'`);
  expect(rows).toEqual([{ schemas: 0 }]);
});

test('many sinks may make the state tables at once', async () => {
  const clients = await Promise.all(Array.from({ length: 8 }, () => session()));
  await Promise.all(clients.map(createStateSchema));
});

test('sinks that race for one task each get a generation of their own', async () => {
  const clients = await Promise.all(Array.from({ length: 6 }, () => session()));
  const generations = await Promise.all(clients.map((client) => claim(client)));
  expect(generations.toSorted()).toEqual([1n, 2n, 3n, 4n, 5n, 6n]);
});

test('a first checkpoint is read back whole, beyond 2^53 and with its position', async () => {
  const client = await session();
  const first = checkpoint(at(0x16b3748));
  await state.initialize(client, await claim(client), first);
  expect((await state.read(client)).checkpoint).toEqual(first);
});

test('an older generation can neither initialize nor load', async () => {
  const [older, newer] = [await session(), await session()];
  const generation = await claim(older);
  await claim(newer);
  expect(codeOf(await state.initialize(older, generation, checkpoint(null)).catch((error: unknown) => error))).toBe(
    'SINK_FENCED',
  );
  expect(codeOf(await inTransaction(older, () => state.hold(older, generation)).catch((error: unknown) => error))).toBe(
    'SINK_FENCED',
  );
});

test('a start that is refused for another definition leaves the running sink in force', async () => {
  const [running, refused] = [await session(), await session()];
  const generation = await claim(running, 'd1');
  expect(codeOf(await claim(refused, 'd2').catch((error: unknown) => error))).toBe('TASK_CHANGED');
  await inTransaction(running, () => state.hold(running, generation));
});

test('a chunk that is being loaded does not hold up a group of other tables', async () => {
  const [loader, applier] = [await session(), await session()];
  const generation = await claim(applier);
  await state.initialize(applier, generation, checkpoint(null));
  await inTransaction(loader, async () => {
    await state.hold(loader, generation);
    await applier.query(`SET lock_timeout = '2s'`);
    const { rowCount } = await applier.query('UPDATE millrace.checkpoint SET seq = 0 WHERE task = $1 AND generation = $2', [
      TASK,
      generation,
    ]);
    expect(rowCount).toBe(1);
  });
});

test('a newer sink waits for the chunk that an older one is committing', async () => {
  const [older, newer] = [await session(), await session()];
  const generation = await claim(older);
  let claimed = false;
  let taken: Promise<void> | undefined;
  await inTransaction(older, async () => {
    await state.hold(older, generation);
    taken = claim(newer).then(() => {
      claimed = true;
    });
    const watcher = await session();
    await somebodyWaits(watcher, 'the claim to wait');
    expect(claimed).toBe(false);
  });
  await taken;
  expect(claimed).toBe(true);
});

test.each([TASK, 'a-task-with-a-name-that-is-longer-than-an-application-name-can-be-in-postgresql'])(
  'a silent sink that holds its claim is ended by the next one, and rolls back (%s)',
  async (task) => {
    const silent = await session(sinkName(task, 1n, 'apply'));
    const generation = await claim(silent, 'd1', task);
    await silent.query('CREATE TABLE public.seen (n int)');
    await silent.query('BEGIN');
    await new TaskState(task).hold(silent, generation);
    await silent.query('UPDATE millrace.checkpoint SET seq = 5 WHERE task = $1', [task]);
    await silent.query('INSERT INTO public.seen VALUES (1)');
    const next = await session(sinkName(task, 0n, 'claim'));
    expect(await claim(next, 'd1', task)).toBe(2n);
    const { rows } = await next.query('SELECT count(*)::int AS n FROM public.seen');
    expect(rows).toEqual([{ n: 0 }]);
  },
);

test('a sink that is only claiming is not ended by another one', async () => {
  const [silent, claiming, next] = [await session(sinkName(TASK, 1n, 'apply')), await session(), await session()];
  const generation = await claim(silent);
  await silent.query('BEGIN');
  await state.hold(silent, generation);
  const generations = await Promise.all([claim(claiming), claim(next)]);
  expect(generations.toSorted()).toEqual([2n, 3n]);
});

test('the sessions of another task are not ended, though its name begins alike', async () => {
  const [mine, other] = [await session(sinkName('a', 1n, 'apply')), await session(sinkName('a:sink:1', 1n, 'apply'))];
  const generation = await claim(mine, 'd1', 'a');
  await mine.query('BEGIN');
  await new TaskState('a').hold(mine, generation);
  expect(await claim(await session(), 'd1', 'a')).toBe(2n);
  expect((await other.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
});

test('#11 a chunk is marked once, and a repeat or a rival finds it marked', async () => {
  const [one, two] = [await session(), await session()];
  await claim(one);
  await prepareLoad(one, '5.1', 1);
  const chunk = chunkOf('5.1', 1, 10);
  expect(await inTransaction(one, () => state.markChunk(one, accounts, chunk))).toBe(true);
  expect(await inTransaction(two, () => state.markChunk(two, accounts, { ...chunk, attempt: 2 }))).toBe(false);
  expect(await state.chunksOf(one, accounts, '5.1')).toEqual([0]);
});

test('a chunk of a load or an attempt that no longer counts is passed over', async () => {
  const client = await session();
  await claim(client);
  await prepareLoad(client, '5.1', 2);
  expect(await inTransaction(client, () => state.markChunk(client, accounts, chunkOf('5.1', 1, 10)))).toBe(false);
  await prepareLoad(client, '5.2', 1);
  expect(await inTransaction(client, () => state.markChunk(client, accounts, chunkOf('5.1', 2, 10)))).toBe(false);
  expect(await inTransaction(client, () => state.markChunk(client, accounts, chunkOf('5.2', 1, 20)))).toBe(true);
});

test('chunks of one table are loaded at once, and a later load of it waits for them', async () => {
  const [one, two, applier, watcher] = [await session(), await session(), await session(), await session()];
  await claim(applier);
  await prepareLoad(applier, '5.1', 1);
  await two.query('BEGIN');
  expect(await state.markChunk(two, accounts, chunkOf('5.1', 1, 10, 1))).toBe(true);
  await inTransaction(one, async () => {
    expect(await state.markChunk(one, accounts, chunkOf('5.1', 1, 10, 0))).toBe(true);
    await state.countChunk(one, accounts, { load: '5.1', index: 0 }, 7n);
  });
  const later = inTransaction(applier, () => prepareLoad(applier, '5.2', 1));
  await somebodyWaits(watcher, 'the later load to wait');
  await state.countChunk(two, accounts, { load: '5.1', index: 1 }, 8n);
  await two.query('COMMIT');
  await later;
  expect(await state.chunksOf(one, accounts, '5.1')).toEqual([]);
});

test('#55 a finished load covers the changes up to its snapshot', async () => {
  const client = await session();
  await claim(client);
  await prepareLoad(client, '5.1', 1);
  for (const index of [0, 1]) {
    await state.markChunk(client, accounts, chunkOf('5.1', 1, 10, index));
    await state.countChunk(client, accounts, { load: '5.1', index }, 21n);
  }
  await state.finishLoad(client, accounts, '5.1');
  const [table] = (await state.read(client)).tables;
  expect(table).toMatchObject({ state: 'completed', load: '5.1', asOf: at(10), counts: { rowsLoaded: 42n }, error: null });
});

test('#11 a load whose chunks are of two snapshots is not finished as if they were of one', async () => {
  const client = await session();
  await claim(client);
  await prepareLoad(client, '5.1', 1);
  await state.markChunk(client, accounts, chunkOf('5.1', 1, 10, 0));
  await state.markChunk(client, accounts, chunkOf('5.1', 2, 20, 1));
  expect(codeOf(await state.finishLoad(client, accounts, '5.1').catch((error: unknown) => error))).toBe('INTERNAL');
});

test('#13 a load whose chunks are of two snapshots is finished where each says its keys, and covers each by its own snapshot', async () => {
  const client = await session();
  await claim(client);
  await prepareLoad(client, '5.1', 1);
  const keys = (from: string | null, to: string | null) => ({ column: 'id', order: 'integer' as const, from, to });
  await state.markChunk(client, accounts, { ...chunkOf('5.1', 2, 20, 0), keys: keys(null, '7') });
  await state.markChunk(client, accounts, { ...chunkOf('5.1', 1, 10, 1), keys: keys('7', null) });
  const loaded = await state.finishLoad(client, accounts, '5.1');
  const [table] = (await state.read(client)).tables;
  expect(table).toMatchObject({ state: 'completed', ...loaded });
  expect(loaded).toEqual({
    asOf: at(20),
    chunksApplied: [
      { index: 0, asOf: at(20), keys: keys(null, '7') },
      { index: 1, asOf: at(10), keys: keys('7', null) },
    ],
  });
});

test('removing one task keeps the others, and the last one takes the schema with it', async () => {
  const client = await session();
  await claim(client, 'd1', 'one');
  await claim(client, 'd1', 'two');
  await inTransaction(client, () => new TaskState('one').remove(client));
  expect((await new TaskState('two').read(client)).definition).toBe('d1');
  await inTransaction(client, () => new TaskState('two').remove(client));
  expect((await client.query(`SELECT 1 FROM pg_namespace WHERE nspname = 'millrace'`)).rowCount).toBe(0);
  expect(await inTransaction(client, () => state.remove(client))).toEqual([]);
});

test('a task that is claimed while the last other one is removed keeps its claim', async () => {
  const [remover, starter] = [await session(), await session()];
  await claim(remover, 'd1', 'old');
  await starter.query('BEGIN');
  await starter.query(`INSERT INTO millrace.checkpoint (task, definition, generation) VALUES ('new', 'd1', 1)`);
  const removed = inTransaction(remover, () => new TaskState('old').remove(remover));
  const watcher = await session();
  await somebodyWaits(watcher, 'the removal to wait');
  await starter.query('COMMIT');
  await removed;
  expect((await new TaskState('new').read(starter)).definition).toBe('d1');
});
