import { MillraceError } from '@millrace/errors/millrace-error.js';
import type Cluster from 'kafkajs/src/cluster/index.js';
import type { FetchedMessage } from 'kafkajs/src/cluster/index.js';
import type { JournalMetrics } from '../journal-metrics.js';
import { checkBounds, type LogBounds } from '../rules/reader-rules.js';
import type { Connections, KafkaClient } from './kafka-client.js';
import { protocolErrorType, reasonOf } from './kafka-error.js';
import { leaderOf } from './topic-leader.js';

/** Size of one fetch before decompression; a single larger record comes whole (KIP-74). */
const FETCH_BYTES = 2 * 1024 * 1024;
/** The broker answers the moment it has a byte; this only bounds how long a request of an idle partition stays open. */
const IDLE_WAIT_MS = 500;

export interface KafkaRecord {
  readonly offset: bigint;
  readonly value: Uint8Array;
  /** A header's text, where the record has it. */
  header(name: string): string | undefined;
}

export interface PartitionReaderOptions {
  readonly client: KafkaClient;
  readonly topic: string;
  readonly partition: number;
  readonly metrics: JournalMetrics;
}

/**
 * Reads one partition from offsets that the caller gives, without a consumer group: nothing is committed, nobody rebalances, and no
 * offset is ever reset. Offsets must be dense; what the log no longer holds is an error.
 */
export class PartitionReader implements AsyncDisposable {
  readonly #options: PartitionReaderOptions;
  #connections: Connections<Cluster> | undefined;

  constructor(options: PartitionReaderOptions) {
    this.#options = options;
  }

  /** The log's first offset and the one that the next record gets. */
  async bounds(signal?: AbortSignal): Promise<LogBounds> {
    const { client, topic } = this.#options;
    return client.retry(
      { what: "reading the log's bounds", topic },
      () => this.#connected(async (cluster) => this.#listOffsets(cluster)),
      signal,
    );
  }

  /** Records `[from, to)`, in pieces as they come. @throws MillraceError JOURNAL_TRUNCATED where the log ends below `to` */
  async *range(from: bigint, to: bigint, signal?: AbortSignal): AsyncGenerator<readonly KafkaRecord[]> {
    let next = from;
    while (next < to) {
      const records = await this.#fetch(next, signal);
      if (records.length === 0) await this.check(to, signal);
      const inside = records.filter(({ offset }) => offset < to);
      next += BigInt(inside.length);
      if (inside.length > 0) yield inside;
    }
  }

