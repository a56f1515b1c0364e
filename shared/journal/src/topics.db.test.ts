import kafkajs from 'kafkajs';
import { expect, test } from 'vitest';
import { deleteTopics } from './journal.js';
import { JournalReader } from './journal-reader.js';
import { JournalWriter } from './journal-writer.js';
import { KafkaClient } from './kafka/kafka-client.js';
import { Topics } from './kafka/topics.js';
import { RegistryClient } from './registry/registry-client.js';
import { failure } from './testing/failure.js';
import {
  neverAborted,
  newTopic,
  plainKafka,
  readUntil,
  type TestServers,
  testJournal,
  testServers,
} from './testing/journal-fixture.js';
import { sampleTable } from './testing/sample-blocks.js';

const signal = neverAborted();

function subjects({ registry }: TestServers): Promise<readonly string[]> {
  return new RegistryClient(registry).subjects();
}

async function createTopic(
  { kafka }: TestServers,
  topic: string,
  settings: Readonly<Record<string, string>>,
  numPartitions = 1,
): Promise<void> {
  const admin = new kafkajs.Kafka({ brokers: [...kafka.brokers], logLevel: kafkajs.logLevel.NOTHING }).admin();
  await admin.connect();
  const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }));
  await admin.createTopics({ topics: [{ topic, numPartitions, replicationFactor: 1, configEntries }] });
  await admin.disconnect();
}

async function writeForeign({ kafka }: TestServers, topic: string, value: Buffer): Promise<void> {
  const producer = new kafkajs.Kafka({ brokers: [...kafka.brokers], logLevel: kafkajs.logLevel.NOTHING }).producer({
    createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
  });
  await producer.connect();
  await producer.send({ topic, messages: [{ value }] });
  await producer.disconnect();
}

/** What a one-broker cluster needs. */
const FIT = {
  'cleanup.policy': 'delete',
  'retention.ms': '-1',
  'retention.bytes': '-1',
  'unclean.leader.election.enable': 'false',
  'message.timestamp.type': 'LogAppendTime',
  'max.message.bytes': '16777216',
  'flush.messages': '1',
};

test('a journal topic is made with settings under which Kafka keeps every record', async () => {
  const servers = await testServers();
  const topic = newTopic();
  await using journal = await testJournal(servers, { topic });
  await using client = new KafkaClient(servers.kafka);
  const described = await new Topics(client).describe(topic);
  expect(described).toMatchObject({ partitions: 1, replicationFactor: 1 });
  for (const [setting, value] of Object.entries(FIT))
    expect([setting, described?.settings.get(setting)]).toEqual([setting, value]);
  expect(journal.topic).toBe(topic);
});

test('a topic that an operator made fit is taken as it is', async () => {
  const servers = await testServers();
  const topic = newTopic();
  await createTopic(servers, topic, { ...FIT, 'max.message.bytes': '33554432' });
  await using journal = await testJournal(servers, { topic });
  expect(journal.topic).toBe(topic);
});

test.each([
  ['cleanup.policy', 'compact', 'delete'],
  ['retention.ms', '604800000', '-1'],
  ['retention.bytes', '1073741824', '-1'],
  ['unclean.leader.election.enable', 'true', 'false'],
  ['message.timestamp.type', 'CreateTime', 'LogAppendTime'],
  ['max.message.bytes', '1048588', '16777216 or more'],
  ['flush.messages', '9223372036854775807', '1'],
])("a topic with %s = %s is refused by the setting's name", async (setting, found, needed) => {
  const servers = await testServers();
  const topic = newTopic();
  await createTopic(servers, topic, { ...FIT, [setting]: found });
  expect(await failure(testJournal(servers, { topic }))).toMatchObject({
    code: 'TOPIC_SETTING_WRONG',
    class: 'operator',
    details: { topic, setting, found, needed },
  });
});

test('a topic with several partitions is refused', async () => {
  const servers = await testServers();
  const topic = newTopic();
  await createTopic(servers, topic, FIT, 3);
  expect(await failure(testJournal(servers, { topic }))).toMatchObject({
    code: 'TOPIC_SETTING_WRONG',
    details: { setting: 'partitions', found: '3', needed: '1' },
  });
});

test('a missing topic is an error where it may not be made', async () => {
  const servers = await testServers();
  const topic = newTopic();
  expect(await failure(testJournal(servers, { topic, create: false }))).toMatchObject({
    code: 'TOPIC_MISSING',
    details: { topic },
  });
  expect((await subjects(servers)).filter((subject) => subject.startsWith(topic))).toEqual([]);
});

