import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parseConnectionUrl } from '@millrace/postgres/connection-url.js';
import { type PostgresServer, scratchFolder, startPostgres, waitUntil, withClient } from '@millrace/testkit/servers.js';
import { expect, test } from 'vitest';
import { attachToSlot } from './attach.js';
import { openSecondSnapshot } from './second-snapshot.js';
import { streamChanges } from './stream.js';
import { CaptureHarness, selectPublic } from './testing/capture-harness.js';

const run = promisify(execFile);

/** The data of a stopped server, as its owner, told to start as a standby. */
async function copyAsStandby(from: PostgresServer, dir: string): Promise<void> {
  await run('cp', ['-a', `${from.dir}/.`, dir]);
  await becomeStandby(join(dir, 'data'));
  // A base backup has no slots, and before PostgreSQL 17 no standby gets them in another way.
  await run('sh', ['-c', `rm -rf "$1"/pg_replslot/*`, 'sh', join(dir, 'data')]);
  for (const name of ['data/postmaster.pid', 'port', 'server.json']) await rm(join(dir, name), { force: true });
}

/** Its owner is the data's: the server reads it as that user. */
async function becomeStandby(data: string): Promise<void> {
  await run('cp', ['-p', join(data, 'PG_VERSION'), join(data, 'standby.signal')]);
}

async function promote(server: PostgresServer): Promise<void> {
  await withClient(server.url, async (client) => void (await client.query('SELECT pg_promote()')));
}

const ids = (capture: CaptureHarness) =>
  capture.journal.changes.map((change) => (change.kind === 'insert' ? change.after['id'] : change.kind));

test('a promoted standby without the slot, or without the last changes of the journal, is refused; a task made anew there goes on', {
  timeout: 180_000,
}, async () => {
  await using primary = await startPostgres({ dir: await scratchFolder(), settings: { fsync: 'off' } });
  await using capture = await CaptureHarness.open(selectPublic(), primary.url);
  await capture.sql.query('CREATE TABLE t (id int PRIMARY KEY)');
  await capture.first();
  await capture.caughtUp();
  await capture.stop();
  await primary.stop();
  const dir = await scratchFolder();
  await copyAsStandby(primary, dir);
  await primary.restart();
  const primary_conninfo = `host=127.0.0.1 port=${primary.port} user=postgres`;
  await using standby = await startPostgres({ dir, settings: { fsync: 'off', primary_conninfo } });
  const onPrimary = (sql: string) => withClient(capture.database.url, async (client) => (await client.query(sql)).rows);

  await capture.again();
  await onPrimary('INSERT INTO t VALUES (1)');
  await capture.caughtUp();
  await waitUntil(
    async () =>
      (
        await onPrimary(
          "SELECT FROM pg_stat_replication WHERE application_name = 'walreceiver' AND replay_lsn >= pg_current_wal_lsn()",
        )
      ).length > 0,
    { what: 'the standby has it all', deadlineMs: 30_000 },
  );
  const shared = capture.journal.position;
  await onPrimary("SELECT pg_terminate_backend(pid) FROM pg_stat_replication WHERE application_name = 'walreceiver'");
  await promote(standby);
  await onPrimary('INSERT INTO t VALUES (2)');
  await capture.caughtUp();
  await capture.stop();

  capture.port = standby.port;
  await expect(capture.again(shared)).rejects.toMatchObject({
    code: 'SLOT_MISSING',
    remedy: expect.stringContaining('millrace remove'),
  });
  await expect(capture.again()).rejects.toMatchObject({
    code: 'TIMELINE_FORKED',
    class: 'operator',
    remedy: expect.stringContaining('millrace remove'),
  });

  await capture.source.remove(capture.identity);
  await capture.first();
  await withClient(`postgres://postgres@127.0.0.1:${standby.port}/${capture.database.name}`, (client) =>
    client.query('INSERT INTO t VALUES (3)'),
  );
  await capture.caughtUp();
  expect(capture.journal.position?.timeline).toBe(2);
  expect(ids(capture).at(-1)).toBe(3);
  await capture.stop();
  await standby.stop();
});

test('a slot that goes along to a new timeline is streamed on, each transaction once', { timeout: 180_000 }, async () => {
  await using server = await startPostgres({ dir: await scratchFolder(), settings: { fsync: 'off' } });
  await using capture = await CaptureHarness.open(selectPublic(), server.url);
  const write = (id: number) =>
    withClient(capture.database.url, async (client) => void (await client.query(`INSERT INTO t VALUES (${id})`)));
  await capture.sql.query('CREATE TABLE t (id int PRIMARY KEY)');
  await capture.first();
  await write(1);
  await capture.caughtUp();
  await capture.stop();
  await write(2);
  // Recovery of a server that keeps its slots, as after a restore of its disk, ends on a timeline of its own.
  await server.stop();
  await becomeStandby(join(server.dir, 'data'));
  await server.restart();
  await promote(server);
  await write(3);
  await capture.again();
  await capture.caughtUp();
  expect(ids(capture)).toEqual([1, 2, 3]);
  expect(capture.journal.commits.map(({ timeline }) => timeline)).toEqual([1, 2, 2]);
  await capture.stop();
  await capture.again();
  await write(4);
  await capture.caughtUp();
  expect(ids(capture)).toEqual([1, 2, 3, 4]);
  await capture.stop();
});

test('a session that reaches another history than the one attached to ends its work, which then attaches anew', async () => {
  await using capture = await CaptureHarness.open();
  await capture.sql.query('CREATE TABLE t (id int PRIMARY KEY)');
  await capture.first();
  await capture.caughtUp();
  await capture.stop();
  const connection = parseConnectionUrl(capture.database.url, 'source');
  const { signal } = new AbortController();
  const { identity: attachedAs, selector } = capture;
  const start = capture.journal.position ?? capture.start;
  if (start === undefined) throw new Error('not started');
  const { attachment } = await attachToSlot({ connection, publication: null, identity: attachedAs, selector, signal }, start);
  const identity = { ...attachment.identity, timeline: attachment.identity.timeline + 1 };
  const moved = { code: 'SOURCE_MOVED', class: 'retry' };
  const options = { selector, known: [], signal, needsLoad: () => '' };
  const events = capture.journal.events.length;
  await expect(
    streamChanges({ ...attachment, connection, identity, acknowledged: () => start.key }, start, capture.journal, options),
  ).rejects.toMatchObject(moved);
  expect(capture.journal.events).toHaveLength(events);
  await expect(openSecondSnapshot({ connection, applicationName: 'test', identity, signal })).rejects.toMatchObject(moved);
});
