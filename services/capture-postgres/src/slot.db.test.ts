import type { SnapshotTable } from '@millrace/contract/load.js';
import type { Position } from '@millrace/contract/position.js';
import type { TableVersion } from '@millrace/contract/table.js';
import { parseConnectionUrl } from '@millrace/postgres/connection-url.js';
import { scratchFolder, startPostgres, waitUntil } from '@millrace/testkit/servers.js';
import { expect, test } from 'vitest';
import { createPostgresSource } from './connector.js';
import { formatLsn, parseLsn } from './lsn.js';
import { captureNames } from './names.js';
import { ReplicationStream } from './replication-stream.js';
import { openSession } from './session.js';
import { CaptureHarness, selectPublic } from './testing/capture-harness.js';

async function started(setup = 'CREATE TABLE t (id int PRIMARY KEY)', selector = selectPublic()): Promise<CaptureHarness> {
  const capture = await CaptureHarness.open(selector);
  await capture.sql.query(setup);
  await capture.first();
  return capture;
}

const ids = (capture: CaptureHarness) =>
  capture.journal.changes.map((change) => (change.kind === 'insert' ? change.after['id'] : change.kind));

test('#1 neither keepalives nor time acknowledge a transaction that the journal does not hold', async () => {
  await using capture = await CaptureHarness.open();
  // A server that gives up a silent client this soon makes statuses and keepalives come by the second.
  await capture.sql.query(
    `CREATE TABLE t (id int PRIMARY KEY); ALTER DATABASE ${capture.database.name} SET wal_sender_timeout = '3s'`,
  );
  await capture.first();
  capture.acknowledging = false;
  const before = (await capture.slot()).confirmed;
  await capture.sql.query('INSERT INTO t VALUES (1)');
  await capture.caughtUp();
  // A keepalive that wants an answer, and several ticks of the status timer, have passed when the server has seen two replies.
  const replies = new Set<string>();
  await waitUntil(
    async () => {
      const { rows } = await capture.sql.query<{ at: string }>(
        `SELECT reply_time::text AS at FROM pg_stat_replication WHERE application_name LIKE 'millrace:' || $1 || ':%' AND reply_time IS NOT NULL`,
        [capture.identity.task],
      );
      for (const { at } of rows) replies.add(at);
      return replies.size >= 5;
    },
    { what: 'five status messages', deadlineMs: 30_000 },
  );
  expect((await capture.slot()).confirmed).toBe(before);
  await capture.stop();
  expect((await capture.slot()).confirmed).toBe(before);
});

test('#2 #8 an acknowledgement reaches the slot at once when the stream ends, and nothing behind it does', async () => {
  await using capture = await started();
  capture.acknowledging = false;
  await capture.sql.query('INSERT INTO t VALUES (1)');
  await capture.sql.query('INSERT INTO t VALUES (2)');
  await capture.caughtUp();
  const [first] = capture.journal.commits;
  if (first === undefined) throw new Error('no commit');
  capture.source.acknowledge(first);
  await capture.stop();
  await waitUntil(async () => !(await capture.slot()).active, { what: 'the slot is free', deadlineMs: 5_000 });
  expect((await capture.slot()).confirmed).toBe(formatLsn(first.key));
});

test('#3 #4 #8 a capture that goes on from the journal takes each transaction behind it once, wherever the slot stands', async () => {
  await using capture = await started();
  capture.acknowledging = false;
  for (let id = 1; id <= 5; id++) await capture.sql.query(`INSERT INTO t VALUES (${id}), (${-id})`);
  await capture.caughtUp();
  await capture.stop();
  const commits = capture.journal.commits;
  expect(ids(capture)).toEqual([1, -1, 2, -2, 3, -3, 4, -4, 5, -5]);
  // The slot still stands at the beginning, so the server sends all of them again.
  for (const [index, position] of commits.entries()) {
    capture.journal.events.length = 0;
    await capture.again(position);
    await capture.caughtUp();
    await capture.stop();
    expect(ids(capture)).toEqual([1, 2, 3, 4, 5].slice(index + 1).flatMap((id) => [id, -id]));
  }
});

test('#4 a relation that is announced in a dropped transaction is known in the next one', async () => {
  await using capture = await started();
  capture.acknowledging = false;
  await capture.sql.query('INSERT INTO t VALUES (1)');
  await capture.caughtUp();
  await capture.stop();
  const position = capture.journal.position;
  await capture.sql.query('INSERT INTO t VALUES (2)');
  capture.journal.events.length = 0;
  await capture.again(position);
  await capture.caughtUp();
  expect(ids(capture)).toEqual([2]);
  await capture.stop();
});

test('#5 #6 a slot that was dropped, or dropped and made anew, is refused', async () => {
  await using capture = await started();
  await capture.sql.query('INSERT INTO t VALUES (1)');
  await capture.caughtUp();
  await capture.stop();
  const { name } = await capture.slot();
  await capture.sql.query('SELECT pg_drop_replication_slot($1)', [name]);
  await expect(capture.again()).rejects.toMatchObject({ code: 'SLOT_MISSING', class: 'operator' });
  await capture.sql.query('INSERT INTO t VALUES (2)');
  await capture.sql.query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [name]);
  await expect(capture.again()).rejects.toMatchObject({ code: 'SLOT_AHEAD_OF_JOURNAL' });
});

