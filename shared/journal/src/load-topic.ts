import {
  decodeLoadRecord,
  encodeLoadRecord,
  type LoadEvent,
  type LoadRecord,
  type LoadSchemaIds,
  loadRecordWriter,
} from '@millrace/codec/load-record.js';
import { LOAD_SCHEMA_1_JSON, LOAD_SCHEMA_2_JSON, LOAD_SCHEMA_JSON } from '@millrace/codec/load-schema.js';
import { assertNever, invariant, MillraceError } from '@millrace/errors/millrace-error.js';
import { type JournalMetrics, NO_METRICS } from './journal-metrics.js';
import { AppendQueue, SEQ_HEADER } from './kafka/append-queue.js';
import type { KafkaClient } from './kafka/kafka-client.js';
import { type KafkaRecord, PartitionReader } from './kafka/partition-reader.js';
import { PartitionWriter } from './kafka/partition-writer.js';
import { Topics } from './kafka/topics.js';
import { openTopic, type TopicOptions } from './open-topic.js';
import { judgeNumbered, type Numbered } from './rules/numbered-rules.js';

export const DEFAULT_LANES = 4;
/** Says what a restart and a sink must know without reading rows. */
const CONTROL_PARTITION = 0;

export interface LoadTopicOptions extends TopicOptions {
  /** Of a topic that is made now; one that is there keeps its own number. Default 4. */
  readonly lanes?: number;
}

/**
 * Opens a task's load topic: partition 0 for control, the others are lanes.
 * @throws MillraceError as openJournal
 */
export async function openLoadTopic(options: LoadTopicOptions): Promise<LoadTopic> {
  const { topic, signal } = options;
  const { client, ids, partitions } = await openTopic<LoadSchemaIds>(options, {
    partitions: 1 + (options.lanes ?? DEFAULT_LANES),
    anyPartitions: true,
    register: async (registry) => {
      const [load, load1, load2] = await Promise.all([
        registry.registerRecord('LoadRecord', LOAD_SCHEMA_JSON, signal),
        registry.findRecord('LoadRecord', LOAD_SCHEMA_1_JSON, signal),
        registry.findRecord('LoadRecord', LOAD_SCHEMA_2_JSON, signal),
      ]);
      return { load, load1, load2 };
    },
  });
  return new LoadTopic({ client, topic, ids, lanes: partitions - 1, metrics: options.metrics ?? NO_METRICS });
}

interface LoadTopicParts {
  readonly client: KafkaClient;
  readonly topic: string;
  readonly ids: LoadSchemaIds;
  readonly lanes: number;
  readonly metrics: JournalMetrics;
}

export class LoadTopic implements AsyncDisposable {
  readonly lanes: number;
  readonly #parts: LoadTopicParts;

  /** Use openLoadTopic. */
  constructor(parts: LoadTopicParts) {
    this.#parts = parts;
    this.lanes = parts.lanes;
  }

