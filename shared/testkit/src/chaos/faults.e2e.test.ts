import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { scratchFolder, startPostgres, waitUntil, withClient } from '../servers.js';
import { endOfLog, slotPosition } from './source-log.js';
import { openTask } from './task-under-test.js';

async function freshPostgres(): Promise<Awaited<ReturnType<typeof startPostgres>>> {
  return startPostgres({ dir: join(await scratchFolder(), 'postgres'), settings: { fsync: 'off' }, report: () => undefined });
}

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
