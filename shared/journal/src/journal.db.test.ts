import { BlockBuilder } from '@millrace/codec/block-builder.js';
import { BLOCK_SCHEMA_1_JSON } from '@millrace/codec/block-schema.js';
import type { SchemaChange } from '@millrace/contract/events.js';
import type { Checkpoint } from '@millrace/contract/position.js';
import type { TableVersion } from '@millrace/contract/table.js';
import { expect, test, vi } from 'vitest';
import { deleteTopics, type Journal } from './journal.js';
import type { JournalItem } from './journal-reader.js';
import { JournalReader } from './journal-reader.js';
import { JournalWriter, type OutgoingBlock } from './journal-writer.js';
import { KafkaClient } from './kafka/kafka-client.js';
import { Topics } from './kafka/topics.js';
import { RegistryClient } from './registry/registry-client.js';
import { recordSubject } from './registry/subject.js';
import { failure } from './testing/failure.js';
import { neverAborted, newTopic, readUntil, testJournal, testServers } from './testing/journal-fixture.js';
import { at, insertedIds, sampleTable, sliceOf, wholeBlock } from './testing/sample-blocks.js';

const signal = neverAborted();

function idsOf(items: readonly JournalItem[]): number[][] {
  return items.flatMap((item) => (item.kind === 'block' ? [insertedIds(item.block)] : []));
}

function blocksIn(items: readonly JournalItem[]): number {
  return items.filter(({ kind }) => kind === 'block').length;
}

/** A block with one Schema event for each entry, and a Progress where it is to stand alone. */
function announcement(n: number, entries: readonly (readonly [TableVersion, SchemaChange])[]): OutgoingBlock {
  const builder = new BlockBuilder();
  for (const [table, change] of entries) builder.schema(table, change);
  builder.progress(at(n));
  const announces = entries.map(([version, change]) => ({ version, change }));
  return { builder, announces, after: n === 1 ? null : at(n - 1), upTo: at(n), slice: null };
}

const VERSION: SchemaChange = { kind: 'version' };

test('blocks sent by one incarnation come back in order, with the checkpoint after each', async () => {
  await using journal = await testJournal(await testServers());
  await using writer = await JournalWriter.claim(journal, signal);
  expect(writer.position).toBeNull();
  expect(writer.knownTables).toEqual([]);
  const table = await journal.registerTable(sampleTable('orders'));

  await writer.send([wholeBlock(table, 1, 3), wholeBlock(table, 4)]);
  await writer.send([wholeBlock(table, 5)]);
  expect(writer.inForcePosition).toEqual(at(5));

  const items = await readUntil(journal, null, ({ length }) => length === 4);
  const [takeover, ...blocks] = items;
  expect(takeover).toMatchObject({
    kind: 'takeover',
    abandons: false,
    checkpoint: { journal: writer.journalId, epoch: 0n, seq: -1n, nextOffset: 1n, position: null },
  });
  expect(idsOf(blocks)).toEqual([[1, 2, 3], [4], [5]]);
  expect(blocks.map((item) => item.kind === 'block' && item.checkpointAfter)).toEqual([
    { journal: writer.journalId, epoch: 0n, seq: 0n, nextOffset: 2n, position: at(3) },
    { journal: writer.journalId, epoch: 0n, seq: 1n, nextOffset: 3n, position: at(4) },
    { journal: writer.journalId, epoch: 0n, seq: 2n, nextOffset: 4n, position: at(5) },
  ]);
});

test('a reader that goes on from a checkpoint gets what follows it, and nothing twice', async () => {
  await using journal = await testJournal(await testServers());
  await using writer = await JournalWriter.claim(journal, signal);
  const table = await journal.registerTable(sampleTable('orders'));
  for (let n = 1; n <= 6; n++) await writer.send([wholeBlock(table, n)]);

  const first = await readUntil(journal, null, (items) => blocksIn(items) === 3);
  const last = first.at(-1);
  const checkpoint = last?.kind === 'block' ? last.checkpointAfter : null;
  expect(idsOf(await readUntil(journal, checkpoint, (items) => blocksIn(items) === 3))).toEqual([[4], [5], [6]]);
});

