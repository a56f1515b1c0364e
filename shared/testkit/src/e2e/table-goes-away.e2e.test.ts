import { join } from 'node:path';
import type { LoadRecord } from '@millrace/codec/load-record.js';
import { openLoadTopic } from '@millrace/journal/load-topic.js';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { crashOnceAt } from '../crash-points.js';
import {
  createDatabase,
  removeFolder,
  scratchFolder,
  sharedServers,
  type TestDatabase,
  waitUntil,
  withClient,
} from '../servers.js';
import type { CommandEnd, MillraceCommand } from './millrace-command.js';
import { ReplicationPair, told } from './replication-pair.js';

/** Twice as many chunks as are read at once: the lock is had when the first are read, and the others wait for it. */
const ROWS = 400_000;

const TABLES = `
  CREATE SCHEMA app;
  CREATE TABLE app.going (id bigint PRIMARY KEY, filler text NOT NULL);
  INSERT INTO app.going SELECT i, repeat(md5(i::text), 3) FROM generate_series(1, ${ROWS}) i;
  CREATE TABLE app.staying (id bigint PRIMARY KEY);
  INSERT INTO app.staying SELECT generate_series(1, 1000);
  ANALYZE app.going, app.staying`;

/** A session that has the table to itself, so that its load stands still, until the session does away with the table. */
class Owner implements AsyncDisposable {
  private constructor(readonly client: pg.Client) {}

  /** Takes the table once the task has its slot, which would wait for the lock's transaction, and waits until the load waits for it. */
  static async take(pair: ReplicationPair): Promise<Owner> {
    const client = new pg.Client(pair.urls.source);
    await client.connect();
    await waitUntil(
      // It is listed before it is consistent, and to be that it would wait for the lock's transaction.
      () =>
        finds(
          client,
          'SELECT FROM pg_replication_slots WHERE database = current_database() AND NOT temporary AND confirmed_flush_lsn IS NOT NULL',
        ),
      {
        what: 'the slot',
        deadlineMs: 60_000,
        everyMs: 5,
      },
    );
    await client.query('BEGIN; LOCK TABLE app.going IN ACCESS EXCLUSIVE MODE');
    await waitUntil(
      () =>
        finds(
          pair.source,
          `SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'millrace%' AND wait_event_type = 'Lock'`,
        ),
      { what: 'the load to wait for the lock', deadlineMs: 60_000 },
    );
    return new Owner(client);
  }

  async does(statement: string): Promise<void> {
    await this.client.query(`${statement}; COMMIT`);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.client.end();
  }
}

async function finds(client: pg.Client, sql: string): Promise<boolean> {
  return ((await client.query(sql)).rowCount ?? 0) > 0;
}

async function controlRecords(pair: ReplicationPair): Promise<readonly LoadRecord[]> {
  const { signal } = new AbortController();
  await using topic = await openLoadTopic({
    kafka: { brokers: (await sharedServers().kafka()).split(','), tls: null, sasl: null },
    registry: { url: await sharedServers().registry(), login: null },
    topic: `${pair.flags[1] ?? ''}.load`,
    create: false,
    signal,
  });
  await using writer = topic.writer(0n, signal);
  const records: LoadRecord[] = [];
  for await (const record of writer.controlRecords(signal)) records.push(record);
  return records;
}

interface Ending {
  /** Tables of the target's schema, and the task's, with their states. */
  readonly tables: readonly string[];
  readonly states: Readonly<Record<string, string>>;
}

/** Runs on until the stream has brought a last row, and tells how things stand. */
async function ending(pair: ReplicationPair): Promise<Ending> {
  await pair.source.query('INSERT INTO app.staying VALUES (-1)');
  const end = await pair.run('caught-up');
  expect(end.code, told(end)).toBe(0);
  expect(await finds(pair.target, 'SELECT FROM app.staying WHERE id = -1')).toBe(true);
  return await standing(pair);
}

async function standing(pair: ReplicationPair): Promise<Ending> {
  const tables = await pair.target.query<{ name: string }>(
    `SELECT tablename AS name FROM pg_tables WHERE schemaname = 'app' ORDER BY 1`,
  );
  const states = await pair.target.query<{ name: string; state: string }>(
    'SELECT source_table AS name, state FROM millrace.table_state ORDER BY 1',
  );
  return {
    tables: tables.rows.map(({ name }) => name),
    states: Object.fromEntries(states.rows.map(({ name, state }) => [name, state])),
  };
}

async function stopped(millrace: MillraceCommand): Promise<CommandEnd> {
  millrace.signal('SIGTERM');
  return await millrace.ended;
}

/** Made once: a copy takes a fraction of the time. */
let tables: TestDatabase;

beforeAll(async () => {
  tables = await createDatabase();
  await withClient(tables.url, (client) => client.query(TABLES));
});

afterAll(() => tables[Symbol.asyncDispose]());

async function withPair(work: (pair: ReplicationPair) => Promise<void>, include: readonly string[] = ['app.%']): Promise<void> {
  await using pair = await ReplicationPair.create({ include, sourceTemplate: tables.name });
  await work(pair);
}

const GONE: Ending = { tables: ['staying'], states: { staying: 'completed' } };

