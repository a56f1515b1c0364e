import { invariant, MillraceError } from '@millrace/errors/millrace-error.js';
import kafkajs from 'kafkajs';
import type Cluster from 'kafkajs/src/cluster/index.js';
import type { Broker, ProduceAnswer } from 'kafkajs/src/cluster/index.js';
import type { JournalMetrics } from '../journal-metrics.js';
import type { Connections, KafkaClient } from './kafka-client.js';
import { protocolErrorType } from './kafka-error.js';
import { produceOverhead, produceRequest } from './produce-request.js';
import { type OutgoingRecord, RecordBatchEncoder } from './record-batch.js';
import { leaderOf } from './topic-leader.js';

/** How long the broker may wait for its replicas; less than the client waits for the broker. */
const WRITE_TIMEOUT_MS = 6_000;
/** Of no meaning without transactions, but the request has it. */
const TRANSACTION_TIMEOUT_MS = 60_000;
/** Sequence numbers have 31 bits and begin anew after the last. */
const SEQUENCES = 2 ** 31;
/** The broker and the writer disagree on the numbers, or the broker has forgotten them: only fresh ones help. */
const NUMBERS_OF_NO_USE = new Set([
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'DUPLICATE_SEQUENCE_NUMBER',
  'UNKNOWN_PRODUCER_ID',
  'INVALID_PRODUCER_EPOCH',
]);

export type { OutgoingRecord } from './record-batch.js';

/** What is used of kafkajs's cluster. */
export type WritingCluster = Pick<Cluster, 'findLeaderForPartitions' | 'findBroker'>;

export interface PartitionWriterOptions {
  readonly client: Pick<KafkaClient, 'retry'> & { readonly cluster: (topic: string) => Connections<WritingCluster> };
  readonly topic: string;
  readonly partition: number;
  readonly metrics: JournalMetrics;
}

interface Producer {
  readonly id: bigint;
  readonly epoch: number;
  nextSequence: number;
}

/**
 * Appends to one partition: idempotent, acknowledged by all replicas in sync, one send in flight. (kafkajs's producer breaks its own
 * idempotence with two in flight, its issue 1005, and resolves a send to several partitions although one of them was not written, its
 * issue 1303: so one partition a send, and the answer must name it.)
 */
export class PartitionWriter implements AsyncDisposable {
  readonly #options: PartitionWriterOptions;
  readonly #encoder = new RecordBatchEncoder();
  #connections: Connections<WritingCluster> | undefined;
  #producer: Producer | undefined;
  #sending = false;

  constructor(options: PartitionWriterOptions) {
    this.#options = options;
  }

  /**
   * Resolves, when Kafka holds the records durably, with the first one's offset. While the fate of a send is unknown the same batch is
   * sent again, for at most the client's patience and until the signal's abort, under the numbers by which the broker knows it. Where the broker has lost those, the
   * log may hold the records twice, and the first copy may lie below the offset returned.
   * @throws MillraceError KAFKA_UNAVAILABLE, or the signal's reason, where the fate stayed unknown: the caller must not send anything
   * else.
   */
  async send(records: readonly OutgoingRecord[], signal?: AbortSignal): Promise<bigint> {
    invariant(!this.#sending, 'one send in flight for a partition');
    const { client, topic, metrics } = this.#options;
    this.#sending = true;
    try {
      const offset = await client.retry({ what: 'writing', topic }, () => this.#sendOnce(records), signal);
      metrics.sent(topic, records.length, bytesOf(records));
      return offset;
    } finally {
      this.#sending = false;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#disconnect();
  }

  async #sendOnce(records: readonly OutgoingRecord[]): Promise<bigint> {
    const { topic, partition } = this.#options;
    try {
      const broker = await this.#leader();
      this.#producer ??= await newProducer(broker);
      const { id, epoch, nextSequence } = this.#producer;
      const number = { producerId: id, producerEpoch: epoch, firstSequence: nextSequence };
      const body = await this.#encoder.encode(records, number, produceOverhead(topic));
      const request = produceRequest({ topic, partition, timeoutMs: WRITE_TIMEOUT_MS }, body);
      const offset = this.#offsetIn(await broker.connectionPool.send(request));
      this.#producer.nextSequence = (nextSequence + records.length) % SEQUENCES;
      return offset;
    } catch (error) {
      // The connection may be dead without either side knowing, and the leader may be another broker by now.
      await this.#disconnect();
      const type = protocolErrorType(error);
      if (type !== undefined && NUMBERS_OF_NO_USE.has(type)) this.#producer = undefined;
      if (type === 'MESSAGE_TOO_LARGE')
        throw new MillraceError('RECORD_OVER_TOPIC_LIMIT', { topic, bytes: bytesOf(records) }, { cause: error });
      throw error;
    }
  }

  #offsetIn({ topics }: ProduceAnswer): bigint {
    const { topic, partition } = this.#options;
    const [answer, ...others] = topics.flatMap(({ topicName, partitions }) => partitions.map((each) => ({ topicName, ...each })));
    if (answer?.topicName !== topic || answer.partition !== partition || answer.errorCode !== 0 || others.length > 0)
      throw new kafkajs.KafkaJSRequestTimeoutError('the reply does not name the partition');
    return BigInt(answer.baseOffset);
  }

  async #leader(): Promise<Broker> {
    const { client, topic, partition } = this.#options;
    this.#connections ??= client.cluster(topic);
    const { via, ready } = this.#connections;
    await ready;
    return via.findBroker({ nodeId: leaderOf(via, topic, partition) });
  }

  async #disconnect(): Promise<void> {
    const connections = this.#connections;
    this.#connections = undefined;
    await connections?.close();
  }
}

async function newProducer(broker: Broker): Promise<Producer> {
  const { producerId, producerEpoch } = await broker.initProducerId({ transactionTimeout: TRANSACTION_TIMEOUT_MS });
  return { id: BigInt(producerId), epoch: producerEpoch, nextSequence: 0 };
}

function bytesOf(records: readonly OutgoingRecord[]): number {
  return records.reduce((sum, { value }) => sum + value.length, 0);
}
