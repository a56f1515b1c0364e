import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { differences } from '../digest/canonical-digest.js';
import type { CommandEnd } from './millrace-command.js';
import { ReplicationPair, told } from './replication-pair.js';

/** What scripts rely on: every key, no other, of the kinds documented. */
const stoppedLine = z.strictObject({
  event: z.literal('stopped'),
  reason: z.enum(['loaded', 'caught-up', 'signal', 'refused', 'fenced', 'failed']),
  tables: z.array(
    z.strictObject({
      schema: z.string(),
      table: z.string(),
      state: z.enum(['before load', 'full load', 'completed', 'cancelled', 'error', 'being reloaded']),
      rowsLoaded: z.int(),
      inserts: z.int(),
      updates: z.int(),
      deletes: z.int(),
      truncates: z.int(),
      ddls: z.int(),
      errors: z.int(),
      error: z.object({ code: z.string(), message: z.string() }).optional(),
    }),
  ),
  sourceLagMs: z.number().nonnegative().nullable(),
  targetLagMs: z.number().nonnegative().nullable(),
  error: z.object({ code: z.string(), message: z.string(), remedy: z.string() }).optional(),
});

function stopped(end: CommandEnd): z.infer<typeof stoppedLine> {
  const last = end.lines.at(-1);
  expect(last, told(end)).toMatchObject({ event: 'stopped' });
  return stoppedLine.parse(last);
}

let pair: ReplicationPair;
const counted = { schema: 'contract', table: 'counted' };
const appeared = { schema: 'contract', table: 'appeared' };

beforeAll(async () => {
  pair = await ReplicationPair.create({ include: ['contract.%'] });
  await pair.source.query(
    'CREATE SCHEMA contract; CREATE TABLE contract.counted (id int PRIMARY KEY, t text); INSERT INTO contract.counted SELECT i FROM generate_series(1, 100) i',
  );
});

afterAll(() => pair[Symbol.asyncDispose]());

describe('the last line of run --json', () => {
  test("counts each table's rows since its load began, and says why the run ended", async () => {
    const end = await pair.run('loaded');
    expect(end.code, told(end)).toBe(0);
    expect(end.foreign).toEqual([]);
    expect(stopped(end)).toMatchObject({
      reason: 'loaded',
      tables: [
        { ...counted, state: 'completed', rowsLoaded: 100, inserts: 0, updates: 0, deletes: 0, truncates: 0, ddls: 0, errors: 0 },
      ],
    });
  });

  test('counts on over restarts, and a run that finds nothing to do changes nothing', async () => {
    await pair.source.query(
      "INSERT INTO contract.counted VALUES (101), (102), (103); UPDATE contract.counted SET t = 'x' WHERE id <= 10; DELETE FROM contract.counted WHERE id = 50",
    );
    const first = await pair.run('caught-up');
    expect(first.code, told(first)).toBe(0);
    const counts = {
      ...counted,
      state: 'completed',
      rowsLoaded: 100,
      inserts: 3,
      updates: 10,
      deletes: 1,
      truncates: 0,
      ddls: 0,
      errors: 0,
    };
    expect(stopped(first)).toMatchObject({ reason: 'caught-up', tables: [counts] });
    const again = await pair.run('caught-up');
    expect(again.code, told(again)).toBe(0);
    expect(stopped(again)).toMatchObject({ reason: 'caught-up', tables: [counts] });
    expect(await differences(pair.urls, [counted])).toEqual([]);
  });

  test('says signal after SIGTERM, and the process ends with 0 within 10 s', async () => {
    await using running = await pair.start();
    await running.line(({ event, ...rest }) => event === 'started' && rest['role'] === 'sink', 'a sink');
    await running.line(({ event }) => event === 'loaded', 'word that all is loaded');
    const from = performance.now();
    running.signal('SIGTERM');
    const end = await running.ended;
    expect(performance.now() - from).toBeLessThan(10_000);
    expect(end.code, told(end)).toBe(0);
    expect(stopped(end).reason).toBe('signal');
  });

  test('comes also after a refusal, with the error', async () => {
    await using other = await ReplicationPair.create({ include: ['nothing.%'] });
    const end = await other.run('loaded');
    expect(end.code, told(end)).toBe(1);
    expect(end.foreign).toEqual([]);
    expect(stopped(end)).toMatchObject({
      reason: 'refused',
      tables: [],
      sourceLagMs: null,
      targetLagMs: null,
      error: { code: 'SELECTION_MATCHES_NOTHING' },
    });
  });
});

test('--until caught-up does not end before a table that appeared, and one that was rewritten, are loaded', async () => {
  await pair.source.query(`
    CREATE TABLE contract.appeared AS SELECT i AS id, md5(i::text) AS t FROM generate_series(1, 5000) i;
    ALTER TABLE contract.appeared ADD PRIMARY KEY (id);
    INSERT INTO contract.appeared VALUES (0, 'after its key');
    ALTER TABLE contract.counted ADD COLUMN volatile double precision DEFAULT random();
    INSERT INTO contract.counted (id) VALUES (200)`);
  const end = await pair.run('caught-up');
  expect(end.code, told(end)).toBe(0);
  expect(
    stopped(end)
      .tables.map(({ table, state }) => [table, state])
      .sort(),
  ).toEqual([
    ['appeared', 'completed'],
    ['counted', 'completed'],
  ]);
  expect(await differences(pair.urls, [counted, appeared])).toEqual([]);
});
