/** What a topic is for; the settings follow from it and from the number of brokers. */
export interface TopicPlan {
  readonly partitions: number;
  /** Largest record batch in bytes that the topic takes. */
  readonly maxMessageBytes: number;
}

/** What Kafka says of a topic. */
export interface TopicDescription {
  readonly partitions: number;
  readonly replicationFactor: number;
  /** By Kafka's names; values as Kafka prints them. */
  readonly settings: ReadonlyMap<string, string>;
}

export interface TopicDefinition {
  readonly partitions: number;
  readonly replicationFactor: number;
  /** Those that must hold. */
  readonly settings: Readonly<Record<string, string>>;
  /** Those that a topic is made with; an existing one may have others. */
  readonly initially: Readonly<Record<string, string>>;
}

export interface WrongSetting {
  readonly setting: string;
  readonly found: string;
  readonly needed: string;
}

/** Kafka frees disk by whole files of a log, and never the one that it writes to. */
const SEGMENT_BYTES = 64 * 1024 * 1024;

export const DEFAULT_MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

/**
 * Kafka deletes and compacts nothing by itself, and no replica that lacks records becomes leader. With fewer than three replicas the only ones may
 * lose what they had not written to disk, so each record is flushed before it is acknowledged. The broker dates the records: it refuses
 * those that a writer dates an hour ahead of it (message.timestamp.after.max.ms, KIP-937), so a step of our clock would stop the task.
 */
export function topicDefinition(plan: TopicPlan, brokers: number): TopicDefinition {
  const replicationFactor = Math.min(3, brokers);
  const durability: Readonly<Record<string, string>> =
    replicationFactor === 3 ? { 'min.insync.replicas': '2' } : { 'min.insync.replicas': '1', 'flush.messages': '1' };
  return {
    partitions: plan.partitions,
    replicationFactor,
    settings: {
      'cleanup.policy': 'delete',
      'retention.ms': '-1',
      'retention.bytes': '-1',
      'unclean.leader.election.enable': 'false',
      'message.timestamp.type': 'LogAppendTime',
      'max.message.bytes': String(plan.maxMessageBytes),
      ...durability,
    },
    initially: { 'segment.bytes': String(Math.max(SEGMENT_BYTES, plan.maxMessageBytes)) },
  };
}

/** Settings where more is as good: the topic may have been made by an operator with stricter ones. */
const AT_LEAST = new Set(['max.message.bytes', 'min.insync.replicas']);

/** The first thing of an existing topic that Millrace cannot work with; null: none. `partitions` null: any number. */
export function wrongSetting(
  definition: TopicDefinition,
  topic: TopicDescription,
  partitions: number | null,
): WrongSetting | null {
  if (partitions !== null && topic.partitions !== partitions) {
    return { setting: 'partitions', found: String(topic.partitions), needed: String(partitions) };
  }
  if (topic.replicationFactor < definition.replicationFactor) {
    return {
      setting: 'replication factor',
      found: String(topic.replicationFactor),
      needed: String(definition.replicationFactor),
    };
  }
  for (const [setting, needed] of Object.entries(definition.settings)) {
    const found = topic.settings.get(setting) ?? '(unknown)';
    const fits = AT_LEAST.has(setting) ? Number(found) >= Number(needed) : found === needed;
    if (!fits) return { setting, found, needed: AT_LEAST.has(setting) ? `${needed} or more` : needed };
  }
  return null;
}
