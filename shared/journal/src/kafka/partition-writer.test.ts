import kafkajs from 'kafkajs';
import type { Broker } from 'kafkajs/src/cluster/index.js';
import { expect, test } from 'vitest';
import { NO_METRICS } from '../journal-metrics.js';
import { failure } from '../testing/failure.js';
import { KafkaClient } from './kafka-client.js';
import { PartitionWriter, type WritingCluster } from './partition-writer.js';
import { produceOverhead } from './produce-request.js';

/** What a broker wrote, as it says it; a topic, a partition and an error code of its own where the test says so. */
interface Written {
  readonly offset: number;
  readonly partition?: number;
  readonly errorCode?: number;
}
type Answer = readonly Written[] | Error | Promise<readonly Written[]>;

const TOPIC = 't';
const OUT_OF_ORDER_SEQUENCE_NUMBER = 45;
const RECORDS = [{ value: Buffer.from('a') }, { value: Buffer.from('b') }];

/** A Kafka that answers the n-th send as the test says, and hands out producers 100, 101, … */
function scriptedKafka(answers: readonly Answer[]) {
  const real = new KafkaClient({ brokers: ['nowhere:1'], tls: null, sasl: null }, 1_000);
  const sends: { readonly producer: bigint; readonly sequence: number; readonly records: number; readonly partition: number }[] =
    [];
  let producers = 0;
  let connections = 0;
  const broker: Broker = {
    fetch: () => Promise.reject(new Error('nothing is read here')),
    initProducerId: async () => ({ producerId: String(100 + producers++), producerEpoch: 0 }),
    connectionPool: {
      send: async ({ request, response }) => {
        const { buffer } = await request.encode();
        const batch = buffer.subarray(produceOverhead(TOPIC));
        sends.push({
          producer: batch.readBigInt64BE(43),
          sequence: batch.readInt32BE(53),
          records: batch.readInt32BE(57),
          partition: buffer.readInt32BE(produceOverhead(TOPIC) - 8),
        });
        const answer = await answers[Math.min(sends.length - 1, answers.length - 1)];
        if (answer === undefined || answer instanceof Error) throw answer ?? new Error('no answer is scripted');
        return response.parse(await response.decode(answerBytes(answer)));
      },
    },
  };
  const via: WritingCluster = {
    findLeaderForPartitions: (_topic, partitions) => ({ '1': partitions }),
    findBroker: async () => broker,
  };
  const client = {
    retry: real.retry.bind(real),
    cluster: () => {
      connections += 1;
      return { via, ready: Promise.resolve(), close: async () => undefined };
    },
  };
  const writer = new PartitionWriter({ client, topic: TOPIC, partition: 2, metrics: NO_METRICS });
  return { writer, sends, connections: () => connections };
}

function answerBytes(written: readonly Written[]): Buffer {
  const head = Buffer.alloc(4 + 2 + TOPIC.length + 4);
  head.writeInt32BE(1, 0);
  head.writeInt16BE(TOPIC.length, 4);
  head.write(TOPIC, 6);
  head.writeInt32BE(written.length, 6 + TOPIC.length);
  const partitions = written.map(({ offset, partition = 2, errorCode = 0 }) => {
    const one = Buffer.alloc(30);
    one.writeInt32BE(partition, 0);
    one.writeInt16BE(errorCode, 4);
    one.writeBigInt64BE(BigInt(offset), 6);
    return one;
  });
  return Buffer.concat([head, ...partitions, Buffer.alloc(4)]);
}

function reset(): Error {
  return new kafkajs.KafkaJSConnectionError('reset', { broker: 'b', code: 'ECONNRESET' });
}

test('#46 a reply that does not name the partition counts as none: the same records go again, under the same numbers', async () => {
  const { writer, sends } = scriptedKafka([
    [],
    [{ offset: 7, partition: 1 }],
    [{ offset: 7, errorCode: 6 }],
    [{ offset: 7 }, { offset: 8 }],
    [{ offset: 9 }],
  ]);
  expect(await writer.send(RECORDS)).toBe(9n);
  expect(sends).toHaveLength(5);
  for (const send of sends) expect(send).toEqual({ producer: 100n, sequence: 0, records: 2, partition: 2 });
});

test('#42 every send is to one partition, and a second one does not begin before the first has ended', async () => {
  let release: (written: readonly Written[]) => void = () => undefined;
  const held = new Promise<readonly Written[]>((resolve) => {
    release = resolve;
  });
  const { writer, sends } = scriptedKafka([held, [{ offset: 2 }]]);
  const first = writer.send(RECORDS);
  expect(await failure(writer.send(RECORDS))).toMatchObject({ code: 'INTERNAL' });
  release([{ offset: 0 }]);
  expect(await first).toBe(0n);
  expect(await writer.send(RECORDS)).toBe(2n);
  expect(sends.map(({ sequence }) => sequence)).toEqual([0, 2]);
});

test('after a broken connection the next try has one of its own, and the numbers by which the broker knows the batch', async () => {
  const { writer, sends, connections } = scriptedKafka([reset(), reset(), [{ offset: 4 }]]);
  expect(await writer.send(RECORDS)).toBe(4n);
  expect(sends.map(({ producer, sequence }) => [producer, sequence])).toEqual([
    [100n, 0],
    [100n, 0],
    [100n, 0],
  ]);
  expect(connections()).toBe(3);
});

test('a broker that lost the numbers gets fresh ones', async () => {
  const { writer, sends } = scriptedKafka([
    [{ offset: 0 }],
    [{ offset: -1, errorCode: OUT_OF_ORDER_SEQUENCE_NUMBER }],
    [{ offset: 2 }],
  ]);
  await writer.send(RECORDS);
  expect(await writer.send(RECORDS)).toBe(2n);
  expect(sends.map(({ producer, sequence }) => [producer, sequence])).toEqual([
    [100n, 0],
    [100n, 2],
    [101n, 0],
  ]);
});

test('a fate that stays unknown is an error of its own once patience ends', async () => {
  const { writer } = scriptedKafka([[]]);
  expect(await failure(writer.send(RECORDS))).toMatchObject({
    code: 'KAFKA_UNAVAILABLE',
    class: 'retry',
    details: { topic: 't', what: 'writing' },
  });
});
