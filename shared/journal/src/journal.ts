import { BLOCK_SCHEMA_1_JSON, BLOCK_SCHEMA_JSON, TAKEOVER_SCHEMA_JSON } from '@millrace/codec/block-schema.js';
import type { JournalSchemaIds } from '@millrace/codec/journal-record.js';
import type { Checkpoint } from '@millrace/contract/position.js';
import type { TableSchema, TableVersion } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { JournalLog } from './journal-log.js';
import { type JournalMetrics, NO_METRICS } from './journal-metrics.js';
import { JOURNAL_PARTITION } from './journal-partition.js';
import { tellingBlocks } from './journal-tail.js';
import { KafkaClient } from './kafka/kafka-client.js';
import type { KafkaSettings } from './kafka/kafka-settings.js';
import { PartitionReader } from './kafka/partition-reader.js';
import { PartitionWriter } from './kafka/partition-writer.js';
import { Topics } from './kafka/topics.js';
import { openTopic, type TopicOptions } from './open-topic.js';
import { inParallel } from './registry/in-parallel.js';
import type { Registry } from './registry/registry.js';
import { RegistryClient } from './registry/registry-client.js';
import type { RegistrySettings } from './registry/registry-settings.js';
import { isSubjectOf } from './registry/subject.js';
import type { LogBounds } from './rules/reader-rules.js';
import { trimPoint } from './rules/tail-rules.js';

/** Blocks in one request, before compression: the broker's cost is per request. */
const SEND_BYTES = 2 * 1024 * 1024;
/** Records below the slowest reader that are looked at, in growing pieces, for a place where a restart could begin: nearly always the last. */
const TRIM_LOOK_BACK = 16n;

/**
 * Opens a stream's journal: one topic with one partition, checked for settings under which Kafka would lose or drop changes, and the
 * registry that its schemas lie in.
 * @throws MillraceError KAFKA_UNREACHABLE, KAFKA_AUTHENTICATION_FAILED, KAFKA_TLS_FAILED, KAFKA_DENIED, TOPIC_MISSING,
 * TOPIC_SETTING_WRONG, REGISTRY_UNREACHABLE, REGISTRY_READ_ONLY, REGISTRY_DENIED, REGISTRY_REFUSED
 */
export async function openJournal(options: TopicOptions): Promise<Journal> {
  const { topic, signal } = options;
  const { client, registry, ids, maxMessageBytes } = await openTopic<JournalSchemaIds>(options, {
    partitions: 1,
    anyPartitions: false,
    register: async (schemas) => {
      const [takeover, block, block1] = await Promise.all([
        schemas.registerRecord('Takeover', TAKEOVER_SCHEMA_JSON, signal),
        schemas.registerRecord('Block', BLOCK_SCHEMA_JSON, signal),
        schemas.findRecord('Block', BLOCK_SCHEMA_1_JSON, signal),
      ]);
      return { takeover, block, block1 };
    },
  });
  return new Journal({
    client,
    registry,
    topic,
    ids,
    sendBytes: Math.min(SEND_BYTES, maxMessageBytes),
    metrics: options.metrics ?? NO_METRICS,
  });
}

interface JournalParts {
  readonly client: KafkaClient;
  readonly registry: Registry;
  readonly topic: string;
  readonly ids: JournalSchemaIds;
  readonly sendBytes: number;
  readonly metrics: JournalMetrics;
}

/** An open journal; writers and readers of it have connections of their own. */
export class Journal implements AsyncDisposable {
  readonly topic: string;
  readonly ids: JournalSchemaIds;
  /** Most bytes of blocks in one request, before compression. */
  readonly sendBytes: number;
  readonly #parts: JournalParts;

  /** Use openJournal. */
  constructor(parts: JournalParts) {
    this.#parts = parts;
    this.topic = parts.topic;
    this.ids = parts.ids;
    this.sendBytes = parts.sendBytes;
  }

  /** Registers a table version; resolves only when the registry has it. The same object for the same version each time. */
  registerTable(schema: TableSchema, signal?: AbortSignal): Promise<TableVersion> {
    return this.#parts.registry.register(schema, signal);
  }

  /** The same for several at a time: what a first start with many tables is quickest with. */
  registerTables(schemas: readonly TableSchema[], signal?: AbortSignal): Promise<readonly TableVersion[]> {
    return this.#parts.registry.registerAll(schemas, signal);
  }

  /** @throws MillraceError REGISTRY_EMPTY, SCHEMA_UNREADABLE, REGISTRY_UNREACHABLE */
  tableVersion(registryId: number, signal?: AbortSignal): Promise<TableVersion> {
    return this.#parts.registry.version(registryId, null, signal);
  }

