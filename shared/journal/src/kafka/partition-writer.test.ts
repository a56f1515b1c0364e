import kafkajs, { type ProducerRecord, type RecordMetadata } from 'kafkajs';
import { expect, test } from 'vitest';
import { NO_METRICS } from '../journal-metrics.js';
import { failure } from '../testing/failure.js';
import { KafkaClient } from './kafka-client.js';
import { PartitionWriter } from './partition-writer.js';

type Answer = (record: ProducerRecord) => RecordMetadata[] | Promise<RecordMetadata[]>;

/** A Kafka that answers the n-th send as the test says; each producer's sends are listed apart. */
function scriptedKafka(answers: readonly Answer[]) {
  const real = new KafkaClient({ brokers: ['nowhere:1'], tls: null, sasl: null }, 1_000);
  const producers: ProducerRecord[][] = [];
  let answered = 0;
  const client: Pick<KafkaClient, 'retry' | 'producer'> = {
    retry: (attempt, request, signal) => real.retry(attempt, request, signal),
    producer: () => {
      const sends: ProducerRecord[] = [];
      producers.push(sends);
      const send = async (record: ProducerRecord): Promise<RecordMetadata[]> => {
        sends.push(record);
        const answer = answers[Math.min(answered++, answers.length - 1)];
        if (answer === undefined) throw new Error('no answer is scripted');
        return answer(record);
      };
      return { via: { send }, ready: Promise.resolve(), close: async () => undefined };
    },
  };
  return { writer: new PartitionWriter({ client, topic: 't', partition: 2, metrics: NO_METRICS }), producers };
}

function written(offset: number, partition = 2, errorCode = 0): RecordMetadata[] {
  return [{ topicName: 't', partition, errorCode, baseOffset: String(offset) }];
}

const RECORDS = [{ value: Buffer.from('a') }, { value: Buffer.from('b') }];

test('#46 a reply that does not name the partition counts as none: the same records go again', async () => {
  const { writer, producers } = scriptedKafka([
    () => [],
    () => written(7, 1),
    () => written(7, 2, 6),
    () => [...written(7), ...written(8)],
    () => written(9),
  ]);
  expect(await writer.send(RECORDS)).toBe(9n);
  const sends = producers.flat();
  expect(sends).toHaveLength(5);
  for (const { messages, acks } of sends)
    expect([acks, messages.map(({ partition, value }) => `${partition}${String(value)}`)]).toEqual([-1, ['2a', '2b']]);
});

test('#42 every send is to one partition, and a second one does not begin before the first has ended', async () => {
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const { writer, producers } = scriptedKafka([() => held.then(() => written(0)), () => written(2)]);
  const first = writer.send(RECORDS);
  expect(await failure(writer.send(RECORDS))).toMatchObject({ code: 'INTERNAL' });
  release();
  expect(await first).toBe(0n);
  expect(await writer.send(RECORDS)).toBe(2n);
  expect(producers.flat()).toHaveLength(2);
});

test("after a failure the next try has a producer of its own, because the old one's numbers may be out of step with the broker", async () => {
  const broken = (): RecordMetadata[] => {
    throw new kafkajs.KafkaJSConnectionError('reset', { broker: 'b', code: 'ECONNRESET' });
  };
  const { writer, producers } = scriptedKafka([broken, broken, () => written(4)]);
  expect(await writer.send(RECORDS)).toBe(4n);
  expect(producers.map(({ length }) => length)).toEqual([1, 1, 1]);
});

test('a fate that stays unknown is an error of its own once patience ends', async () => {
  const { writer } = scriptedKafka([() => []]);
  expect(await failure(writer.send(RECORDS))).toMatchObject({
    code: 'KAFKA_UNAVAILABLE',
    class: 'retry',
    details: { topic: 't', what: 'writing' },
  });
});
