import { join } from 'node:path';
import type { LoadRecord } from '@millrace/codec/load-record.js';
import { openLoadTopic } from '@millrace/journal/load-topic.js';
import { expect, test } from 'vitest';
import { commitSteadily } from '../checkers/steady-load.js';
import { crashOnceAt } from '../crash-points.js';
import { createDatabase, removeFolder, scratchFolder, sharedServers, startPostgres, uniqueWord, withClient } from '../servers.js';
import { type CommandEnd, MillraceCommand } from './millrace-command.js';
import { told } from './replication-pair.js';

const ROWS = 300_000;

/** Rows in key order, so that the load is cut by keys, six chunks or more; analysed, so that each run cuts them alike. */
const TABLE = `
  CREATE SCHEMA app;
  CREATE TABLE app.items (id bigint PRIMARY KEY, n integer NOT NULL, filler text NOT NULL);
  INSERT INTO app.items SELECT i * 10, 0, repeat(md5(i::text), 3) FROM generate_series(1, ${ROWS}) i;
  ANALYZE app.items`;

/** Rows change, go, come back, and move: within their chunk, to earlier chunks and to later ones, below the first key and above the last. */
function change(): { readonly text: string; readonly values: readonly (string | number)[] } {
  const place = Math.ceil(Math.random() * ROWS) * 10;
  const other = Math.ceil(Math.random() * ROWS) * 10;
  const ways = [
    { text: 'UPDATE app.items SET n = n + 1 WHERE id = $1', values: [place] },
    { text: 'DELETE FROM app.items WHERE id = $1', values: [place] },
    { text: `INSERT INTO app.items VALUES ($1, 1, 'new') ON CONFLICT DO NOTHING`, values: [place] },
    { text: 'UPDATE app.items SET id = id + 1 WHERE id = $1', values: [place] },
    { text: 'UPDATE app.items SET id = -id WHERE id = $1', values: [place] },
    { text: 'UPDATE app.items SET id = id + 10000000 WHERE id = $1', values: [place] },
    {
      text: 'UPDATE app.items SET id = $2 WHERE id = $1 AND NOT EXISTS (SELECT FROM app.items WHERE id = $2)',
      values: [place, other],
    },
  ];
  return ways[Math.floor(Math.random() * ways.length)] ?? { text: 'SELECT', values: [] };
}

interface Place {
  readonly name: string;
  readonly folder: string;
  readonly source: string;
  readonly flags: readonly string[];
}

/** Runs `during` with a task that is to load the table, changes going on all the time; then the rest is applied and compared. */
async function underChanges(place: Place, during: () => Promise<void>): Promise<void> {
  const stop = new AbortController();
  const changes = commitSteadily(
    { engine: 'postgres', url: place.source, perSecond: 200, connections: 2, statement: change },
    stop.signal,
  );
  try {
    await during();
  } finally {
    stop.abort();
    await changes;
  }
  const end = await MillraceCommand.run(['run', ...place.flags, '--until', 'caught-up', '--json', '--log-level', 'error']);
  expect(end.code, told(end)).toBe(0);
  expect(
    end.lines.findLast(({ event }) => event === 'stopped'),
    told(end),
  ).toMatchObject({ tables: [{ state: 'completed', errors: 0 }] });
  const verified: CommandEnd = await MillraceCommand.run(['verify', ...place.flags, '--json', '--log-level', 'error']);
  expect(verified.code, told(verified)).toBe(0);
}

async function controlRecords(name: string): Promise<readonly LoadRecord[]> {
  const { signal } = new AbortController();
  await using topic = await openLoadTopic({
    kafka: { brokers: (await sharedServers().kafka()).split(','), tls: null, sasl: null },
    registry: { url: await sharedServers().registry(), login: null },
    topic: `${name}.load`,
    create: false,
    signal,
  });
  await using writer = topic.writer(0n);
  const records: LoadRecord[] = [];
  for await (const record of writer.controlRecords(signal)) records.push(record);
  return records;
}

/** The load went on: some chunks were read in the first snapshot and stayed, others in a later one, none that had ended once more. */
async function expectResumed(name: string): Promise<void> {
  const records = await controlRecords(name);
  const began = records.filter((record) => record.kind === 'began');
  expect(began.length).toBeGreaterThan(1);
  expect(began.map(({ restart }) => restart)).not.toContain(true);
  const ended = records.filter((record) => record.kind === 'chunk-ended');
  const chunks = records.find((record) => record.kind === 'ended')?.chunks;
  expect(chunks).toBeGreaterThanOrEqual(6);
  expect(ended.map(({ chunk }) => chunk).toSorted((one, other) => one - other)).toEqual(
    Array.from({ length: chunks ?? 0 }, (_, index) => index),
  );
  expect(new Set(ended.map(({ asOf }) => asOf.key)).size).toBeGreaterThan(1);
}

async function withTask(serverUrl: string | undefined, work: (place: Place) => Promise<void>): Promise<void> {
  await using source = await createDatabase(serverUrl);
  await using target = await createDatabase();
  const [kafka, registry, folder] = await Promise.all([sharedServers().kafka(), sharedServers().registry(), scratchFolder()]);
  const name = uniqueWord();
  const flags = [
    '--name',
    name,
    '--source',
    source.url,
    '--target',
    target.url,
    '--kafka',
    kafka,
    '--registry',
    registry,
    '--include',
    'app.%',
  ];
  await withClient(source.url, async (client) => void (await client.query(TABLE)));
  try {
    await work({ name, folder, source: source.url, flags });
  } finally {
    await removeFolder(folder);
  }
}

const run = (place: Place, env: NodeJS.ProcessEnv): Promise<MillraceCommand> =>
  MillraceCommand.start(['run', ...place.flags, '--json', '--log-level', 'error'], env);

// Parts are of 1 MB, four chunks are read at once, and a chunk has about seven parts.
const IN_MID_LOAD = 'load-rows:28';

test('#13 a capture that is killed in mid-load goes on with the chunks that had not ended, while rows change and keys move', async () => {
  await withTask(undefined, async (place) => {
    await underChanges(place, async () => {
      await using millrace = await run(place, crashOnceAt(IN_MID_LOAD, join(place.folder, 'crashed')));
      await millrace.line(({ event }) => event === 'restarting', 'a capture that was killed');
      await millrace.line(({ event }) => event === 'loaded', 'the load', 120_000);
    });
    await expectResumed(place.name);
  });
});

test('#13 a source that crashes in mid-load loses the snapshot, and the load goes on in another one', async () => {
  await using server = await startPostgres({
    dir: join(await scratchFolder(), 'postgres'),
    settings: { fsync: 'off' },
    report: () => undefined,
  });
  await withTask(server.url, async (place) => {
    await underChanges(place, async () => {
      await using millrace = await run(place, {});
      await millrace.line(({ event, rowsLoaded }) => event === 'progress' && Number(rowsLoaded) > 0, 'the first rows', 120_000);
      await server.kill('SIGKILL');
      await server.restart();
      await millrace.line(({ event }) => event === 'loaded', 'the load', 120_000);
    });
    const records = await controlRecords(place.name);
    expect(records.some((record) => record.kind === 'began' && record.restart)).toBe(false);
    const ended = records.flatMap((record) => (record.kind === 'chunk-ended' ? [record.chunk] : []));
    expect(ended).toHaveLength(new Set(ended).size);
  });
});