  /** First offset and end (the offset that the next record gets). */
  async bounds(signal?: AbortSignal): Promise<LogBounds> {
    await using log = this.log();
    return await log.bounds(signal);
  }

  /** The log as decoded records; close it after use. */
  log(): JournalLog {
    const { client, topic, metrics, registry, ids } = this.#parts;
    return new JournalLog({
      reader: new PartitionReader({ client, topic, partition: JOURNAL_PARTITION, metrics }),
      topic,
      ids,
      registry,
    });
  }

  /** Raw appending, for the writer that has claimed the journal. */
  appender(): PartitionWriter {
    const { client, topic, metrics } = this.#parts;
    return new PartitionWriter({ client, topic, partition: JOURNAL_PARTITION, metrics });
  }

  /** The first offset written at this time or later; the journal's end where there is none. Milliseconds since 1970. */
  async offsetAt(timeMs: number, signal?: AbortSignal): Promise<bigint> {
    return new Topics(this.#parts.client).offsetAt(this.topic, JOURNAL_PARTITION, timeMs, signal);
  }

  /**
   * Frees what nobody needs: below the next offset of every reader of this journal, given as a checkpoint or as an offset to keep from;
   * never past the last block that a capture's restart begins at, nor past what tells that restart of the tables. Resolves with the
   * log's new beginning, null where nothing could go. To be called for a checkpoint that the target has committed.
   * @throws MillraceError JOURNAL_FOREIGN where the checkpoint is another journal's: the topic was made anew
   */
  async trim(checkpoint: Checkpoint, keepFrom: bigint, signal?: AbortSignal): Promise<bigint | null> {
    await using log = this.log();
    const { start, end } = await log.check(checkpoint.nextOffset, signal);
    const readers = [checkpoint.nextOffset, keepFrom < end ? keepFrom : end];
    const upTo = readers.reduce((least, next) => (next < least ? next : least), end);
    for (let span = TRIM_LOOK_BACK; ; span *= 4n) {
      const from = upTo - span > start ? upTo - span : start;
      const records = await log.range(from, upTo, signal);
      const foreign = records.find(({ kind, header }) => kind === 'block' && header.journal !== checkpoint.journal);
      if (foreign !== undefined) {
        const { journal: found, offset } = foreign.header;
        throw new MillraceError('JOURNAL_FOREIGN', { topic: this.topic, offset, expected: checkpoint.journal, found });
      }
      const anchor = trimPoint(
        records.map(({ header }) => header),
        readers,
      );
      if (anchor === null && from > start) continue;
      const point = anchor === null ? start : await this.#oldestNeeded(log, { start, anchor }, signal);
      if (point <= start) return null;
      await new Topics(this.#parts.client).trim(this.topic, JOURNAL_PARTITION, point, signal);
      return point;
    }
  }

  /** A restart at the anchor, or later, reads down from there to the block that lists all tables, or the first that tells of any. */
  async #oldestNeeded(
    log: JournalLog,
    { start, anchor }: { readonly start: bigint; readonly anchor: bigint },
    signal?: AbortSignal,
  ): Promise<bigint> {
    const [record] = await log.range(anchor, anchor + 1n, signal);
    if (record?.kind !== 'block') throw new MillraceError('INTERNAL', { what: 'a range is read whole' });
    let oldest = anchor;
    if (record.tablesBefore !== null) return oldest;
    for await (const { header } of tellingBlocks(log, { schemas: record.schemasBefore, start }, signal)) oldest = header.offset;
    return oldest;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.client[Symbol.asyncDispose]();
  }
}

export interface TaskTopicsOptions {
  readonly kafka: KafkaSettings;
  readonly registry: RegistrySettings;
  readonly topics: readonly string[];
  readonly signal?: AbortSignal;
}

/** Deletes a task's topics with their subjects; names what was there, in words for people. What is gone already is no error. */
export async function deleteTopics({ kafka, registry, topics, signal }: TaskTopicsOptions): Promise<readonly string[]> {
  await using client = new KafkaClient(kafka);
  const registryClient = new RegistryClient(registry);
  const deleted = (await new Topics(client).delete(topics, signal)).map((topic) => `topic ${topic}`);
  const subjects = (await registryClient.subjects(signal)).filter((subject) =>
    topics.some((topic) => isSubjectOf(topic, subject)),
  );
  await inParallel(subjects, (subject) => registryClient.deleteSubject(subject, signal));
  return [...deleted, ...subjects.map((subject) => `subject ${subject}`)];
}
