import { invariant, MillraceError } from '@millrace/errors/millrace-error.js';
import kafkajs, { type IHeaders, type RecordMetadata } from 'kafkajs';
import type { JournalMetrics } from '../journal-metrics.js';
import type { Connections, KafkaClient, KafkaProducer } from './kafka-client.js';
import { protocolErrorType } from './kafka-error.js';

/** Brokers number an idempotent producer's records per partition in 31 bits, and kafkajs wraps that wrongly. */
const RECYCLE_AFTER_RECORDS = 2 ** 30;
/** How long the broker may wait for its replicas; less than the client waits for the broker. */
const WRITE_TIMEOUT_MS = 6_000;
/** Ends a send over a connection that is dead without a word, where kafkajs would try a second time over the same one. */
const SEND_DEADLINE_MS = 9_000;

export interface OutgoingRecord {
  readonly value: Uint8Array;
  readonly headers?: IHeaders;
}

export interface PartitionWriterOptions {
  readonly client: Pick<KafkaClient, 'retry' | 'producer'>;
  readonly topic: string;
  readonly partition: number;
  readonly metrics: JournalMetrics;
}

/**
 * Appends to one partition: idempotent, acknowledged by all replicas in sync, one send in flight. (kafkajs breaks its own idempotence
 * with two in flight, its issue 1005, and resolves a send to several partitions although one of them was not written, its issue 1303:
 * so one partition a send, and the result must name it.)
 */
export class PartitionWriter implements AsyncDisposable {
  readonly #options: PartitionWriterOptions;
  #producer: Connections<KafkaProducer> | undefined;
  #records = 0;
  #sending = false;

  constructor(options: PartitionWriterOptions) {
    this.#options = options;
  }

  /**
   * Resolves, when Kafka holds the records durably, with the first one's offset. While the fate of a send is unknown the same bytes are
   * sent again, for at most the client's patience and until the signal's abort; so the log may hold them twice, and the first copy may lie below the offset returned.
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
    await this.#dropProducer();
  }

  async #sendOnce(records: readonly OutgoingRecord[]): Promise<bigint> {
    const { topic, partition } = this.#options;
    if (this.#records + records.length > RECYCLE_AFTER_RECORDS) await this.#dropProducer();
    this.#records += records.length;
    try {
      const { via, ready } = this.#connected();
      await ready;
      const messages = records.map(({ value, headers }) => ({
        partition,
        key: null,
        value: asBuffer(value),
        ...(headers === undefined ? {} : { headers }),
      }));
      const sending = via.send({
        topic,
        acks: -1,
        timeout: WRITE_TIMEOUT_MS,
        compression: kafkajs.CompressionTypes.LZ4,
        messages,
      });
      return this.#offsetIn(await withDeadline(sending));
    } catch (error) {
      // kafkajs has tried it once more under the same numbers, which the broker would know again. From here on they may disagree, and
      // the connection may be dead without either side knowing: a copy under new numbers is known by what is in the record.
      await this.#dropProducer();
      if (protocolErrorType(error) === 'MESSAGE_TOO_LARGE')
        throw new MillraceError('RECORD_OVER_TOPIC_LIMIT', { topic, bytes: bytesOf(records) }, { cause: error });
      throw error;
    }
  }

  #offsetIn(result: readonly RecordMetadata[]): bigint {
    const { topic, partition } = this.#options;
    const entry = result.length === 1 ? result[0] : undefined;
    if (
      entry === undefined ||
      entry.topicName !== topic ||
      entry.partition !== partition ||
      entry.errorCode !== 0 ||
      entry.baseOffset === undefined
    ) {
      throw new kafkajs.KafkaJSRequestTimeoutError('the reply does not name the partition');
    }
    return BigInt(entry.baseOffset);
  }

  #connected(): Connections<KafkaProducer> {
    this.#producer ??= this.#options.client.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
      // kafkajs asks for at least one.
      retry: { retries: 1, initialRetryTime: 50 },
    });
    return this.#producer;
  }

  async #dropProducer(): Promise<void> {
    const producer = this.#producer;
    this.#producer = undefined;
    this.#records = 0;
    await producer?.close();
  }
}

async function withDeadline<T>(sending: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new kafkajs.KafkaJSRequestTimeoutError(`no reply within ${SEND_DEADLINE_MS / 1000} s`)),
      SEND_DEADLINE_MS,
    );
  });
  try {
    return await Promise.race([sending, late]);
  } finally {
    clearTimeout(timer);
  }
}

function bytesOf(records: readonly OutgoingRecord[]): number {
  return records.reduce((sum, { value }) => sum + value.length, 0);
}

function asBuffer(value: Uint8Array): Buffer {
  return Buffer.isBuffer(value) ? value : Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}