test("blocks' clock never goes back: neither with the source's own, nor over slices, nor where a new incarnation goes on", async () => {
  await using journal = await testJournal(await testServers());
  const table = await journal.registerTable(sampleTable('orders'));
  {
    await using first = await JournalWriter.claim(journal, signal);
    await first.send([wholeBlock(table, 1, 5), wholeBlock(table, 6), wholeBlock(table, 7)]);
  }
  {
    await using second = await JournalWriter.claim(journal, signal);
    await second.send([announcement(8, [[table, VERSION]])]);
    await second.send([sliceOf(table, 9, 0, false)]);
    await second.send([sliceOf(table, 9, 1, true)]);
  }
  const items = await readUntil(journal, null, (read) => blocksIn(read) === 6);
  const blocks = items.flatMap((item) => (item.kind === 'block' ? [item.block] : []));
  expect(blocks.map(({ clock }) => clock)).toEqual([5n, 6n, 6n, 6n, 9n, 9n]);
});

test("a journal's blocks of format 1 are known by the schema id that they were registered with", async () => {
  const servers = await testServers();
  const topic = newTopic();
  await using fresh = await testJournal(servers, { topic });
  expect(fresh.ids.block1).toBeNull();
  const id = await new RegistryClient(servers.registry).register(recordSubject(topic, 'Block'), BLOCK_SCHEMA_1_JSON);
  await using again = await testJournal(servers, { topic });
  expect(again.ids).toEqual({ ...fresh.ids, block1: id });
});

test('a new incarnation goes on at the position that the journal ends with', async () => {
  await using journal = await testJournal(await testServers());
  const table = await journal.registerTable(sampleTable('orders'));
  {
    await using first = await JournalWriter.claim(journal, signal);
    await first.send([wholeBlock(table, 1, 2)]);
  }
  await using second = await JournalWriter.claim(journal, signal);
  expect(second).toMatchObject({ position: at(2), epoch: 2n });
  await second.send([wholeBlock(table, 3)]);
  expect(idsOf(await readUntil(journal, null, (items) => blocksIn(items) === 2))).toEqual([[1, 2], [3]]);
});

test('#41 what a capture sends after another has taken over is ignored by readers, and the capture learns that it is fenced', async () => {
  await using journal = await testJournal(await testServers());
  const table = await journal.registerTable(sampleTable('orders'));
  await using zombie = await JournalWriter.claim(journal, signal);
  await zombie.send([wholeBlock(table, 1)]);

  await using successor = await JournalWriter.claim(journal, signal);
  expect(await failure(zombie.send([wholeBlock(table, 2)]))).toMatchObject({ code: 'JOURNAL_FENCED' });
  expect(zombie.inForcePosition).toEqual(at(1));
  await successor.send([wholeBlock(table, 2, 3)]);

  expect(await failure(zombie.send([wholeBlock(table, 3)]))).toMatchObject({ code: 'JOURNAL_FENCED' });
  expect(idsOf(await readUntil(journal, null, (items) => blocksIn(items) === 2))).toEqual([[1], [2, 3]]);
});

test('a capture that was fenced before it streams anything finds that out by reading on', async () => {
  await using journal = await testJournal(await testServers());
  await using first = await JournalWriter.claim(journal, signal);
  await first.checkStillInForce();
  await using second = await JournalWriter.claim(journal, signal);
  expect(await failure(first.checkStillInForce())).toMatchObject({ code: 'JOURNAL_FENCED', details: { newer: second.epoch } });
  await second.checkStillInForce();
});