test('a table that is dropped while it is loaded is dropped in the target, and the others go on', async () => {
  await withPair(async (pair) => {
    await using millrace = await pair.start();
    await using owner = await Owner.take(pair);
    await owner.does('DROP TABLE app.going');
    await millrace.line(({ event }) => event === 'loaded', 'the load');
    const end = await stopped(millrace);
    expect(end.code, told(end)).toBe(0);
    expect(end.lines.filter(({ event }) => event === 'restarting')).toEqual([]);
    const records = await controlRecords(pair);
    expect(records.filter(({ kind }) => kind === 'cancelled')).toMatchObject([{ table: { table: 'going' }, error: null }]);
    expect(await ending(pair)).toEqual(GONE);
  });
});

test.each<[string, readonly string[], Ending]>([
  [
    'within the selection comes under its new name',
    ['app.%'],
    { tables: ['staying', 'went'], states: { staying: 'completed', went: 'completed' } },
  ],
  ['out of the selection goes', ['app.going', 'app.staying'], GONE],
])('a table that is renamed while it is loaded, %s', async (_, include, expected) => {
  await withPair(async (pair) => {
    await using millrace = await pair.start();
    await using owner = await Owner.take(pair);
    await owner.does('ALTER TABLE app.going RENAME TO went');
    await millrace.line(({ event }) => event === 'loaded', 'the load', 120_000);
    const end = await stopped(millrace);
    expect(end.code, told(end)).toBe(0);
    expect(await ending(pair)).toEqual(expected);
    const verified = await pair.verify();
    expect(verified.code, told(verified)).toBe(0);
  }, include);
});

test('a table that was dropped while the task was away, in the middle of its load, is gone when it is back', async () => {
  await withPair(async (pair) => {
    await using millrace = await pair.start();
    await using owner = await Owner.take(pair);
    millrace.signal('SIGKILL');
    await millrace.ended;
    await owner.does('DROP TABLE app.going');
    const end = await pair.run('loaded');
    expect(end.code, told(end)).toBe(0);
    expect(await ending(pair)).toEqual(GONE);
  });
});

test.each(['load-cancelling', 'load-cancelled', 'load-superseded'])(
  'a worker that is killed at %s ends the load of a dropped table in the same way',
  async (point) => {
    const folder = await scratchFolder();
    try {
      await withPair(async (pair) => {
        await using millrace = await pair.start(crashOnceAt(point, join(folder, 'crashed')));
        await using owner = await Owner.take(pair);
        await owner.does('DROP TABLE app.going');
        await millrace.line(({ event }) => event === 'restarting', 'a worker that was killed');
        await millrace.line(({ event }) => event === 'loaded', 'the load');
        expect((await stopped(millrace)).code).toBe(0);
        expect(await ending(pair)).toEqual(GONE);
      });
    } finally {
      await removeFolder(folder);
    }
  },
);

test('a table that can never be read is set aside alone, with what is wrong', async () => {
  await withPair(async (pair) => {
    await pair.source.query(`CREATE TYPE app.broken AS ENUM ('lost', 'kept'); CREATE TABLE app.holding (id int PRIMARY KEY, b app.broken);
      INSERT INTO app.holding VALUES (1, 'lost'); DELETE FROM pg_enum WHERE enumtypid = 'app.broken'::regtype AND enumlabel = 'lost'`);
    const end = await pair.run('caught-up');
    expect(end.code, told(end)).toBe(3);
    expect((await standing(pair)).states).toEqual({ going: 'completed', holding: 'error', staying: 'completed' });
    const { rows } = await pair.target.query(
      `SELECT error_code, error_message FROM millrace.table_state WHERE source_table = 'holding'`,
    );
    expect(rows).toEqual([{ error_code: 'TABLE_UNREADABLE', error_message: expect.stringContaining('app.holding') }]);
  });
});

test('a rewritten table whose target had rows of its own is set aside alone, and the others go on', async () => {
  await using pair = await ReplicationPair.create({ include: ['app.%'], migrationType: 'cdc' });
  const tables = `CREATE SCHEMA app; CREATE TABLE app.rewritten (id int PRIMARY KEY, n int NOT NULL); INSERT INTO app.rewritten VALUES (1, 1);
    CREATE TABLE app.staying (id bigint PRIMARY KEY)`;
  await pair.source.query(tables);
  await pair.target.query(tables);
  const first = await pair.run('caught-up');
  expect(first.code, told(first)).toBe(0);
  await pair.source.query('ALTER TABLE app.rewritten ALTER COLUMN n TYPE int USING n * 2; INSERT INTO app.staying VALUES (1)');
  const end = await pair.run('caught-up');
  expect(end.code, told(end)).toBe(3);
  expect((await standing(pair)).states).toEqual({ rewritten: 'error', staying: 'completed' });
  const { rows } = await pair.target.query(
    'SELECT error_code, (SELECT array_agg(id::int) FROM app.staying) AS ids, (SELECT array_agg(n) FROM app.rewritten) AS kept FROM millrace.table_state WHERE error_code IS NOT NULL',
  );
  expect(rows).toEqual([{ error_code: 'LOAD_RESTART_NOT_EMPTY', ids: [1], kept: [1] }]);
});
