import { setTimeout as sleep } from 'node:timers/promises';
import { sharedServers, waitUntil } from '@millrace/testkit/servers.js';
import kafkajs from 'kafkajs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Journal, openJournal } from './journal.js';
import { JournalReader } from './journal-reader.js';
import { JournalWriter } from './journal-writer.js';
import { failure } from './testing/failure.js';
import { neverAborted, newTopic, readUntil } from './testing/journal-fixture.js';
import { type ProxiedKafka, startProxiedKafka } from './testing/proxied-kafka.js';
import { at, insertedIds, sampleTable, wholeBlock } from './testing/sample-blocks.js';

const signal = neverAborted();
let servers: ProxiedKafka;
let registry: string;

beforeAll(async () => {
  servers = await startProxiedKafka();
  registry = await sharedServers().registry();
});
afterAll(async () => {
  await servers[Symbol.asyncDispose]();
});

async function open(patienceMs = 30_000): Promise<Journal> {
  return openJournal({
    kafka: servers.kafka,
    registry: { url: registry, login: null },
    topic: newTopic(),
    create: true,
    patienceMs,
  });
}

async function everyId(journal: Journal, count: number): Promise<number[]> {
  const items = await readUntil(journal, null, (read) => read.filter(({ kind }) => kind === 'block').length === count, 30_000);
  return items.flatMap((item) => (item.kind === 'block' ? insertedIds(item.block) : []));
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}

test('#2 #46 replies lost by broken connections leave every block in force once, and in the log once', async () => {
  await using journal = await open();
  await using writer = await JournalWriter.claim(journal, signal);
  const table = await journal.registerTable(sampleTable('orders'));
  for (let n = 1; n <= 60; n++) {
    const loses = n % 3 === 0;
    if (loses) servers.proxy.stall('to-client');
    const before = await servers.written(journal.topic);
    let replied = false;
    const sending = writer.send([wholeBlock(table, n)]).then(() => {
      replied = true;
    });
    if (loses) {
      // The block is written; its reply is held back and then lost.
      await waitUntil(async () => (await servers.written(journal.topic)) > before, {
        what: 'the block in the log',
        deadlineMs: 10_000,
        everyMs: 5,
      });
      expect(replied).toBe(false);
      servers.proxy.reset();
      servers.proxy.heal();
    }
    await sending;
  }
  expect(writer.inForcePosition).toEqual(at(60));
  expect(await everyId(journal, 60)).toEqual(upTo(60));
  const { end } = await journal.bounds();
  expect(end, 'the claim and sixty blocks: the broker knows a batch that comes again').toBe(61n);

  await using next = await JournalWriter.claim(journal, signal);
  expect(next.position).toEqual(at(60));
});

test('a broker killed in the middle of sends and reads loses and doubles nothing', async () => {
  await using journal = await open();
  await using writer = await JournalWriter.claim(journal, signal);
  const table = await journal.registerTable(sampleTable('orders'));
  const reading = everyId(journal, 200);
  const killing = (async () => {
    await sleep(300);
    await servers.server.kill('SIGKILL');
    await servers.server.restart();
  })();
  for (let n = 1; n <= 200; n++) {
    await writer.send([wholeBlock(table, n)]);
    await sleep(4);
  }
  await killing;
  expect(await reading).toEqual(upTo(200));
});

test('a network that stalls without a word is given up and tried afresh', async () => {
  await using journal = await open();
  await using writer = await JournalWriter.claim(journal, signal);
  const table = await journal.registerTable(sampleTable('orders'));
  await writer.send([wholeBlock(table, 1)]);
  const reading = everyId(journal, 2);
  servers.proxy.halfOpen();
  servers.proxy.heal();
  const [ids] = await Promise.all([reading, writer.send([wholeBlock(table, 2)])]);
  expect(ids).toEqual([1, 2]);
});

test('Kafka away for longer than patience ends the incarnation with an error that says so; the next one goes on exactly', async () => {
  await using journal = await open(1_500);
  const table = await journal.registerTable(sampleTable('orders'));
  {
    await using writer = await JournalWriter.claim(journal, signal);
    await writer.send([wholeBlock(table, 1)]);
    servers.proxy.refuse();
    servers.proxy.reset();
    const error = await failure(writer.send([wholeBlock(table, 2)]));
    expect(error).toMatchObject({ class: 'retry' });
    expect(await failure(JournalReader.open(journal, null, signal))).toMatchObject({ class: 'retry' });
    servers.proxy.heal();
    expect(await failure(writer.send([wholeBlock(table, 2)])), 'an incarnation at its end sends nothing more').toBe(error);
  }
  await using next = await JournalWriter.claim(journal, signal);
  const position = next.position;
  expect([at(1), at(2)]).toContainEqual(position);
  if (position?.key === at(1).key) await next.send([wholeBlock(table, 2)]);
  expect(await everyId(journal, 2)).toEqual([1, 2]);
});

test('#43 reading joins no consumer group, so none can skip or rebalance', async () => {
  await using journal = await open();
  await using _writer = await JournalWriter.claim(journal, signal);
  await readUntil(journal, null, ({ length }) => length === 1);
  const admin = new kafkajs.Kafka({ brokers: [...servers.kafka.brokers], logLevel: kafkajs.logLevel.NOTHING }).admin();
  await admin.connect();
  expect((await admin.listGroups()).groups).toEqual([]);
  await admin.disconnect();
});
