import type { Checkpoint } from '@millrace/contract/position.js';
import { sharedServers, uniqueTopicPrefix } from '@millrace/testkit/servers.js';
import { type Journal, openJournal } from '../journal.js';
import { type JournalItem, JournalReader } from '../journal-reader.js';
import type { KafkaSettings } from '../kafka/kafka-settings.js';
import type { TopicOptions } from '../open-topic.js';
import type { RegistrySettings } from '../registry/registry-settings.js';

export interface TestServers {
  readonly kafka: KafkaSettings;
  readonly registry: RegistrySettings;
}

export async function testServers(): Promise<TestServers> {
  const servers = sharedServers();
  const [kafka, registry] = await Promise.all([servers.kafka(), servers.registry()]);
  return { kafka: plainKafka(kafka), registry: { url: registry, login: null } };
}

export function plainKafka(brokers: string): KafkaSettings {
  return { brokers: brokers.split(','), tls: null, sasl: null };
}

export function newTopic(): string {
  return `${uniqueTopicPrefix()}.journal`;
}

/** A new journal on the shared servers, or another handle on the topic given. */
export async function testJournal(servers: TestServers, options: Partial<TopicOptions> = {}): Promise<Journal> {
  return openJournal({ ...servers, topic: newTopic(), create: true, ...options });
}

/** Reads until `enough` says so; fails when that takes too long. */
export async function readUntil(
  journal: Journal,
  from: Checkpoint | null,
  enough: (items: readonly JournalItem[]) => boolean,
  deadlineMs = 20_000,
): Promise<JournalItem[]> {
  const stop = new AbortController();
  const timeout = AbortSignal.timeout(deadlineMs);
  const signal = AbortSignal.any([stop.signal, timeout]);
  const items: JournalItem[] = [];
  await using reader = await JournalReader.open(journal, from, signal);
  for await (const item of reader) {
    items.push(item);
    if (enough(items)) return items;
  }
  throw new Error(`the journal did not yield what was waited for within ${deadlineMs} ms; ${items.length} items came`);
}

export function neverAborted(): AbortSignal {
  return new AbortController().signal;
}