test('of captures that claim an empty journal at once each gets an epoch of its own, and all name one journal', async () => {
  await using journal = await testJournal(await testServers());
  const writers = await Promise.all(Array.from({ length: 4 }, () => JournalWriter.claim(journal, signal)));
  try {
    expect(new Set(writers.map(({ epoch }) => epoch)).size).toBe(4);
    expect(new Set(writers.map(({ journalId }) => journalId)).size).toBe(1);
    const table = await journal.registerTable(sampleTable('orders'));
    const sends = await Promise.allSettled(writers.map((writer) => writer.send([wholeBlock(table, 1)])));
    expect(sends.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(idsOf(await readUntil(journal, null, (items) => blocksIn(items) === 1))).toEqual([[1]]);
  } finally {
    for (const writer of writers) await writer[Symbol.asyncDispose]();
  }
});

test('slices of a transaction that its capture did not finish are void, and it comes again whole', async () => {
  await using journal = await testJournal(await testServers());
  const table = await journal.registerTable(sampleTable('orders'));
  await using first = await JournalWriter.claim(journal, signal);
  await first.send([wholeBlock(table, 1)]);
  await first.send([sliceOf(table, 2, 0, false), sliceOf(table, 2, 1, false)]);

  await using second = await JournalWriter.claim(journal, signal);
  expect(second.position).toEqual(at(1));
  await second.send([sliceOf(table, 2, 0, false), sliceOf(table, 2, 1, false), sliceOf(table, 2, 2, true)]);
  expect(second.inForcePosition).toEqual(at(2));

  const items = await readUntil(journal, null, (read) => blocksIn(read) === 6);
  expect(items.map((item) => (item.kind === 'takeover' ? item.abandons : insertedIds(item.block)))).toEqual([
    false,
    [1],
    [2000],
    [2001],
    true,
    [2000],
    [2001],
    [2002],
  ]);
  const slices = items.flatMap((item) => (item.kind === 'block' && item.block.slice !== null ? [item.block.slice] : []));
  expect(slices.map(({ first: offset }) => offset)).toEqual([-1n, 2n, -1n, 5n, 5n]);
});

test('the table versions in force are found at the tail, whatever lies between and however often a version came back', async () => {
  await using journal = await testJournal(await testServers());
  const orders = await journal.registerTable(sampleTable('orders'));
  const wider = await journal.registerTable(sampleTable('orders', 1));
  const gone = await journal.registerTable(sampleTable('gone'));
  const broken = await journal.registerTable(sampleTable('broken'));
  {
    await using first = await JournalWriter.claim(journal, signal);
    await first.send([
      announcement(1, [
        [orders, VERSION],
        [gone, { kind: 'load', load: '0.1', reason: 'first start' }],
        [broken, VERSION],
      ]),
    ]);
    await first.send([announcement(2, [[wider, VERSION]])]);
    await first.send([
      announcement(3, [
        [broken, { kind: 'error', code: 'X', message: 'x' }],
        [gone, { kind: 'dropped' }],
      ]),
    ]);
    await first.send([announcement(4, [[orders, VERSION]])]);
    for (let n = 5; n < 45; n++) await first.send([wholeBlock(orders, n)]);
  }
  await using second = await JournalWriter.claim(journal, signal);
  expect(second.knownTables).toEqual([orders]);
  expect(second.knownTables[0]).toBe(orders);
});

test('a Schema event inside an unfinished transaction is not in force at the tail', async () => {
  await using journal = await testJournal(await testServers());
  const orders = await journal.registerTable(sampleTable('orders'));
  const wider = await journal.registerTable(sampleTable('orders', 1));
  {
    await using first = await JournalWriter.claim(journal, signal);
    await first.send([announcement(1, [[orders, VERSION]])]);
    const builder = new BlockBuilder();
    builder.begin('2');
    builder.schema(wider, VERSION);
    const announces = [{ version: wider, change: VERSION }];
    await first.send([
      { builder, announces, after: at(1), upTo: null, slice: { index: 0, last: false } },
      sliceOf(wider, 2, 1, false),
    ]);
  }
  {
    await using second = await JournalWriter.claim(journal, signal);
    expect(second.knownTables).toEqual([orders]);
    await second.send([wholeBlock(orders, 2)]);
  }
  await using third = await JournalWriter.claim(journal, signal);
  expect(third.knownTables).toEqual([orders]);
});

test('a topic that was deleted and made anew is refused by a reader of the old one', async () => {
  const servers = await testServers();
  const topic = newTopic();
  const write = async (journal: Journal, upTo: number): Promise<void> => {
    await using writer = await JournalWriter.claim(journal, signal);
    const table = await journal.registerTable(sampleTable('orders'));
    for (let n = 1; n <= upTo; n++) await writer.send([wholeBlock(table, n)]);
  };
  let checkpoint = null;
  {
    await using old = await testJournal(servers, { topic });
    await write(old, 3);
    const last = (await readUntil(old, null, (items) => blocksIn(items) === 3)).at(-1);
    checkpoint = last?.kind === 'block' ? last.checkpointAfter : null;
  }
  expect(await deleteTopics({ ...servers, topics: [topic] })).toContain(`topic ${topic}`);

  await using fresh = await testJournal(servers, { topic });
  expect(await failure(JournalReader.open(fresh, checkpoint, signal))).toMatchObject({ code: 'JOURNAL_TRUNCATED' });
  await write(fresh, 8);
  expect(await failure(JournalReader.open(fresh, checkpoint, signal))).toMatchObject({ code: 'JOURNAL_FOREIGN' });
});

test('a reader whose place was trimmed away says so and does not jump', async () => {
  await using journal = await testJournal(await testServers());
  await using writer = await JournalWriter.claim(journal, signal);
  const table = await journal.registerTable(sampleTable('orders'));
  for (let n = 1; n <= 6; n++) await writer.send([wholeBlock(table, n)]);
  const [, second] = await readUntil(journal, null, ({ length }) => length === 2);
  const early = second?.kind === 'block' ? second.checkpointAfter : null;

  expect(await journal.trim(await checkpointAt(journal, 5n), 5n)).toBe(4n);
  expect(await journal.bounds()).toEqual({ start: 4n, end: 7n });
  expect(await failure(JournalReader.open(journal, early, signal))).toMatchObject({
    code: 'JOURNAL_TRIMMED',
    details: { offset: 2n, start: 4n },
  });
  expect(await failure(JournalReader.open(journal, null, signal))).toMatchObject({ code: 'JOURNAL_TRIMMED' });
  // People may look at what is kept.
  await using kept = await JournalReader.openOldest(journal, signal);
  const ids: number[][] = [];
  for await (const item of kept) {
    ids.push(...idsOf([item]));
    if (ids.length === 3) break;
  }
  expect(ids).toEqual([[4], [5], [6]]);

  expect(await journal.trim(await checkpointAt(journal, 7n), 4n)).toBeNull();
  await using next = await JournalWriter.claim(journal, signal);
  expect(next.position).toEqual(at(6));
});

/** A target's that has applied everything below an offset. */
async function checkpointAt(journal: Journal, nextOffset: bigint): Promise<Checkpoint> {
  return { journal: await journalIdOf(journal), epoch: -1n, seq: -1n, nextOffset, position: null };
}

async function journalIdOf(journal: Journal): Promise<string> {
  await using log = journal.log();
  const { start } = await log.bounds(signal);
  const [oldest] = await log.range(start, start + 1n, signal);
  return oldest?.header.journal ?? '';
}

test('a capture that starts again knows every table, however often everything was trimmed that may go', async () => {
  await using journal = await testJournal(await testServers());
  const [orders, items, gone] = await journal.registerTables(['orders', 'items', 'gone'].map((name) => sampleTable(name)));
  const wider = await journal.registerTable(sampleTable('orders', 1));
  if (orders === undefined || items === undefined || gone === undefined) throw new Error('three tables');
  const trimAll = async () =>
    journal.trim(await checkpointAt(journal, (await journal.bounds()).end), (await journal.bounds()).end);
  {
    await using writer = await JournalWriter.claim(journal, signal);
    const all: [TableVersion, SchemaChange][] = [orders, items, gone].map((table) => [table, VERSION]);
    await writer.send([announcement(1, all)]);
    for (let n = 2; n <= 3; n++) await writer.send([wholeBlock(orders, n)]);
    // What tells of the tables is the second record; before it lies only the claim.
    expect(await trimAll()).toBe(1n);
  }
  {
    await using writer = await JournalWriter.claim(journal, signal);
    expect(writer.knownTables).toEqual([orders, items, gone]);
    await writer.send([wholeBlock(orders, 4)]);
    await writer.send([announcement(5, [[gone, { kind: 'dropped' }]]), announcement(6, [[wider, VERSION]])]);
    // Offsets 0 to 3 of the first capture, 4 the claim, 5 the block that lists what was in force before it.
    expect(await trimAll()).toBe(5n);
  }
  for (let n = 7; n <= 9; n++) {
    await using writer = await JournalWriter.claim(journal, signal);
    expect(writer.position).toEqual(at(n - 1));
    expect(new Set(writer.knownTables)).toEqual(new Set([wider, items]));
    await writer.send([wholeBlock(wider, n)]);
    const { end } = await journal.bounds();
    expect(await trimAll()).toBe(end - 1n);
    expect(await journal.bounds()).toEqual({ start: end - 1n, end });
  }
});

test.each([1, 2])('a claim goes on where the log is trimmed after it has looked at its bounds for the %i. time', async (look) => {
  await using journal = await testJournal(await testServers());
  const table = await journal.registerTable(sampleTable('orders'));
  {
    await using writer = await JournalWriter.claim(journal, signal);
    await writer.send([announcement(1, [[table, VERSION]])]);
  }
  const { end } = await journal.bounds();
  const log = journal.log();
  const bounds = log.bounds.bind(log);
  let looks = 0;
  vi.spyOn(log, 'bounds').mockImplementation(async (...given) => {
    const seen = await bounds(...given);
    if (++looks === look) expect(await journal.trim(await checkpointAt(journal, end), end)).toBe(1n);
    return seen;
  });
  const claimed = vi.spyOn(journal, 'log').mockReturnValueOnce(log);
  await using next = await JournalWriter.claim(journal, signal);
  claimed.mockRestore();
  expect(next).toMatchObject({ position: at(1), knownTables: [table] });
});

test('claims that are not followed by a block leave the last block that tells where the journal stands', async () => {
  await using journal = await testJournal(await testServers());
  const table = await journal.registerTable(sampleTable('orders'));
  {
    await using writer = await JournalWriter.claim(journal, signal);
    await writer.send([announcement(1, [[table, VERSION]])]);
  }
  for (let claims = 0; claims < 20; claims++) await (await JournalWriter.claim(journal, signal))[Symbol.asyncDispose]();
  const { end } = await journal.bounds();
  expect(await journal.trim(await checkpointAt(journal, end), end)).toBe(1n);
  await using next = await JournalWriter.claim(journal, signal);
  expect(next).toMatchObject({ position: at(1), knownTables: [table] });
});

test('a journal that somebody emptied altogether is refused: nothing tells where it stands', async () => {
  const servers = await testServers();
  await using journal = await testJournal(servers);
  {
    await using writer = await JournalWriter.claim(journal, signal);
    await writer.send([wholeBlock(await journal.registerTable(sampleTable('orders')), 1)]);
  }
  await using client = new KafkaClient(servers.kafka);
  await new Topics(client).trim(journal.topic, 0, (await journal.bounds()).end);
  expect(await failure(JournalWriter.claim(journal, signal))).toMatchObject({ code: 'JOURNAL_NO_ANCHOR', class: 'operator' });
});

test('what was written lately is kept, and a journal that is another one than the checkpoint names is left alone', async () => {
  await using journal = await testJournal(await testServers());
  await using writer = await JournalWriter.claim(journal, signal);
  const table = await journal.registerTable(sampleTable('orders'));
  for (let n = 1; n <= 4; n++) await writer.send([wholeBlock(table, n)]);
  const checkpoint = await checkpointAt(journal, 5n);
  expect(await journal.offsetAt(0)).toBe(0n);
  expect(await journal.trim(checkpoint, await journal.offsetAt(Date.now() - 3_600_000))).toBeNull();
  expect(await journal.offsetAt(Date.now() + 3_600_000)).toBe(5n);
  expect(await failure(journal.trim({ ...checkpoint, journal: 'another' }, 5n))).toMatchObject({ code: 'JOURNAL_FOREIGN' });
  expect(await journal.bounds()).toMatchObject({ start: 0n });
  expect(await journal.trim(checkpoint, 99n)).toBe(4n);
});

test("#44 a block over the topic's limit is an error; nothing is left out", async () => {
  await using journal = await testJournal(await testServers(), { maxMessageBytes: 100_000 });
  await using writer = await JournalWriter.claim(journal, signal);
  const table = await journal.registerTable(sampleTable('orders'));
  await writer.send([wholeBlock(table, 1)]);
  const incompressible = Buffer.from(Array.from({ length: 200_000 }, () => Math.floor(Math.random() * 256))).toString('base64');
  const error = await failure(writer.send([wholeBlock(table, 2, 2, incompressible)]));
  expect(error).toMatchObject({ code: 'RECORD_OVER_TOPIC_LIMIT', class: 'operator' });
  expect(await failure(writer.send([wholeBlock(table, 3)]))).toBe(error);
  expect(await journal.bounds()).toEqual({ start: 0n, end: 2n });
});

test('blocks of a megabyte go through, several in one call', async () => {
  await using journal = await testJournal(await testServers());
  await using writer = await JournalWriter.claim(journal, signal);
  const table = await journal.registerTable(sampleTable('orders'));
  const note = Buffer.from(Array.from({ length: 750_000 }, () => Math.floor(Math.random() * 256))).toString('base64');
  await writer.send(Array.from({ length: 8 }, (_, index) => wholeBlock(table, index + 1, index + 1, note)));
  expect(idsOf(await readUntil(journal, null, (items) => blocksIn(items) === 8))).toEqual([
    [1],
    [2],
    [3],
    [4],
    [5],
    [6],
    [7],
    [8],
  ]);
});

test('a reader ends when it is told to, also while the journal is idle or still empty', async () => {
  await using journal = await testJournal(await testServers());
  const early = new AbortController();
  const opening = JournalReader.open(journal, null, early.signal);
  early.abort(new Error('stopped by the test'));
  expect(await failure(opening)).toMatchObject({ message: 'stopped by the test' });

  await using writer = await JournalWriter.claim(journal, signal);
  const stop = new AbortController();
  await using reader = await JournalReader.open(journal, null, stop.signal);
  const items: JournalItem[] = [];
  for await (const item of reader) {
    items.push(item);
    stop.abort();
  }
  expect(items).toMatchObject([{ kind: 'takeover', checkpoint: { epoch: writer.epoch } }]);
});

test('records that should be there and are not end a reading with an error, not with a wait', async () => {
  await using journal = await testJournal(await testServers());
  await using writer = await JournalWriter.claim(journal, signal);
  await using log = journal.log();
  expect(await failure(log.range(writer.epoch, 3n, signal))).toMatchObject({
    code: 'JOURNAL_TRUNCATED',
    details: { offset: 3n, end: 1n },
  });
});