test('#18 a slot that something else advanced past the journal is refused, not streamed from there', async () => {
  await using capture = await started();
  await capture.sql.query('INSERT INTO t VALUES (1)');
  await capture.caughtUp();
  await capture.stop();
  const { name } = await capture.slot();
  await capture.sql.query('INSERT INTO t VALUES (2)');
  await waitUntil(async () => !(await capture.slot()).active, { what: 'the slot is free', deadlineMs: 5_000 });
  await capture.sql.query('SELECT pg_replication_slot_advance($1, pg_current_wal_insert_lsn())', [name]);
  await expect(capture.again()).rejects.toMatchObject({ code: 'SLOT_AHEAD_OF_JOURNAL' });
});

test("#9 on an idle database the log of others' work is acknowledged by progress, so that nothing pins it", async () => {
  await using capture = await started(
    'CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE busy (id int)',
    selectPublic((table) => table === 'busy'),
  );
  await capture.sql.query('INSERT INTO busy SELECT generate_series(1, 10000)');
  const { rows } = await capture.sql.query<{ lsn: string }>('SELECT pg_current_wal_lsn()::text AS lsn');
  const lsn = parseLsn(rows[0]?.lsn ?? '');
  await capture.until("the slot has passed the other table's log", async () => parseLsn((await capture.slot()).confirmed) >= lsn);
  expect(capture.journal.changes).toEqual([]);
  expect(capture.journal.commits).toEqual([]);
  await capture.stop();
});

test('progress never lies inside a transaction nor goes back', async () => {
  await using capture = await started();
  await Promise.all([
    (async () => {
      for (let id = 0; id < 300; id++) await capture.sql.query(`INSERT INTO t VALUES (${id})`);
    })(),
    (async () => {
      await using other = await CaptureHarness.secondSession(capture);
      for (let id = 0; id < 300; id++) await other.client.query(`SELECT pg_logical_emit_message(true, 'other', 'x')`);
    })(),
  ]);
  await capture.caughtUp();
  await capture.stop();
  const keys = capture.journal.events.flatMap((event) =>
    event.kind === 'commit' || event.kind === 'progress' ? [event.position.key] : [],
  );
  expect(keys).toEqual([...new Set(keys)].toSorted());
  expect(ids(capture)).toHaveLength(300);
});

test('a newer incarnation ends the walsender of an older one and takes its slot', async () => {
  await using capture = await started();
  await capture.sql.query('INSERT INTO t VALUES (1)');
  await capture.caughtUp();
  await using newer = createPostgresSource({ url: capture.database.url, publication: null });
  const attached = await newer.attach(capture.identity, capture.selector, capture.journal.position ?? null);
  expect(attached.snapshot).toBeNull();
  await expect(capture.ended).rejects.toMatchObject({ class: 'retry' });
});

test('a slot that another program reads is left alone and named', async () => {
  await using capture = await started();
  await capture.stop();
  await waitUntil(async () => !(await capture.slot()).active, { what: 'the slot is free', deadlineMs: 5_000 });
  const names = captureNames(capture.identity);
  const client = await openSession(parseConnectionUrl(capture.database.url, 'source'), {
    applicationName: 'somebody',
    replication: true,
  });
  await using _reader = await ReplicationStream.start(client, {
    slot: names.slot,
    from: '0000000000000000',
    publications: [names.publication],
  });
  await expect(capture.again()).rejects.toMatchObject({ code: 'SLOT_IN_USE', details: { application: 'somebody' } });
});

test('a slot of another plugin, and another source, are refused', async () => {
  await using capture = await started();
  await capture.stop();
  await waitUntil(async () => !(await capture.slot()).active, { what: 'the slot is free', deadlineMs: 5_000 });
  const { start } = capture;
  if (start === undefined) throw new Error('no start');
  const elsewhere: Position = { ...start, source: '1/2' };
  await expect(capture.again(elsewhere)).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
  const { name } = await capture.slot();
  await capture.sql.query('SELECT pg_drop_replication_slot($1)', [name]);
  await capture.sql.query(`SELECT pg_create_logical_replication_slot($1, 'test_decoding')`, [name]).catch(() => undefined);
  await expect(capture.again()).rejects.toMatchObject({ code: expect.stringMatching(/^SLOT_(FOREIGN|MISSING)$/) });
});

test('#15 a table whose old rows cannot be named is refused at the start with the statement that helps, and nothing is left behind', async () => {
  await using capture = await CaptureHarness.open();
  await capture.sql.query('CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE "no Key" (id int)');
  await expect(capture.first()).rejects.toMatchObject({
    code: 'TABLE_WITHOUT_IDENTITY',
    remedy: expect.stringContaining('ALTER TABLE "public"."no Key" REPLICA IDENTITY FULL'),
  });
  expect(await leftovers(capture)).toEqual([]);
});