test('a start that the registry or Kafka refuses leaves nothing behind in the other', async () => {
  const servers = await testServers();
  const topic = newTopic();
  const registry = { url: 'http://127.0.0.1:1', login: null };
  expect(await failure(testJournal({ ...servers, registry }, { topic, patienceMs: 300 }))).toMatchObject({
    code: 'REGISTRY_UNREACHABLE',
  });
  await using client = new KafkaClient(servers.kafka);
  expect(await new Topics(client).describe(topic)).toBeNull();
  expect(await failure(testJournal({ ...servers, kafka: plainKafka('127.0.0.1:1') }, { topic, patienceMs: 300 }))).toMatchObject({
    code: 'KAFKA_UNREACHABLE',
  });
  expect((await subjects(servers)).filter((subject) => subject.startsWith(topic))).toEqual([]);
});

test("deleting a task's topics takes their subjects along, and those of no other topic", async () => {
  const servers = await testServers();
  const topic = newTopic();
  await using journal = await testJournal(servers, { topic });
  await using other = await testJournal(servers, { topic: `${topic}-2.journal` });
  await journal.registerTables([sampleTable('orders'), sampleTable('a.b/c', 0, 'Ünï')]);
  await other.registerTables([sampleTable('orders')]);
  const deleted = await deleteTopics({ ...servers, topics: [topic, newTopic()] });
  expect([...deleted].sort()).toEqual(
    [
      `subject ${topic}-public.orders`,
      `subject ${topic}-~C3~9Cn~C3~AF.a~2Eb~2Fc`,
      `subject ${topic}-millrace.Block`,
      `subject ${topic}-millrace.Takeover`,
      `topic ${topic}`,
    ].sort(),
  );
  expect((await subjects(servers)).filter((subject) => subject.startsWith(topic))).toHaveLength(3);
  expect(await deleteTopics({ ...servers, topics: [topic] })).toEqual([]);
});

test.each([
  ['text', Buffer.from('hello')],
  ['a record of another schema', Buffer.from([0, 0, 0, 0x7f, 0x01, 2, 3, 4])],
  ['an empty record', Buffer.alloc(0)],
])('a topic that holds %s is refused by captures and readers alike', async (_what, value) => {
  const servers = await testServers();
  const topic = newTopic();
  await using journal = await testJournal(servers, { topic });
  await writeForeign(servers, topic, value);
  expect(await failure(JournalWriter.claim(journal, signal))).toMatchObject({ code: 'RECORD_FOREIGN' });
  expect(await failure(JournalReader.open(journal, null, signal))).toMatchObject({ code: 'RECORD_FOREIGN' });
});

test('a foreign record that comes in later ends the reading at that record', async () => {
  const servers = await testServers();
  const topic = newTopic();
  await using journal = await testJournal(servers, { topic });
  await using writer = await JournalWriter.claim(journal, signal);
  await writeForeign(servers, topic, Buffer.from('hello'));
  expect(await failure(readUntil(journal, null, ({ length }) => length > 1))).toMatchObject({ code: 'RECORD_FOREIGN' });
  expect(await failure(writer.checkStillInForce())).toMatchObject({ code: 'RECORD_FOREIGN' });
});

test('a record written in a Kafka transaction is refused, because its marker takes an offset', async () => {
  const servers = await testServers();
  const topic = newTopic();
  await using journal = await testJournal(servers, { topic });
  await using writer = await JournalWriter.claim(journal, signal);
  const kafka = new kafkajs.Kafka({ brokers: [...servers.kafka.brokers], logLevel: kafkajs.logLevel.NOTHING });
  const producer = kafka.producer({
    idempotent: true,
    transactionalId: topic,
    maxInFlightRequests: 1,
    createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
  });
  await producer.connect();
  const transaction = await producer.transaction();
  await transaction.send({ topic, messages: [{ value: Buffer.from('hello') }] });
  await transaction.abort();
  await producer.disconnect();
  expect(await failure(writer.checkStillInForce())).toMatchObject({ code: 'RECORD_FOREIGN', class: 'operator' });
});

test('an address where no Kafka answers is named', async () => {
  const servers = await testServers();
  const error = await failure(testJournal({ ...servers, kafka: plainKafka('127.0.0.1:1') }, { patienceMs: 500 }));
  expect(error).toMatchObject({ code: 'KAFKA_UNREACHABLE', class: 'retry', details: { brokers: '127.0.0.1:1' } });
});

test('TLS to a listener that speaks none is refused as that', async () => {
  const servers = await testServers();
  const kafka = { ...servers.kafka, tls: { ca: null, client: null } };
  expect(await failure(testJournal({ ...servers, kafka }, { patienceMs: 500 }))).toMatchObject({ code: 'KAFKA_TLS_FAILED' });
});
