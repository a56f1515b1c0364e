import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { scratchFolder, startKafka, startPostgres, startRegistry, waitUntil, withClient } from '../servers.js';
import { openTask } from './task-under-test.js';

async function freshKafka(settings: Readonly<Record<string, string>> = {}): Promise<Awaited<ReturnType<typeof startKafka>>> {
  return startKafka({ dir: join(await scratchFolder(), 'kafka'), settings, report: () => undefined });
}

async function freshPostgres(): Promise<Awaited<ReturnType<typeof startPostgres>>> {
  return startPostgres({ dir: join(await scratchFolder(), 'postgres'), settings: { fsync: 'off' }, report: () => undefined });
}

const slotPosition = (url: string): Promise<bigint> =>
  withClient(url, async (client) => {
    const { rows } = await client.query<{ at: string }>(
      `SELECT (confirmed_flush_lsn - '0/0')::text AS at FROM pg_replication_slots WHERE database = current_database()`,
    );
    return BigInt(rows[0]?.at ?? -1);
  });

const endOfLog = (url: string): Promise<bigint> =>
  withClient(url, async (client) => {
    const { rows } = await client.query<{ at: string }>(`SELECT (pg_current_wal_insert_lsn() - '0/0')::text AS at`);
    return BigInt(rows[0]?.at ?? -1);
  });

test.concurrent('#1 with Kafka down for a minute the slot never passes what the journal holds, the steps made meanwhile arrive once it is back', async () => {
  await using kafka = await freshKafka();
  await using task = await openTask({ addresses: { KAFKA_BROKERS: kafka.brokers } });
  const stop = new AbortController();
  const steps = task.steps(40, stop.signal);
  const run = task.command(['run']);
  await run.line('the load', ({ event }) => event === 'loaded', 60_000);
  await kafka.kill('SIGKILL');
  const downAt = await endOfLog(task.addresses.SOURCE_URL);
  // Longer than wal_sender_timeout's keepalives, at each of which a naive capture acknowledges what it has received.
  for (let look = 0; look < 60; look += 1) {
    await delay(1_000);
    expect(await slotPosition(task.addresses.SOURCE_URL)).toBeLessThanOrEqual(downAt);
    expect(run.outcome).toBeNull();
  }
  await kafka.restart();
  stop.abort();
  await steps;
  await task.untilEqual(run, 60_000);
  expect((await run.stop()).code).toBe(0);
  await task.verify();
});

test.concurrent('a target that is down for a minute is found again, and gets what it missed', async () => {
  await using target = await freshPostgres();
  await using task = await openTask({ addresses: { TARGET_URL: target.url } });
  const stop = new AbortController();
  const steps = task.steps(40, stop.signal);
  const run = task.command(['run']);
  await run.line('the load', ({ event }) => event === 'loaded', 60_000);
  await target.kill('SIGKILL');
  await delay(60_000);
  expect(run.outcome).toBeNull();
  await target.restart();
  stop.abort();
  await steps;
  await task.untilEqual(run, 60_000);
  expect((await run.stop()).code).toBe(0);
  await task.verify();
});

test('#2 #8 a source that crashes and comes back goes on where the journal ends, right after a large transaction too', async () => {
  await using source = await freshPostgres();
  await using task = await openTask({ addresses: { SOURCE_URL: source.url } });
  const run = task.command(['run']);
  await run.line('the load', ({ event }) => event === 'loaded', 60_000);
  await withClient(task.addresses.SOURCE_URL, (client) =>
    client.query('BEGIN; SELECT prefix.step() FROM generate_series(1, 2000); COMMIT'),
  );
  await source.kill('SIGKILL');
  await source.restart();
  await withClient(task.addresses.SOURCE_URL, (client) => client.query('SELECT prefix.step()'));
  await task.untilEqual(run, 60_000);
  expect((await run.stop()).code).toBe(0);
  await task.verify();
});

