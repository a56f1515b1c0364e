import { open, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readPrefix } from '../checkers/prefix.js';
import { CANARY } from '../cli/command.js';
import { type KafkaServer, scratchFolder, startKafka, waitUntil, withClient } from '../servers.js';
import { endOfLog, slotPosition } from './source-log.js';
import { openTask, type TaskUnderTest } from './task-under-test.js';

/** Bytes of a record batch before its records, and where its length is (Kafka's protocol guide, "Record Batch"). */
const BATCH_HEADER_BYTES = 61;
const LENGTH_AT = 8;
const LENGTH_ENDS = 12;

let kafka: KafkaServer;

beforeAll(async () => {
  kafka = await startKafka({ dir: join(await scratchFolder(), 'kafka'), report: () => undefined });
});

afterAll(() => kafka?.[Symbol.asyncDispose]());

const segmentOf = (partition: string): string => join(kafka.dir, 'data', partition, '00000000000000000000.log');

/** Flips one bit of the partition's last record batch on the broker's disk; the function returned flips it back. */
async function flipBit(partition: string, place: (recordBytes: number) => number): Promise<() => Promise<void>> {
  const file = segmentOf(partition);
  const log = await readFile(file);
  expect(log.length, partition).toBeGreaterThan(BATCH_HEADER_BYTES);
  let start = 0;
  for (let next = 0; next + BATCH_HEADER_BYTES < log.length; next += LENGTH_ENDS + log.readInt32BE(next + LENGTH_AT))
    start = next;
  const records = start + BATCH_HEADER_BYTES;
  const at = records + place(log.length - records);
  const write = async (byte: number): Promise<void> => {
    const handle = await open(file, 'r+');
    await handle.write(Buffer.from([byte]), 0, 1, at);
    await handle.close();
  };
  const byte = log[at] ?? 0;
  await write(byte ^ 0x10);
  return () => write(byte);
}

/** The command ends with an error that says which record is damaged, where, and what helps; and never names a password. */
async function expectCorrupt(task: TaskUnderTest, place: RegExp): Promise<void> {
  const run = task.command(['run', '--until', 'caught-up']);
  const { code, last } = await run.ended;
  expect({ code, last }).toMatchObject({ last: { event: 'stopped', error: { code: 'JOURNAL_CORRUPT', class: 'fatal' } } });
  expect(last?.error?.message).toMatch(place);
  expect(last?.error?.remedy).toContain('replica');
  expect([1, 3]).toContain(code);
  expect(run.has('retrying')).toBe(false);
  const told = JSON.stringify(run.lines) + (await readFile(join(task.dir, 'millrace.log'), 'utf8'));
  expect(told).not.toContain(CANARY);
  expect(told).not.toMatch(/^\s+at .*:\d+:\d+/m);
}

const PLACES = [
  { what: 'in the middle of its rows', place: (bytes: number) => Math.floor(bytes / 2) },
  { what: 'where its compression begins', place: () => 1 },
];

describe.each(PLACES)('a bit that flips on a disk of Kafka, $what,', ({ place }) => {
  test('#44 of a journal record stops the task; nothing of the record is applied, and nothing is lost', async () => {
    await using task = await openTask({ addresses: { KAFKA_BROKERS: kafka.brokers } });
    const first = task.command(['run', '--until', 'caught-up']);
    expect((await first.ended).code).toBe(0);
    await captureAlone(task, (client) => client.query('SELECT prefix.step()'));
    const mend = await flipBit(`${task.name}.journal-0`, place);

    const before = await withClient(task.addresses.TARGET_URL, readPrefix);
    await expectCorrupt(task, new RegExp(`topic ${task.name}.journal, partition 0, offset \\d+`));
    expect(await withClient(task.addresses.TARGET_URL, readPrefix)).toEqual(before);

    await mend();
    const again = task.command(['run']);
    await task.untilEqual(again, 60_000);
    expect((await again.stop()).code).toBe(0);
    await task.verify();
  });

  test('of a chunk of the load stops the task; nothing of the chunk is applied, and nothing is lost', async () => {
    await using task = await openTask({ addresses: { KAFKA_BROKERS: kafka.brokers } });
    let lane = 0;
    await captureAlone(task, async () => {
      lane = await waitUntil(() => laneWithRows(task.name), { what: 'a chunk in a lane', deadlineMs: 60_000 });
    });
    const mend = await flipBit(`${task.name}.load-${lane}`, place);

    await expectCorrupt(task, new RegExp(`topic ${task.name}.load, partition ${lane}, offset \\d+`));

    await mend();
    const again = task.command(['run', '--until', 'caught-up']);
    expect((await again.ended).code).toBe(0);
    await task.verify();
  });
});

async function laneWithRows(task: string): Promise<number | undefined> {
  for (const lane of [1, 2, 3, 4]) if ((await stat(segmentOf(`${task}.load-${lane}`))).size > 0) return lane;
  return undefined;
}

/** What it does to the source is journalled, and not applied: there is no sink. */
async function captureAlone(task: TaskUnderTest, change: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const url = task.addresses.SOURCE_URL;
  const capture = task.command(['capture']);
  await waitUntil(async () => (await slotPosition(url)) >= 0n, { what: 'the slot', deadlineMs: 60_000 });
  await withClient(url, change);
  const end = await endOfLog(url);
  await waitUntil(async () => (await slotPosition(url)) >= end, {
    what: "the journal to hold the source's log",
    deadlineMs: 60_000,
  });
  expect((await capture.stop()).code).toBe(0);
}
