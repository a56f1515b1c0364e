import { BLOCK_SCHEMA_JSON, TAKEOVER_SCHEMA_JSON } from '@millrace/codec/block-schema.js';
import { registryIdOf } from '@millrace/codec/framing.js';
import type { TaskTopics } from '@millrace/contract/task.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { z } from 'zod';
import { NO_METRICS } from './journal-metrics.js';
import { KafkaClient } from './kafka/kafka-client.js';
import type { KafkaSettings } from './kafka/kafka-settings.js';
import { PartitionReader } from './kafka/partition-reader.js';
import { Topics } from './kafka/topics.js';
import { RegistryClient } from './registry/registry-client.js';
import type { RegistrySettings } from './registry/registry-settings.js';
import { DEFAULT_MAX_MESSAGE_BYTES } from './rules/topic-settings.js';

/** How long one try may take; the caller decides how often it tries. */
const PATIENCE_MS = 5_000;

/**
 * Looks at the topics that a task would use, before anything is made or written: resolves with those that are there.
 * @throws MillraceError TOPIC_SETTING_WRONG; RECORD_FOREIGN where the journal's last record is not Millrace's; REGISTRY_EMPTY where the
 * registry does not know its schema; KAFKA_UNREACHABLE, REGISTRY_UNREACHABLE …
 */
export async function assessTopics(
  {
    kafka,
    registry,
    topics,
  }: { readonly kafka: KafkaSettings; readonly registry: RegistrySettings; readonly topics: TaskTopics },
  signal?: AbortSignal,
): Promise<readonly string[]> {
  await using client = new KafkaClient(kafka, PATIENCE_MS);
  const admin = new Topics(client);
  const plan = { partitions: 1, maxMessageBytes: DEFAULT_MAX_MESSAGE_BYTES };
  const present: string[] = [];
  for (const topic of Object.values(topics)) {
    const anyPartitions = topic !== topics.journal;
    if ((await admin.check(topic, plan, { anyPartitions }, signal)) !== null) present.push(topic);
  }
  if (present.includes(topics.journal))
    await checkLastRecord(topics.journal, { client, registry: new RegistryClient(registry, PATIENCE_MS) }, signal);
  return present;
}

interface Servers {
  readonly client: KafkaClient;
  readonly registry: RegistryClient;
}

async function checkLastRecord(topic: string, { client, registry }: Servers, signal?: AbortSignal): Promise<void> {
  await using reader = new PartitionReader({ client, topic, partition: 0, metrics: NO_METRICS });
  const { start, end } = await reader.bounds(signal);
  if (end === start) return;
  for await (const records of reader.range(end - 1n, end, signal)) {
    for (const { value, offset } of records) {
      const id = registryIdOf(value, reader.place(offset));
      const schema = await registry.schema(id, signal);
      if (schema === null) throw new MillraceError('REGISTRY_EMPTY', { url: registry.url, id, topic });
      if (!OWN_RECORDS.has(nameOf(schema))) {
        throw new MillraceError('RECORD_FOREIGN', { where: reader.place(offset), what: `its schema is ${nameOf(schema)}` });
      }
    }
  }
}

const named = z.object({ name: z.string(), namespace: z.string().optional() });

function nameOf(schema: string): string {
  try {
    const parsed = named.safeParse(JSON.parse(schema));
    return parsed.success
      ? [...(parsed.data.namespace === undefined ? [] : [parsed.data.namespace]), parsed.data.name].join('.')
      : 'no record';
  } catch {
    return 'not Avro';
  }
}

const OWN_RECORDS: ReadonlySet<string> = new Set([nameOf(BLOCK_SCHEMA_JSON), nameOf(TAKEOVER_SCHEMA_JSON)]);
