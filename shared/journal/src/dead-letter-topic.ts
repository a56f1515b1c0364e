import { DEAD_LETTER_SCHEMA_JSON, encodeDeadLetter } from '@millrace/codec/dead-letter-record.js';
import type { DeadLetter } from '@millrace/contract/sink.js';
import { type JournalMetrics, NO_METRICS } from './journal-metrics.js';
import { AppendQueue } from './kafka/append-queue.js';
import { KafkaClient } from './kafka/kafka-client.js';
import type { KafkaSettings } from './kafka/kafka-settings.js';
import { PartitionWriter } from './kafka/partition-writer.js';
import { Topics } from './kafka/topics.js';
import { RegistryClient } from './registry/registry-client.js';
import type { RegistrySettings } from './registry/registry-settings.js';
import { Registry } from './registry/registry.js';
import { DEFAULT_MAX_MESSAGE_BYTES } from './rules/topic-settings.js';

export interface DeadLetterTopicOptions {
  readonly kafka: KafkaSettings;
  readonly registry: RegistrySettings;
  readonly topic: string;
  readonly create: boolean;
  readonly maxMessageBytes?: number;
  readonly metrics?: JournalMetrics;
  readonly patienceMs?: number;
  readonly signal?: AbortSignal;
}

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
  static async open(options: DeadLetterTopicOptions): Promise<DeadLetterWriter> {
    const { topic, create, signal } = options;
    const client = new KafkaClient(options.kafka, options.patienceMs);
    try {
      const registry = new Registry(new RegistryClient(options.registry, options.patienceMs), topic);
      const schemaId = await registry.registerRecord('DeadLetter', DEAD_LETTER_SCHEMA_JSON, signal);
      const plan = { partitions: 1, maxMessageBytes: options.maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES };
      await new Topics(client).ensure(topic, plan, { create, anyPartitions: true }, signal);
      const writer = new PartitionWriter({ client, topic, partition: 0, metrics: options.metrics ?? NO_METRICS });
      return new DeadLetterWriter(client, new AppendQueue(writer), schemaId);
    } catch (error) {
      await client[Symbol.asyncDispose]();
      throw error;
    }
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
