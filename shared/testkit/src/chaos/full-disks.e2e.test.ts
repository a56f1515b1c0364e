import { execFile } from 'node:child_process';
import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, type TestContext, test } from 'vitest';
import { type PostgresServer, scratchFolder, startKafka, startPostgres, withClient } from '../servers.js';
import { type SmallDisk, smallDisk } from '../small-disk.js';
import type { JsonLine, MillraceRun } from './millrace-run.js';
import { openTask, type TaskUnderTest } from './task-under-test.js';

async function diskOf(megabytes: number, { skip }: TestContext): Promise<SmallDisk> {
  return (await smallDisk(megabytes)) ?? skip('mounting a small disk takes root and Linux');
}

/** So many megabytes that no compression makes smaller, in rows of 8 kB and transactions of 1 MB, until the source refuses. */
async function write(url: string, megabytes: number): Promise<void> {
  await withClient(url, async (client) => {
    for (let n = 0; n < megabytes; n += 1)
      await client.query(
        `INSERT INTO prefix.big SELECT ${n} * 128 + i, (SELECT string_agg(encode(sha512((random()::text || i || j)::bytea), 'hex'), '') FROM generate_series(1, 64) j) FROM generate_series(1, 128) i`,
      );
  });
}

async function withBigTable(task: TaskUnderTest): Promise<void> {
  await withClient(task.addresses.SOURCE_URL, (client) =>
    client.query(
      'CREATE TABLE prefix.big (i int PRIMARY KEY, noise text); ALTER TABLE prefix.big ALTER noise SET STORAGE EXTERNAL',
    ),
  );
}

const says =
  (code: RegExp) =>
  ({ event, error }: JsonLine): boolean =>
    event === 'retrying' && error !== undefined && code.test(error.code);

/** Slots spill what does not fit into memory (logical_decoding_work_mem) into their folder. */
async function moveSlots(server: PostgresServer, to: string): Promise<void> {
  const slots = join(server.dir, 'data', 'pg_replslot');
  const moved = join(to, 'pg_replslot');
  await server.stop();
  await promisify(execFile)('mv', [slots, moved]);
  await symlink(moved, slots);
  await server.restart();
}

/** Nothing was lost: one step more arrives, and every row is equal. */
async function expectEqual(task: TaskUnderTest, run: MillraceRun): Promise<void> {
  await withClient(task.addresses.SOURCE_URL, (client) => client.query('SELECT prefix.step()'));
  await task.untilEqual(run, 60_000);
  expect((await run.stop()).code).toBe(0);
  await task.verify();
}

test('a target whose disk is full stops the task with word of it, and the next run goes on exactly', async (context) => {
  await using disk = await diskOf(32, context);
  await using target = await startPostgres({
    dir: join(await scratchFolder(), 'postgres'),
    settings: { fsync: 'off' },
    report: () => undefined,
  });
  await withClient(target.url, async (client) => {
    await client.query(`COPY (SELECT 1) TO PROGRAM 'mkdir -m 700 ${join(disk.dir, 'tables')}'`);
    await client.query(`CREATE TABLESPACE small LOCATION '${join(disk.dir, 'tables')}'`);
    await client.query(`ALTER SYSTEM SET default_tablespace = 'small'`);
    await client.query('SELECT pg_reload_conf()');
  });
  await using task = await openTask({ addresses: { TARGET_URL: target.url } });
  await withBigTable(task);
  const run = task.command(['run']);
  await run.line('the load', ({ event }) => event === 'loaded', 60_000);
  await write(task.addresses.SOURCE_URL, 40);
  const { code, last } = await run.ended;
  expect({ code, last }).toMatchObject({ code: 3, last: { reason: 'failed', error: { code: 'TARGET_DISK_FULL' } } });
  expect(last?.error?.remedy).toContain('Make room');

  await disk.grow(200);
  await expectEqual(task, task.command(['run']));
});

test('a Kafka whose disk is full is waited for, with word of it, and gets everything once it has space', async (context) => {
  await using disk = await diskOf(48, context);
  await using kafka = await startKafka({ dir: join(disk.dir, 'kafka'), report: () => undefined });
  await using task = await openTask({ addresses: { KAFKA_BROKERS: kafka.brokers } });
  await withBigTable(task);
  const run = task.command(['run']);
  await run.line('the load', ({ event }) => event === 'loaded', 60_000);
  await write(task.addresses.SOURCE_URL, 60);
  const { error } = await run.line('word of Kafka', says(/^KAFKA_UN/), 120_000);
  expect(error?.remedy).toMatch(/[Cc]heck/);
  expect(run.outcome).toBeNull();

  await disk.grow(400);
  await kafka.restart();
  await expectEqual(task, run);
});

test('a source whose disk is full of the log kept for a capture that Kafka keeps waiting goes on once it has space', async (context) => {
  await using disk = await diskOf(200, context);
  await using source = await startPostgres({
    dir: join(disk.dir, 'postgres'),
    settings: { fsync: 'off', max_wal_size: '64MB' },
    report: () => undefined,
  });
  await using kafka = await startKafka({ dir: join(await scratchFolder(), 'kafka'), report: () => undefined });
  await using task = await openTask({ addresses: { SOURCE_URL: source.url, KAFKA_BROKERS: kafka.brokers } });
  await withBigTable(task);
  const run = task.command(['run']);
  await run.line('the load', ({ event }) => event === 'loaded', 60_000);
  await kafka.kill('SIGKILL');
  await expect(write(task.addresses.SOURCE_URL, 200)).rejects.toThrow();
  expect(run.outcome).toBeNull();

  await disk.grow(600);
  await source.restart();
  await kafka.restart();
  await run.line('word of a server that is away', says(/^(KAFKA_UN|SOURCE_|ENDPOINT_)/), 60_000);
  await expectEqual(task, run);
});

test('a source whose disk is too full to decode a large transaction is waited for, with word of it', async (context) => {
  await using disk = await diskOf(16, context);
  const dir = join(await scratchFolder(), 'postgres');
  await using source = await startPostgres({
    dir,
    settings: { fsync: 'off', logical_decoding_work_mem: '64kB' },
    report: () => undefined,
  });
  await moveSlots(source, disk.dir);
  await using task = await openTask({ addresses: { SOURCE_URL: source.url } });
  await withBigTable(task);
  const run = task.command(['run']);
  await run.line('the load', ({ event }) => event === 'loaded', 60_000);
  await withClient(task.addresses.SOURCE_URL, (client) =>
    client.query(`INSERT INTO prefix.big SELECT i, repeat('x', 300) FROM generate_series(1, 100000) i`),
  );
  const { error } = await run.line('word of the disk', says(/^SOURCE_DISK_FULL$/), 60_000);
  expect(error?.message).toContain('No space left on device');
  expect(run.outcome).toBeNull();

  await disk.grow(200);
  await expectEqual(task, run);
});
