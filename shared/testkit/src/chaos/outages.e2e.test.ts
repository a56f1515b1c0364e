import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type KafkaServer,
  type PostgresServer,
  scratchFolder,
  startKafka,
  startPostgres,
  startRegistry,
  waitUntil,
  withClient,
} from '../servers.js';
import type { MillraceRun } from './millrace-run.js';
import { endOfLog, slotPosition } from './source-log.js';
import { openTask } from './task-under-test.js';

/** What an outage may last in these tests, in words of the task file; `make chaos` has the long ones. */
const A_MOMENT = { MILLRACE_OUTAGE_MINUTES: '0.1' };
/** The outage begins when requests have been tried for 6 s, and ends when the next ones have: tried for half a minute each time, they take a minute. */
const SOON_MS = 45_000;

const quiet = { report: () => undefined };

// Servers of this file, that its tests take down one after the other and bring back.
let kafka: KafkaServer;
let target: PostgresServer;

beforeAll(async () => {
  const [kafkaDir, targetDir] = await Promise.all([scratchFolder(), scratchFolder()]);
  [kafka, target] = await Promise.all([
    startKafka({ dir: join(kafkaDir, 'kafka'), ...quiet }),
    startPostgres({ dir: join(targetDir, 'postgres'), settings: { fsync: 'off' }, ...quiet }),
  ]);
});

afterAll(async () => {
  await kafka?.[Symbol.asyncDispose]();
  await target?.[Symbol.asyncDispose]();
});

/** People see within 10 s that a server is away, what it is and what to do, and again every 10 s. */
async function saysSo(run: MillraceRun, code: RegExp): Promise<void> {
  const said = (): number => run.lines.filter(({ event, error }) => event === 'retrying' && code.test(error?.code ?? '')).length;
  for (let word = 1; word <= 3; word += 1) {
    const before = said();
    await waitUntil(() => run.outcome !== null || said() > before, { what: `word ${word} of ${code}`, deadlineMs: 20_000 });
    expect(run.outcome).toBeNull();
  }
}

test('#1 with Kafka down the slot never passes what the journal holds, whatever keepalives come, and the steps made meanwhile arrive once it is back', async () => {
  await using task = await openTask({ addresses: { KAFKA_BROKERS: kafka.brokers } });
  const url = task.addresses.SOURCE_URL;
  // The server asks for a sign of life at half of it; a naive capture acknowledges then what it has received.
  await withClient(url, (client) =>
    client.query(`ALTER DATABASE ${client.escapeIdentifier(client.database ?? '')} SET wal_sender_timeout = '2s'`),
  );
  const stop = new AbortController();
  const steps = task.steps(40, stop.signal);
  const run = task.command(['run']);
  await run.line('the load', ({ event }) => event === 'loaded', 60_000);
  await kafka.kill('SIGKILL');
  const downAt = await endOfLog(url);
  const replies = new Set<string>();
  const fiveSigns = waitUntil(
    async () => {
      expect(await slotPosition(url)).toBeLessThanOrEqual(downAt);
      const reply = await lastReply(url);
      if (reply !== null) replies.add(reply);
      return replies.size >= 5;
    },
    { what: 'five signs of life', deadlineMs: 60_000, everyMs: 200 },
  );
  await Promise.all([fiveSigns, saysSo(run, /^KAFKA_UN/)]);
  expect(await slotPosition(url)).toBeLessThanOrEqual(downAt);
  await kafka.restart();
  stop.abort();
  await steps;
  await task.untilEqual(run, 60_000);
  expect((await run.stop()).code).toBe(0);
  await task.verify();
});

/** When the walsender of this database last heard from its capture. */
async function lastReply(url: string): Promise<string | null> {
  return withClient(url, async (client) => {
    const { rows } = await client.query<{ at: string }>(
      `SELECT reply_time::text AS at FROM pg_stat_replication JOIN pg_replication_slots ON active_pid = pid WHERE database = current_database()`,
    );
    return rows[0]?.at ?? null;
  });
}

test('a target that is down is found again, and gets what it missed', async () => {
  await using task = await openTask({ addresses: { TARGET_URL: target.url } });
  const stop = new AbortController();
  const steps = task.steps(40, stop.signal);
  const run = task.command(['run']);
  await run.line('the load', ({ event }) => event === 'loaded', 60_000);
  await target.kill('SIGKILL');
  await saysSo(run, /^(ENDPOINT_|TARGET_)/);
  await target.restart();
  stop.abort();
  await steps;
  await task.untilEqual(run, 60_000);
  expect((await run.stop()).code).toBe(0);
  await task.verify();
});

test.each([
  { what: 'Kafka', code: /^KAFKA_UN/ },
  { what: 'the target', code: /^(ENDPOINT_UNREACHABLE|TARGET_CONNECTION_LOST)$/ },
])('$what away for longer than `outageMinutes` ends the run with 3, and the next run goes on exactly', async ({ what, code }) => {
  const server = what === 'Kafka' ? kafka : target;
  await using task = await openTask({ addresses: { KAFKA_BROKERS: kafka.brokers, TARGET_URL: target.url } });
  const run = task.command(['run'], A_MOMENT);
  await run.line('the load', ({ event }) => event === 'loaded', 60_000);
  await server.kill('SIGKILL');
  const downMs = performance.now();
  await withClient(task.addresses.SOURCE_URL, (client) => client.query('SELECT prefix.step()'));
  const ended = await run.ended;
  expect(performance.now() - downMs).toBeLessThan(SOON_MS);
  expect(ended).toMatchObject({ code: 3, last: { event: 'stopped', reason: 'failed' } });
  expect(ended.last?.error?.code).toMatch(code);
  await server.restart();
  const again = task.command(['run']);
  await task.untilEqual(again, 60_000);
  expect((await again.stop()).code).toBe(0);
  await task.verify();
});

test('#45 a registry that is away while a new table version is needed holds the capture back, and nothing is acknowledged past it', async () => {
  await using registry = await startRegistry({ dir: join(await scratchFolder(), 'registry'), ...quiet });
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
