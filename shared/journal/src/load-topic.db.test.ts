import type { LoadEvent, LoadRecord } from '@millrace/codec/load-record.js';
import { encodeLoadRecord } from '@millrace/codec/load-record.js';
import { LOAD_SCHEMA_JSON } from '@millrace/codec/load-schema.js';
import kafkajs from 'kafkajs';
import { expect, test } from 'vitest';
import { DeadLetterWriter } from './dead-letter-topic.js';
import { SEQ_HEADER } from './kafka/append-queue.js';
import { type LoadItem, type LoadTopic, openLoadTopic } from './load-topic.js';
import { RegistryClient } from './registry/registry-client.js';
import { recordSubject } from './registry/subject.js';
import { failure } from './testing/failure.js';
import { neverAborted, newTopic, type TestServers, testServers } from './testing/journal-fixture.js';
import { at } from './testing/sample-blocks.js';

const signal = neverAborted();
const TABLE = { schema: 'public', table: 'orders' };

function rows(chunk: number, seq: number, size = 10): LoadEvent {
  return { kind: 'rows', load: '0.1', table: TABLE, attempt: 1, chunk, seq, rows: 1, bytes: Buffer.alloc(size, seq) };
}

function ended(chunks: number): LoadEvent {
  return { kind: 'ended', load: '0.1', table: TABLE, attempt: 1, chunks };
}

async function open(servers: TestServers, topic: string, lanes?: number): Promise<LoadTopic> {
  return openLoadTopic({ ...servers, topic, create: true, ...(lanes === undefined ? {} : { lanes }) });
}

async function take(items: AsyncIterable<LoadItem>, count: number): Promise<LoadItem[]> {
  const taken: LoadItem[] = [];
  for await (const item of items) {
    taken.push(item);
    if (taken.length === count) break;
  }
  return taken;
}

function seqOf(record: LoadRecord): number {
  return record.kind === 'rows' ? record.seq : -1;
}

test('every lane gives back its rows in order, and control its own records', async () => {
  await using topic = await open(await testServers(), newTopic());
  expect(topic.lanes).toBe(4);
  await using writer = topic.writer(7n);
  const work: Promise<void>[] = [];
  for (let lane = 0; lane < 4; lane++) for (let seq = 0; seq < 40; seq++) work.push(writer.rows(lane, rows(lane, seq, 50_000)));
  work.push(writer.control(ended(4)));
  await Promise.all(work);

  const reader = topic.reader();
  for (let lane = 0; lane < 4; lane++) {
    const items = await take(reader.lane(lane, null, signal), 40);
    expect(items.map(({ record }) => [record.kind === 'rows' && record.chunk, seqOf(record), record.epoch])).toEqual(
      Array.from({ length: 40 }, (_, seq) => [lane, seq, 7n]),
    );
  }
  const controlled: LoadRecord[] = [];
  for await (const record of writer.controlRecords(signal)) controlled.push(record);
  expect(controlled).toEqual([{ ...ended(4), epoch: 7n }]);
});

test('an existing topic keeps its own number of lanes', async () => {
  const servers = await testServers();
  const name = newTopic();
  {
    await using made = await open(servers, name, 2);
    expect(made.lanes).toBe(2);
  }
  await using again = await open(servers, name, 6);
  expect(again.lanes).toBe(2);
});

test('what a fenced capture still writes is passed over', async () => {
  await using topic = await open(await testServers(), newTopic(), 1);
  await using old = topic.writer(3n);
  await using successor = topic.writer(9n);
  await old.rows(0, rows(0, 0));
  await successor.rows(0, rows(0, 10));
  await old.rows(0, rows(0, 1));
  await successor.rows(0, rows(0, 11));
  expect((await take(topic.reader().lane(0, null, signal), 3)).map(({ record }) => [record.epoch, seqOf(record)])).toEqual([
    [3n, 0],
    [9n, 10],
    [9n, 11],
  ]);
});

