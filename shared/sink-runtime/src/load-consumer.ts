import type { SinkWriter, TablePreparation, TableProgress } from '@millrace/contract/sink.js';
import type { TableId, TableVersion } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { AbortScope } from '@millrace/flow/abort.js';
import type { LoadTopicReader } from '@millrace/journal/load-topic.js';
import { type LoadOutcome, LoadSession } from './load-session.js';
import { LoadStates } from './load-state.js';
import type { TableMapper } from './table-mapper.js';

export interface LoadConsumerOptions {
  readonly sink: SinkWriter;
  readonly topic: LoadTopicReader;
  readonly mapper: TableMapper;
  readonly preparation: TablePreparation;
  readonly onChunk: (table: TableId, rows: number) => void;
  readonly onTable: (table: TableId, state: 'full load' | 'completed') => void;
  /** The table version of a registry id. */
  readonly version: (registryId: number) => Promise<TableVersion>;
  readonly signal: AbortSignal;
}

/**
 * Brings the rows of tables whose load the journal has named. Works in sessions over a fixed set of tables, each following
 * the control partition and all lanes; rows of other loads met in a lane are left for the session that brings them.
 */
export class LoadConsumer {
  readonly #options: LoadConsumerOptions;
  readonly #states = new LoadStates();
  readonly #laneStart: (bigint | null)[] = [];
  #controlStart: bigint | null = null;

  constructor(options: LoadConsumerOptions) {
    this.#options = options;
  }

  /**
   * Loads the tables given; resolves when each is loaded or superseded by a later load. `onSettled` hears of each at once,
   * so that the stream may go on with that table's changes.
   */
  async session(tables: readonly TableProgress[], onSettled: (table: TableId, outcome: LoadOutcome) => void): Promise<void> {
    const { topic } = this.#options;
    using stop = new AbortScope(this.#options.signal);
    const { signal } = stop;
    const session = new LoadSession(
      { ...this.#options, states: this.#states, onSettled, onDone: () => stop.abort(), signal },
      tables,
    );
    const work = [
      this.#followControl(session, signal),
      ...Array.from({ length: topic.lanes }, (_, lane) => this.#followLane(session, lane, signal)),
    ];
    // Awaited below; a failure before that must not count as unhandled.
    for (const part of work) part.catch(() => undefined);
    try {
      await session.lookAtAll();
      await Promise.all(work);
    } catch (error) {
      stop.abort(error);
      if (!session.done && !this.#options.signal.aborted) throw error;
    } finally {
      // No chunk's transaction stays open behind a session that has ended, however it ended.
      stop.abort();
      session.abandon(new MillraceError('LOAD_SESSION_ENDED'));
      await Promise.allSettled(work);
    }
  }

  async #followControl(session: LoadSession, signal: AbortSignal): Promise<void> {
    for await (const { offset, record } of this.#options.topic.control(this.#controlStart, signal)) {
      this.#controlStart = offset + 1n;
      if (this.#states.apply(record)) await session.controlChanged(record.table);
    }
  }

  async #followLane(session: LoadSession, lane: number, signal: AbortSignal): Promise<void> {
    let epoch = -1n;
    let left: bigint | null = null;
    let next = this.#laneStart[lane] ?? null;
    try {
      for await (const { offset, record } of this.#options.topic.lane(lane, next, signal)) {
        if (record.epoch >= epoch) {
          epoch = record.epoch;
          if ((await session.laneRecord(lane, record)) === 'not ours') left ??= offset;
        }
        next = offset + 1n;
      }
    } finally {
      this.#laneStart[lane] = left ?? next;
    }
  }
}
