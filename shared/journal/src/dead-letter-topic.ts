import { DEAD_LETTER_SCHEMA_JSON, encodeDeadLetter } from '@millrace/codec/dead-letter-record.js';
import type { DeadLetter } from '@millrace/contract/sink.js';
import { NO_METRICS } from './journal-metrics.js';
import { AppendQueue } from './kafka/append-queue.js';
import type { KafkaClient } from './kafka/kafka-client.js';
import { PartitionWriter } from './kafka/partition-writer.js';
import { openTopic, type TopicOptions } from './open-topic.js';

/** Writes a task's dead letters, for people and their tools: Avro with the registry's schema, one record a letter. */
export class DeadLetterWriter implements AsyncDisposable {
  readonly #client: KafkaClient;
  readonly #queue: AppendQueue;
  readonly #schemaId: number;

  private constructor(client: KafkaClient, queue: AppendQueue, schemaId: number) {
    this.#client = client;
    this.#queue = queue;
    this.#schemaId = schemaId;
  }

  /** @throws MillraceError as openJournal */
  static async open(options: TopicOptions): Promise<DeadLetterWriter> {
    const { topic, signal } = options;
    const { client, ids } = await openTopic(options, {
      partitions: 1,
      anyPartitions: true,
      register: (registry) => registry.registerRecord('DeadLetter', DEAD_LETTER_SCHEMA_JSON, signal),
    });
    const writer = new PartitionWriter({ client, topic, partition: 0, metrics: options.metrics ?? NO_METRICS });
    return new DeadLetterWriter(client, new AppendQueue(writer, signal), ids);
  }

  /** Resolves when Kafka holds all of them durably. After a crash some may be there twice: position and ordinal identify a letter. */
  async publish(letters: readonly DeadLetter[]): Promise<void> {
    await Promise.all(letters.map((letter) => this.#queue.append(encodeDeadLetter(letter, this.#schemaId))));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#queue[Symbol.asyncDispose]();
    await this.#client[Symbol.asyncDispose]();
  }
}
