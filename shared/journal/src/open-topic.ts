import { MillraceError } from '@millrace/errors/millrace-error.js';
import type { JournalMetrics } from './journal-metrics.js';
import { KafkaClient, type OnRetry } from './kafka/kafka-client.js';
import type { KafkaSettings } from './kafka/kafka-settings.js';
import { Topics } from './kafka/topics.js';
import { Registry } from './registry/registry.js';
import { RegistryClient } from './registry/registry-client.js';
import type { RegistrySettings } from './registry/registry-settings.js';
import { DEFAULT_MAX_MESSAGE_BYTES } from './rules/topic-settings.js';

export interface TopicOptions {
  readonly kafka: KafkaSettings;
  readonly registry: RegistrySettings;
  readonly topic: string;
  /** Make the topic where it is missing; without it a missing topic is an error, and nothing is written anywhere. */
  readonly create: boolean;
  /** Largest record batch that the topic takes, in bytes; default 16 MiB. */
  readonly maxMessageBytes?: number;
  readonly metrics?: JournalMetrics;
  /** How long a request to Kafka or the registry is tried again before it fails; default 30 s each. */
  readonly patienceMs?: number;
  readonly onRetry?: OnRetry;
  readonly signal?: AbortSignal;
}

/** A topic that is there and fit, with the registry ids of the records in it. */
export interface OpenTopic<Ids> {
  readonly client: KafkaClient;
  readonly registry: Registry;
  readonly ids: Ids;
  readonly partitions: number;
  readonly maxMessageBytes: number;
}

interface Plan<Ids> {
  readonly partitions: number;
  /** A topic that is there keeps its own number. */
  readonly anyPartitions: boolean;
  /** Registers the schemas of the topic's records. */
  readonly register: (registry: Registry) => Promise<Ids>;
}

/**
 * Opens one of Millrace's topics. Kafka is asked first, then the registry, and the topic is made last, so that a start that one of the
 * two refuses leaves nothing behind in the other.
 */
export async function openTopic<Ids>(options: TopicOptions, plan: Plan<Ids>): Promise<OpenTopic<Ids>> {
  const { kafka, topic, create, signal, patienceMs, onRetry } = options;
  const client = new KafkaClient(kafka, patienceMs, onRetry);
  try {
    const maxMessageBytes = options.maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES;
    const topics = new Topics(client);
    const settings = { partitions: plan.partitions, maxMessageBytes };
    const found = await topics.check(topic, settings, plan, signal);
    if (found === null && !create) throw new MillraceError('TOPIC_MISSING', { topic });
    const registry = new Registry(new RegistryClient(options.registry, patienceMs, onRetry), topic);
    const ids = await plan.register(registry);
    return { client, registry, ids, maxMessageBytes, partitions: found ?? (await topics.create(topic, settings, plan, signal)) };
  } catch (error) {
    await client[Symbol.asyncDispose]();
    throw error;
  }
}