test('#42 #46 a record that a lost reply doubled is read once, and one that is missing is an error', async () => {
  const servers = await testServers();
  const name = newTopic();
  await using topic = await open(servers, name, 1);
  await using writer = topic.writer(5n);
  const work = Array.from({ length: 20 }, (_, seq) => writer.rows(0, rows(0, seq)));
  await Promise.all(work);

  // The last request again, as a producer does whose reply was lost; then one whose number is too high.
  const [{ record } = {}] = await take(topic.reader().lane(0, null, signal), 1);
  if (record === undefined) throw new Error('the lane has a record');
  const schemaId = await schemaIdOf(servers, name);
  const again = (seq: number, numbered: number) => ({
    partition: 1,
    value: Buffer.from(encodeLoadRecord({ ...rows(0, seq), epoch: 5n }, schemaId)),
    headers: { [SEQ_HEADER]: String(numbered) },
  });
  await writeRaw(servers, name, [again(16, 16), again(17, 17), again(18, 18), again(19, 19), again(20, 20), again(25, 25)]);

  const reader = topic.reader();
  const items = await take(reader.lane(0, null, signal), 21);
  expect(items.map((item) => seqOf(item.record))).toEqual(Array.from({ length: 21 }, (_, seq) => seq));
  for (const item of items.slice(0, 20)) {
    const [next] = await take(reader.lane(0, item, signal), 1);
    expect(next === undefined ? -1 : seqOf(next.record)).toBe(seqOf(item.record) + 1);
  }
  expect(await failure(take(reader.lane(0, null, signal), 22))).toMatchObject({
    code: 'JOURNAL_INCONSISTENT',
    details: { topic: name },
  });
});

test('what was freed is not read again, and a reading begins behind it, in the middle of an epoch', async () => {
  await using topic = await open(await testServers(), newTopic(), 1);
  await using old = topic.writer(3n);
  await using successor = topic.writer(9n);
  for (let seq = 0; seq < 3; seq++) await old.rows(0, rows(0, seq));
  for (let seq = 3; seq < 6; seq++) await successor.rows(0, rows(0, seq));

  const reader = topic.reader();
  const items = await take(reader.lane(0, null, signal), 6);
  expect(await reader.laneEnd(0, signal)).toBe(6n);
  await reader.trimLane(0, 4n, signal);
  expect((await take(reader.lane(0, null, signal), 2)).map(({ record }) => seqOf(record))).toEqual([4, 5]);
  expect((await take(reader.lane(0, items[3] ?? null, signal), 2)).map(({ record }) => seqOf(record))).toEqual([4, 5]);
  expect(await failure(take(reader.lane(0, items[2] ?? null, signal), 1))).toMatchObject({ code: 'JOURNAL_TRIMMED' });
  await reader.trimLane(0, 2n, signal);
  await reader.trimLane(0, 99n, signal);
  expect((await take(reader.lane(0, null, signal), 1)).map(({ offset }) => offset)).toEqual([4n]);
});

test('dead letters are in their topic when publishing them resolves', async () => {
  const servers = await testServers();
  const topic = newTopic();
  await using letters = await DeadLetterWriter.open({ ...servers, topic, create: true });
  const letter = {
    table: TABLE,
    position: at(1),
    ordinal: 0,
    kind: 'insert',
    code: 'UNIQUE_CONFLICT',
    message: 'x',
    before: null,
    after: '{"id":1}',
  } as const;
  await letters.publish(Array.from({ length: 100 }, (_, id) => ({ ...letter, id: BigInt(id) })));
  const admin = new kafkajs.Kafka({ brokers: [...servers.kafka.brokers], logLevel: kafkajs.logLevel.NOTHING }).admin();
  await admin.connect();
  expect(await admin.fetchTopicOffsets(topic)).toMatchObject([{ partition: 0, high: '100' }]);
  await admin.disconnect();
});

async function writeRaw(
  { kafka }: TestServers,
  topic: string,
  messages: readonly { partition: number; value: Buffer; headers: Record<string, string> }[],
): Promise<void> {
  const producer = new kafkajs.Kafka({ brokers: [...kafka.brokers], logLevel: kafkajs.logLevel.NOTHING }).producer({
    createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
  });
  await producer.connect();
  await producer.send({ topic, messages: [...messages] });
  await producer.disconnect();
}

/** Registering it again gives the same id. */
function schemaIdOf({ registry }: TestServers, topic: string): Promise<number> {
  return new RegistryClient(registry).register(recordSubject(topic, 'LoadRecord'), LOAD_SCHEMA_JSON);
}