  /** For the capture of this epoch; a sink ignores what captures of lower epochs write after it. Nothing is written after the signal's abort. */
  writer(epoch: bigint, signal?: AbortSignal): LoadTopicWriter {
    return new LoadTopicWriter(this.#parts, epoch, signal);
  }

  reader(): LoadTopicReader {
    return new LoadTopicReader(this.#parts);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.client[Symbol.asyncDispose]();
  }
}

export class LoadTopicWriter implements AsyncDisposable {
  readonly lanes: number;
  readonly epoch: bigint;
  readonly #parts: LoadTopicParts;
  readonly #queues: readonly AppendQueue[];
  /** Where a lane's records are encoded, one after the other: fresh memory outside of the heap makes V8 collect all of it ever again. */
  readonly #rooms = new Map<number, ReturnType<typeof loadRecordWriter>>();

  constructor(parts: LoadTopicParts, epoch: bigint, signal: AbortSignal | undefined) {
    this.#parts = parts;
    this.lanes = parts.lanes;
    this.epoch = epoch;
    const { client, topic, metrics } = parts;
    this.#queues = Array.from(
      { length: 1 + parts.lanes },
      (_, partition) => new AppendQueue(new PartitionWriter({ client, topic, partition, metrics }), signal),
    );
  }

  /** Appends to the control partition; resolves when Kafka holds it durably. */
  control(event: LoadEvent): Promise<void> {
    return this.#append(CONTROL_PARTITION, event);
  }

  /** Appends to a lane (0, 1, 2 …), in the order of the calls; resolves when Kafka holds it durably. */
  async rows(lane: number, event: LoadEvent): Promise<void> {
    const room = this.#rooms.get(lane) ?? loadRecordWriter();
    this.#rooms.delete(lane);
    await this.#append(1 + lane, event, room);
    this.#rooms.set(lane, room);
  }

  /** Every control record that the topic holds now. */
  async *controlRecords(signal: AbortSignal): AsyncGenerator<LoadRecord> {
    for await (const { record } of readNow(this.#parts, null, signal)) yield record;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#queues.map((queue) => queue[Symbol.asyncDispose]()));
  }

  #append(partition: number, event: LoadEvent, room = loadRecordWriter()): Promise<void> {
    const queue = this.#queues[partition];
    invariant(queue !== undefined, `the load topic has a partition ${partition}`);
    return queue.append(encodeLoadRecord({ ...event, epoch: this.epoch }, this.#parts.ids.load, room));
  }
}

/** A record that was read: a later reading goes on after it. */
export interface LoadPlace {
  readonly offset: bigint;
  readonly number: Numbered;
}

export interface LoadItem extends LoadPlace {
  readonly record: LoadRecord;
}

/** The sink's side of the topic: it reads, and it frees what nobody reads any more. */
export class LoadTopicReader {
  readonly lanes: number;
  readonly topic: string;
  readonly #parts: LoadTopicParts;

  constructor(parts: LoadTopicParts) {
    this.#parts = parts;
    this.lanes = parts.lanes;
    this.topic = parts.topic;
  }

  /** The control partition, after a record (null: from its beginning) on, for ever. Each record once, fenced writers' left out. */
  control(after: LoadPlace | null, signal: AbortSignal): AsyncGenerator<LoadItem> {
    return this.#follow(CONTROL_PARTITION, after, signal);
  }

  /** What the control partition holds now, in the same way. */
  controlNow(after: LoadPlace | null, signal: AbortSignal): AsyncGenerator<LoadItem> {
    return readNow(this.#parts, after, signal);
  }

  /** A lane (0, 1, 2 …), as `control`. */
  lane(lane: number, after: LoadPlace | null, signal: AbortSignal): AsyncGenerator<LoadItem> {
    return this.#follow(this.#partitionOf(lane), after, signal);
  }

  /** The offset that the lane's next record gets. */
  async laneEnd(lane: number, signal: AbortSignal): Promise<bigint> {
    await using reader = partitionReader(this.#parts, this.#partitionOf(lane));
    return (await reader.bounds(signal)).end;
  }

  /**
   * Frees a lane's records below an offset. The control partition is never trimmed: it is small, and tells a capture after a failover
   * what its loads have read.
   */
  async trimLane(lane: number, below: bigint, signal: AbortSignal): Promise<void> {
    const partition = this.#partitionOf(lane);
    await using reader = partitionReader(this.#parts, partition);
    const { start, end } = await reader.bounds(signal);
    if (below > start && below <= end) await new Topics(this.#parts.client).trim(this.topic, partition, below, signal);
  }

  #partitionOf(lane: number): number {
    invariant(lane >= 0 && lane < this.lanes, `the load topic has a lane ${lane}`);
    return 1 + lane;
  }

  async *#follow(partition: number, after: LoadPlace | null, signal: AbortSignal): AsyncGenerator<LoadItem> {
    await using reader = partitionReader(this.#parts, partition);
    const { start } = await reader.bounds(signal);
    const numbers = new NumberedRecords(this.#parts, partition, after, start > 0n);
    for await (const records of reader.follow(after === null ? start : after.offset + 1n, signal)) yield* numbers.take(records);
  }
}

/** The control partition after a record (null: from its beginning) up to its end as it is now. */
async function* readNow(parts: LoadTopicParts, after: LoadPlace | null, signal: AbortSignal): AsyncGenerator<LoadItem> {
  await using reader = partitionReader(parts, CONTROL_PARTITION);
  const { start, end } = await reader.bounds(signal);
  const numbers = new NumberedRecords(parts, CONTROL_PARTITION, after, start > 0n);
  for await (const records of reader.range(after === null ? start : after.offset + 1n, end, signal)) yield* numbers.take(records);
}

/** Decodes a partition's records and passes over what was sent twice or by a fenced writer. */
class NumberedRecords {
  readonly #parts: LoadTopicParts;
  readonly #partition: number;
  readonly #trimmed: boolean;
  #last: Numbered | null;

  constructor(parts: LoadTopicParts, partition: number, after: LoadPlace | null, trimmed: boolean) {
    this.#parts = parts;
    this.#partition = partition;
    this.#trimmed = trimmed;
    this.#last = after?.number ?? null;
  }

  *take(records: readonly KafkaRecord[]): Generator<LoadItem> {
    for (const record of records) {
      const decoded = this.#decode(record);
      const number = { epoch: decoded.epoch, seq: this.#seq(record) };
      const decision = judgeNumbered(this.#last, number, this.#trimmed);
      switch (decision.kind) {
        case 'take':
          this.#last = number;
          yield { offset: record.offset, number, record: decoded };
          break;
        case 'ignore':
          break;
        case 'hole': {
          const what = `record ${decision.expected} of epoch ${number.epoch} is missing; record ${number.seq} follows`;
          throw new MillraceError('JOURNAL_INCONSISTENT', { topic: this.#parts.topic, offset: record.offset, what });
        }
        default:
          assertNever(decision);
      }
    }
  }

  #decode({ value, offset }: KafkaRecord): LoadRecord {
    return decodeLoadRecord(value, this.#parts.ids, this.#place(offset));
  }

  #seq(record: KafkaRecord): bigint {
    const text = record.header(SEQ_HEADER);
    if (text !== undefined && /^\d{1,18}$/.test(text)) return BigInt(text);
    throw new MillraceError('RECORD_FOREIGN', { where: this.#place(record.offset), what: `it has no header ${SEQ_HEADER}` });
  }

  #place(offset: bigint): string {
    return `topic ${this.#parts.topic}, partition ${this.#partition}, offset ${offset}`;
  }
}

function partitionReader({ client, topic, metrics }: LoadTopicParts, partition: number): PartitionReader {
  return new PartitionReader({ client, topic, partition, metrics });
}