  /** Waits until the log holds a record at this offset. */
  async arrival(offset: bigint, signal: AbortSignal): Promise<void> {
    await this.check(offset, signal);
    while ((await this.#fetch(offset, signal)).length === 0) signal.throwIfAborted();
  }

  /** Records from an offset on, for ever: pieces as they come, one fetch ahead of the caller. Ends when the signal aborts. */
  async *follow(from: bigint, signal: AbortSignal): AsyncGenerator<readonly KafkaRecord[]> {
    await this.check(from, signal);
    let ahead = this.#ahead(from, signal);
    while (!signal.aborted) {
      const piece = await ahead;
      if ('failure' in piece) {
        if (signal.aborted) return;
        throw piece.failure;
      }
      const { records } = piece;
      ahead = this.#ahead(from + BigInt(records.length), signal);
      from += BigInt(records.length);
      if (records.length > 0) yield records;
    }
  }

  /** @throws MillraceError JOURNAL_TRIMMED, JOURNAL_TRUNCATED where the log does not reach this offset. */
  async check(offset: bigint, signal?: AbortSignal): Promise<LogBounds> {
    const bounds = await this.bounds(signal);
    this.#checkInside(offset, bounds);
    return bounds;
  }

  /** Where a record lies, for messages. */
  place(offset: bigint): string {
    return `topic ${this.#options.topic}, partition ${this.#options.partition}, offset ${offset}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const connections = this.#connections;
    this.#connections = undefined;
    await connections?.close();
  }

  /** Never rejects, so that a fetch whose records nobody comes for is not an unhandled rejection. */
  async #ahead(
    from: bigint,
    signal: AbortSignal,
  ): Promise<{ readonly records: readonly KafkaRecord[] } | { readonly failure: unknown }> {
    try {
      return { records: await this.#fetch(from, signal) };
    } catch (failure) {
      return { failure };
    }
  }

  /** At least one record, or none after IDLE_WAIT_MS. */
  async #fetch(from: bigint, signal?: AbortSignal): Promise<readonly KafkaRecord[]> {
    const { client, topic, metrics } = this.#options;
    const { records, end } = await client.retry(
      { what: 'reading', topic },
      () => this.#connected((cluster) => this.#fetchOnce(cluster, from)),
      signal,
    );
    if (records.length > 0) {
      const bytes = records.reduce((sum, { value }) => sum + value.length, 0);
      metrics.received(topic, records.length, bytes, end - from - BigInt(records.length));
    }
    return records;
  }

  async #fetchOnce(cluster: Cluster, from: bigint): Promise<{ readonly records: readonly KafkaRecord[]; readonly end: bigint }> {
    const { topic, partition } = this.#options;
    const broker = await cluster.findBroker({ nodeId: leaderOf(cluster, topic, partition) });
    const partitions = [{ partition, fetchOffset: from.toString(), maxBytes: FETCH_BYTES }];
    const request = {
      isolationLevel: 0,
      maxWaitTime: IDLE_WAIT_MS,
      minBytes: 1,
      maxBytes: FETCH_BYTES,
      topics: [{ topic, partitions }],
    };
    try {
      const { responses } = await broker.fetch(request);
      const answer = responses[0]?.partitions[0];
      if (answer === undefined) return { records: [], end: from };
      return { records: this.#recordsFrom(from, answer.messages), end: BigInt(answer.highWatermark) };
    } catch (error) {
      if (protocolErrorType(error) === 'OFFSET_OUT_OF_RANGE') this.#checkInside(from, await this.#listOffsets(cluster));
      if (isUnreadable(error)) {
        const what = `its batch cannot be unpacked: ${reasonOf(error)}`;
        throw new MillraceError('JOURNAL_CORRUPT', { where: `${this.place(from)} or soon after it`, what }, { cause: error });
      }
      throw error;
    }
  }

  /** A batch is returned whole: what lies before the offset that was asked for is passed over, and from there on none may be missing. */
  #recordsFrom(from: bigint, messages: readonly FetchedMessage[]): KafkaRecord[] {
    const { topic, partition } = this.#options;
    const records: KafkaRecord[] = [];
    let expected = from;
    for (const message of messages) {
      const offset = BigInt(message.offset);
      if (offset < from) continue;
      if (offset !== expected) throw new MillraceError('JOURNAL_JUMP', { topic, partition, expected, offset });
      if (message.isControlRecord || message.value === null) {
        const what = message.isControlRecord ? 'it is a transaction marker' : 'it has no value';
        throw new MillraceError('RECORD_FOREIGN', { where: this.place(offset), what });
      }
      records.push({ offset, value: message.value, header: (name) => headerText(message, name) });
      expected += 1n;
    }
    return records;
  }

  async #listOffsets(cluster: Cluster): Promise<LogBounds> {
    // The end first: a log that is cut off at its beginning in between still gives bounds that once held.
    const end = await this.#listOffset(cluster, false);
    return { start: await this.#listOffset(cluster, true), end };
  }

  async #listOffset(cluster: Cluster, fromBeginning: boolean): Promise<bigint> {
    const { topic, partition } = this.#options;
    leaderOf(cluster, topic, partition);
    const [answer] = await cluster.fetchTopicsOffset([{ topic, partitions: [{ partition }], fromBeginning }]);
    const found = answer?.partitions.find((entry) => entry.partition === partition);
    if (found === undefined) throw new MillraceError('TOPIC_MISSING', { topic });
    return BigInt(found.offset);
  }

  /** Runs a request; what breaks it takes the connections and what they know of the cluster with it, so the next try starts afresh. */
  async #connected<T>(request: (cluster: Cluster) => Promise<T>): Promise<T> {
    this.#connections ??= this.#options.client.cluster(this.#options.topic);
    const connections = this.#connections;
    try {
      await connections.ready;
      return await request(connections.via);
    } catch (error) {
      if (this.#connections === connections) await this[Symbol.asyncDispose]();
      throw error;
    }
  }

  #checkInside(offset: bigint, bounds: LogBounds): void {
    const { topic, partition } = this.#options;
    switch (checkBounds(offset, bounds)) {
      case 'trimmed':
        throw new MillraceError('JOURNAL_TRIMMED', { topic, partition, offset, start: bounds.start });
      case 'truncated':
        throw new MillraceError('JOURNAL_TRUNCATED', { topic, partition, offset, end: bounds.end });
      case 'inside':
        return;
    }
  }
}

/** Whatever is wrong with a request or a connection, kafkajs gives a name of its own: what has none came of the bytes. */
function isUnreadable(error: unknown): boolean {
  return error instanceof Error && !(error instanceof MillraceError) && !error.name.startsWith('KafkaJS');
}

function headerText(message: FetchedMessage, name: string): string | undefined {
  const value = message.headers[name];
  return value === undefined || Array.isArray(value) ? undefined : value.toString();
}
