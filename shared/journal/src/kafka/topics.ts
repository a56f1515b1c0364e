import { setTimeout as sleep } from 'node:timers/promises';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import kafkajs, { type Admin } from 'kafkajs';
import { type TopicDescription, type TopicPlan, topicDefinition, wrongSetting } from '../rules/topic-settings.js';
import type { KafkaClient } from './kafka-client.js';
import { protocolErrorType } from './kafka-error.js';

const VISIBLE_WITHIN_MS = 15_000;
const LOOK_EVERY_MS = 50;

/** Making, checking and deleting the topics of a task. */
export class Topics {
  readonly #client: KafkaClient;

  constructor(client: KafkaClient) {
    this.#client = client;
  }

  /**
   * Checks an existing topic: resolves with its number of partitions, null where it is missing. A topic with lanes (`anyPartitions`) keeps
   * the number that it was made with.
   * @throws MillraceError TOPIC_SETTING_WRONG
   */
  async check(
    topic: string,
    plan: TopicPlan,
    options: { readonly anyPartitions: boolean },
    signal?: AbortSignal,
  ): Promise<number | null> {
    const found = await this.describe(topic, signal);
    if (found === null) return null;
    const definition = topicDefinition(plan, await this.#brokers(topic, signal));
    const wrong = wrongSetting(definition, found, options.anyPartitions ? null : plan.partitions);
    if (wrong !== null) throw new MillraceError('TOPIC_SETTING_WRONG', { topic, ...wrong });
    return found.partitions;
  }

  /** Makes a missing topic and checks what is there then: somebody else may have been first. */
  async create(
    topic: string,
    plan: TopicPlan,
    options: { readonly anyPartitions: boolean },
    signal?: AbortSignal,
  ): Promise<number> {
    await this.#create(topic, topicDefinition(plan, await this.#brokers(topic, signal)), signal);
    const deadline = performance.now() + VISIBLE_WITHIN_MS;
    // Brokers learn of a new topic one after the other.
    for (;;) {
      const partitions = await this.check(topic, plan, options, signal);
      if (partitions !== null) return partitions;
      if (performance.now() > deadline) {
        throw new MillraceError('KAFKA_UNAVAILABLE', {
          what: 'creating',
          topic,
          seconds: VISIBLE_WITHIN_MS / 1000,
          reason: 'the new topic does not show',
        });
      }
      await sleep(LOOK_EVERY_MS, undefined, signal === undefined ? {} : { signal });
    }
  }

  /** Null: there is no such topic. */
  async describe(topic: string, signal?: AbortSignal): Promise<TopicDescription | null> {
    return this.#client.admin({ what: 'describing', topic }, (admin) => describeTopic(admin, topic), signal);
  }

  /** Deletes those that are there; resolves with their names. */
  async delete(topics: readonly string[], signal?: AbortSignal): Promise<readonly string[]> {
    const deleted: string[] = [];
    for (const topic of topics) {
      const gone = await this.#client.admin({ what: 'deleting', topic }, (admin) => deleteTopic(admin, topic), signal);
      if (gone) deleted.push(topic);
    }
    return deleted;
  }

  /** The first offset of a record stamped with this time or a later one; the partition's end where there is none. */
  async offsetAt(topic: string, partition: number, timeMs: number, signal?: AbortSignal): Promise<bigint> {
    const offsets = await this.#client.admin(
      { what: 'looking up a time', topic },
      (admin) => admin.fetchTopicOffsetsByTimestamp(topic, timeMs),
      signal,
    );
    const found = offsets.find((entry) => entry.partition === partition);
    if (found === undefined) throw new MillraceError('TOPIC_MISSING', { topic });
    return BigInt(found.offset);
  }

  /** Cuts the log off below an offset. */
  async trim(topic: string, partition: number, offset: bigint, signal?: AbortSignal): Promise<void> {
    await this.#client.admin(
      { what: 'trimming', topic },
      async (admin) => {
        // kafkajs finds the leader only where it has read the topic's offsets before.
        await admin.fetchTopicOffsets(topic);
        await admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: offset.toString() }] });
      },
      signal,
    );
  }

  async #create(topic: string, definition: ReturnType<typeof topicDefinition>, signal?: AbortSignal): Promise<void> {
    const { partitions, replicationFactor, settings, initially } = definition;
    const configEntries = Object.entries({ ...settings, ...initially }).map(([name, value]) => ({ name, value }));
    await this.#client.admin(
      { what: 'creating', topic },
      (admin) =>
        admin.createTopics({
          topics: [{ topic, numPartitions: partitions, replicationFactor, configEntries }],
          waitForLeaders: false,
        }),
      signal,
    );
  }

  async #brokers(topic: string, signal?: AbortSignal): Promise<number> {
    return this.#client.admin(
      { what: 'describing the cluster', topic },
      async (admin) => (await admin.describeCluster()).brokers.length,
      signal,
    );
  }
}

async function describeTopic(admin: Admin, topic: string): Promise<TopicDescription | null> {
  const metadata = await orNullIfMissing(() => admin.fetchTopicMetadata({ topics: [topic] }));
  const partitions = metadata?.topics.find(({ name }) => name === topic)?.partitions ?? [];
  // A topic that is just coming into being has partitions without a leader.
  if (partitions.length === 0 || partitions.some(({ leader }) => leader < 0)) return null;
  const described = await orNullIfMissing(() =>
    admin.describeConfigs({ includeSynonyms: false, resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic }] }),
  );
  if (described === null) return null;
  const entries = described.resources.flatMap(({ configEntries }) => configEntries);
  return {
    partitions: partitions.length,
    replicationFactor: Math.min(...partitions.map(({ replicas }) => replicas.length)),
    settings: new Map(entries.map(({ configName, configValue }) => [configName, configValue])),
  };
}

async function deleteTopic(admin: Admin, topic: string): Promise<boolean> {
  const gone = await orNullIfMissing(async () => {
    await admin.deleteTopics({ topics: [topic] });
    return true;
  });
  return gone ?? false;
}

async function orNullIfMissing<T>(request: () => Promise<T>): Promise<T | null> {
  try {
    return await request();
  } catch (error) {
    if (protocolErrorType(error) === 'UNKNOWN_TOPIC_OR_PARTITION') return null;
    throw error;
  }
}