test('a start that fails leaves no slot and no publication behind', async () => {
  await using server = await startPostgres({
    dir: await scratchFolder(),
    settings: { fsync: 'off', max_replication_slots: '1' },
  });
  await using capture = await CaptureHarness.open(selectPublic(), server.url);
  await capture.sql.query(`CREATE TABLE t (id int PRIMARY KEY); SELECT pg_create_physical_replication_slot('taken')`);
  await expect(capture.first()).rejects.toMatchObject({ code: 'SLOT_LIMIT' });
  expect(await leftovers(capture)).toEqual([]);
});

test('remove drops what any start of the task made, and says what; a second time there is nothing', async () => {
  await using capture = await started();
  await capture.sql.query(`CREATE PUBLICATION somebodys`);
  const removed = await capture.source.remove(capture.identity);
  expect(removed).toHaveLength(3);
  expect(await leftovers(capture)).toEqual(['publication somebodys']);
  expect(await capture.source.remove(capture.identity)).toEqual([]);
});

test("a publication of the task's name that a person made is neither used, changed nor dropped", async () => {
  await using capture = await CaptureHarness.open();
  const name = `millrace_${capture.identity.task}`;
  await capture.sql.query(
    `CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int PRIMARY KEY); CREATE PUBLICATION ${name} FOR TABLE u`,
  );
  await expect(capture.first()).rejects.toMatchObject({
    code: 'PUBLICATION_FOREIGN',
    message: expect.stringContaining(name),
  });
  expect(await capture.source.remove(capture.identity)).toEqual([]);
  expect(await leftovers(capture)).toEqual([`publication ${name}`]);
  const { rows } = await capture.sql.query('SELECT tablename FROM pg_publication_tables');
  expect(rows).toEqual([{ tablename: 'u' }]);
});

test('a first start drops the slot that an interrupted one left', async () => {
  await using capture = await started();
  await capture.stop();
  await capture.first();
  await capture.sql.query('INSERT INTO t VALUES (1)');
  await capture.caughtUp();
  expect(ids(capture)).toEqual([1]);
  await capture.stop();
});

test('a publication that exists is used as it is, and refused where it leaves something out', async () => {
  await using capture = await CaptureHarness.open();
  await capture.sql.query(`CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int PRIMARY KEY);
    CREATE PUBLICATION every FOR ALL TABLES; CREATE PUBLICATION one FOR TABLE t; CREATE PUBLICATION inserts FOR ALL TABLES WITH (publish = 'insert')`);
  const attach = async (publication: string) => {
    await using source = createPostgresSource({ url: capture.database.url, publication });
    const attached = await source.attach(capture.identity, capture.selector, null);
    await attached.snapshot?.[Symbol.asyncDispose]();
    await source.remove(capture.identity);
  };
  await expect(attach('none')).rejects.toMatchObject({ code: 'PUBLICATION_MISSING' });
  await expect(attach('one')).rejects.toMatchObject({
    code: 'PUBLICATION_INCOMPLETE',
    message: expect.stringContaining('public.u'),
  });
  await expect(attach('inserts')).rejects.toMatchObject({
    code: 'PUBLICATION_INCOMPLETE',
    message: expect.stringContaining('updates'),
  });
  await attach('every');
  expect(await leftovers(capture)).toEqual(['publication every', 'publication inserts', 'publication one']);
});

test('the snapshot of a first start and the stream behind it meet with no overlap and no hole', async () => {
  await using capture = await CaptureHarness.open();
  await capture.sql.query('CREATE TABLE t (id serial PRIMARY KEY)');
  let writing = true;
  const writer = (async () => {
    await using other = await CaptureHarness.secondSession(capture);
    while (writing) await other.client.query('INSERT INTO public.t DEFAULT VALUES');
  })();
  const loaded: number[] = [];
  await capture.first(async (snapshot) => {
    const [schema] = await capture.source.describe(capture.selector);
    if (schema === undefined) throw new Error('t is not there');
    const table: SnapshotTable = { schema, filter: null, encoding: 'postgresql-copy-text' };
    const version: TableVersion = { source: schema.id, schema, registryId: 1, fingerprint: 'f' };
    const { signal } = new AbortController();
    for await (const chunk of snapshot.chunks(table, null, signal)) {
      for await (const part of snapshot.read(table, version, chunk, signal)) {
        loaded.push(...Buffer.from(part.bytes).toString().trim().split('\n').filter(Boolean).map(Number));
      }
    }
  });
  writing = false;
  await writer;
  await capture.caughtUp();
  await capture.stop();
  const { rows } = await capture.sql.query<{ id: number }>('SELECT id FROM t ORDER BY id');
  expect([...loaded, ...ids(capture)].map(Number).toSorted((left, right) => left - right)).toEqual(rows.map(({ id }) => id));
  expect(ids(capture).length).toBeGreaterThan(0);
});

async function leftovers(capture: CaptureHarness): Promise<readonly string[]> {
  const { rows } = await capture.sql.query<{ what: string }>(
    `SELECT 'slot ' || slot_name AS what FROM pg_replication_slots WHERE database = current_database()
     UNION ALL SELECT 'publication ' || pubname FROM pg_publication ORDER BY 1`,
  );
  return rows.map(({ what }) => what);
}