test('#45 a registry that is away while a new table version is needed holds the capture back, and nothing is acknowledged past it', async () => {
  await using registry = await startRegistry({ dir: join(await scratchFolder(), 'registry'), report: () => undefined });
  await using task = await openTask({ addresses: { SCHEMA_REGISTRY_URL: registry.url } });
  const url = task.addresses.SOURCE_URL;
  const run = task.command(['run']);
  await run.line('the load', ({ event }) => event === 'loaded', 60_000);
  await withClient(url, (client) => client.query('SELECT prefix.step()'));
  await task.untilEqual(run, 30_000);
  await registry.stop();
  const before = await endOfLog(url);
  await withClient(url, async (client) => {
    await client.query('ALTER TABLE prefix.ledger_b ADD COLUMN more int');
    await client.query('SELECT prefix.step()');
    await client.query('UPDATE prefix.ledger_b SET more = n');
  });
  await run.line(
    'the capture to say that the registry is away',
    ({ event, error }) => event === 'retrying' && error?.code === 'REGISTRY_UNREACHABLE',
    60_000,
  );
  expect(await slotPosition(url)).toBeLessThanOrEqual(before);
  await registry.restart();
  await task.untilEqual(run, 60_000);
  await waitUntil(
    () =>
      withClient(
        task.addresses.TARGET_URL,
        async (client) => (await client.query('SELECT FROM prefix.ledger_b WHERE more IS NULL')).rowCount === 0,
      ),
    { what: 'the new column to be filled', deadlineMs: 30_000 },
  );
  expect((await run.stop()).code).toBe(0);
  await task.verify();
});

test('#51 an idle task keeps its checkpoint and its slot moving, past changes of other tables too', async () => {
  await using task = await openTask();
  const url = task.addresses.SOURCE_URL;
  const run = task.command(['run']);
  await run.line('the load', ({ event }) => event === 'loaded', 60_000);
  await withClient(url, (client) =>
    client.query('CREATE TABLE public.other (i int); INSERT INTO public.other SELECT generate_series(1, 10000)'),
  );
  const end = await endOfLog(url);
  await waitUntil(async () => (await slotPosition(url)) >= end, { what: 'the slot to pass the other table', deadlineMs: 60_000 });
  expect((await run.stop()).code).toBe(0);
  const caughtUp = task.command(['run', '--until', 'caught-up']);
  expect((await caughtUp.ended).code).toBe(0);
});

test('#13 #56 a source that stops in the middle of the load leaves no table half-loaded or doubled', async () => {
  await using source = await freshPostgres();
  await using task = await openTask({ addresses: { SOURCE_URL: source.url } });
  await withClient(task.addresses.SOURCE_URL, (client) =>
    client.query(
      `CREATE TABLE prefix.wide AS SELECT i, repeat('w', 500) AS filler FROM generate_series(1, 300000) i; ALTER TABLE prefix.wide REPLICA IDENTITY FULL`,
    ),
  );
  const run = task.command(['run']);
  await run.line('the load of the wide table', ({ event }) => event === 'table', 60_000);
  await source.kill('SIGKILL');
  expect(run.has('loaded')).toBe(false);
  await source.restart();
  await run.line('the load', ({ event }) => event === 'loaded', 120_000);
  await withClient(task.addresses.SOURCE_URL, (client) => client.query('SELECT prefix.step()'));
  await task.untilEqual(run, 60_000);
  expect((await run.stop()).code).toBe(0);
  await task.verify();
});

test('#16 a transaction of two million rows passes through workers that stay below 300 MB', { timeout: 300_000 }, async () => {
  await using task = await openTask();
  const url = task.addresses.SOURCE_URL;
  await withClient(url, (client) => client.query('CREATE TABLE prefix.big (i int PRIMARY KEY, filler text)'));
  const run = task.command(['run']);
  await run.line('the load', ({ event }) => event === 'loaded', 60_000);
  let largest = 0;
  const watching = new AbortController();
  const watch = (async () => {
    while (!watching.signal.aborted) {
      for (const role of ['capture', 'sink'] as const) largest = Math.max(largest, await residentBytes(run.pidOf(role)));
      await delay(200, undefined, { signal: watching.signal }).catch(() => undefined);
    }
  })();
  await withClient(url, (client) =>
    client.query(`INSERT INTO prefix.big SELECT i, 'row ' || i FROM generate_series(1, 2000000) i`),
  );
  await withClient(url, (client) => client.query('SELECT prefix.step()'));
  await task.untilEqual(run, 200_000);
  watching.abort();
  await watch;
  expect((await run.stop()).code).toBe(0);
  expect(largest).toBeGreaterThan(0);
  expect(largest).toBeLessThan(300 * 1024 * 1024);
  const rows = await withClient(
    task.addresses.TARGET_URL,
    async (client) => (await client.query<{ count: string }>('SELECT count(*) FROM prefix.big')).rows[0]?.count,
  );
  expect(rows).toBe('2000000');
});

/** From proc(5), status; 0 where there is no such process or no such file. */
async function residentBytes(pid: number | undefined): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
}
