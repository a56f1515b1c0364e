import {
  decodeLoadRecord,
  encodeLoadRecord,
  type LoadEvent,
  type LoadRecord,
  type LoadSchemaIds,
  loadRecordWriter,
} from '@millrace/codec/load-record.js';
import { LOAD_SCHEMA_1_JSON, LOAD_SCHEMA_JSON } from '@millrace/codec/load-schema.js';
import { assertNever, invariant, MillraceError } from '@millrace/errors/millrace-error.js';
import { type JournalMetrics, NO_METRICS } from './journal-metrics.js';
import { AppendQueue, SEND_RECORDS, SEQ_HEADER } from './kafka/append-queue.js';
import type { KafkaClient } from './kafka/kafka-client.js';
import { type KafkaRecord, PartitionReader } from './kafka/partition-reader.js';
import { PartitionWriter } from './kafka/partition-writer.js';
import { openTopic, type TopicOptions } from './open-topic.js';
import { isHigher, judgeNumbered, type Numbered } from './rules/numbered-rules.js';

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
    register: async (registry) => ({
      load: await registry.registerRecord('LoadRecord', LOAD_SCHEMA_JSON, signal),
      load1: await registry.findRecord('LoadRecord', LOAD_SCHEMA_1_JSON, signal),
    }),
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
    await using reader = partitionReader(this.#parts, CONTROL_PARTITION);
    const { start, end } = await reader.bounds(signal);
    const numbers = new NumberedRecords(this.#parts, CONTROL_PARTITION);
    for await (const records of reader.range(start, end, signal)) {
      for (const { record } of numbers.take(records)) yield record;
    }
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

/** A record with the offset that it lies at: a later reading starts at the one after it. */
export interface LoadItem {
  readonly offset: bigint;
  readonly record: LoadRecord;
}

export class LoadTopicReader {
  readonly lanes: number;
  readonly #parts: LoadTopicParts;

  constructor(parts: LoadTopicParts) {
    this.#parts = parts;
    this.lanes = parts.lanes;
  }

  /** The control partition, from an offset (null: its beginning) on, for ever. Each record once, fenced writers' left out. */
  control(from: bigint | null, signal: AbortSignal): AsyncGenerator<LoadItem> {
    return this.#follow(CONTROL_PARTITION, from, signal);
  }

  /** A lane (0, 1, 2 …), in the same way. */
  lane(lane: number, from: bigint | null, signal: AbortSignal): AsyncGenerator<LoadItem> {
    invariant(lane >= 0 && lane < this.lanes, `the load topic has a lane ${lane}`);
    return this.#follow(1 + lane, from, signal);
  }

  async *#follow(partition: number, from: bigint | null, signal: AbortSignal): AsyncGenerator<LoadItem> {
    await using reader = partitionReader(this.#parts, partition);
    const { start } = await reader.bounds(signal);
    const first = from ?? start;
    await reader.check(first, signal);
    const numbers = new NumberedRecords(this.#parts, partition);
    // What was sent twice lies within two requests of its first copy.
    const before = first - 2n * BigInt(SEND_RECORDS);
    for await (const records of reader.range(before > start ? before : start, first, signal)) numbers.pass(records);
    for await (const records of reader.follow(first, signal)) yield* numbers.take(records);
  }
}

/** Decodes a partition's records and passes over what was sent twice or by a fenced writer. */
class NumberedRecords {
  readonly #parts: LoadTopicParts;
  readonly #partition: number;
  #last: Numbered | null = null;

  constructor(parts: LoadTopicParts, partition: number) {
    this.#parts = parts;
    this.#partition = partition;
  }

  /** Records before the place where the reading begins: only their numbers matter, and the highest is the last one taken. */
  pass(records: readonly KafkaRecord[]): void {
    for (const record of records) {
      const number = { epoch: this.#decode(record).epoch, seq: this.#seq(record) };
      if (isHigher(number, this.#last)) this.#last = number;
    }
  }

  *take(records: readonly KafkaRecord[]): Generator<LoadItem> {
    for (const record of records) {
      const decoded = this.#decode(record);
      const number = { epoch: decoded.epoch, seq: this.#seq(record) };
      const decision = judgeNumbered(this.#last, number);
      switch (decision.kind) {
        case 'take':
          this.#last = number;
          yield { offset: record.offset, record: decoded };
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
