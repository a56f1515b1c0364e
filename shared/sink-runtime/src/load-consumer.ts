import type { SinkWriter, TablePreparation, TableProgress } from '@millrace/contract/sink.js';
import type { TableId, TableVersion } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { AbortScope } from '@millrace/flow/abort.js';
import type { LoadItem, LoadPlace, LoadTopicReader } from '@millrace/journal/load-topic.js';
import { type LoadOutcome, LoadSession } from './load-session.js';
import { LoadStates } from './load-state.js';
import type { TableMapper } from './table-mapper.js';

export interface LoadConsumerOptions {
  readonly sink: Pick<SinkWriter, 'prepare' | 'load' | 'finishLoad' | 'setAside'>;
  readonly topic: Pick<LoadTopicReader, 'lanes' | 'control' | 'controlNow' | 'lane' | 'laneEnd' | 'trimLane'>;
  readonly mapper: Pick<TableMapper, 'map'>;
  readonly preparation: TablePreparation;
  /** Nobody will ask for this load's rows any more. */
  readonly isPast: (table: TableId, load: string) => boolean;
  readonly onChunk: (table: TableId, rows: number) => void;
  readonly onTable: (table: TableId, state: 'full load' | 'completed' | 'error') => void;
  /** The table version of a registry id. */
  readonly version: (registryId: number) => Promise<TableVersion>;
  readonly signal: AbortSignal;
}

/** What is known of a lane. */
interface Lane {
  /** The last record up to which nothing is needed any more; null: a reading begins where the lane does. */
  after: LoadPlace | null;
  /** Nothing below this offset is needed; it lies in the target for good. */
  needed: bigint;
  trimmed: bigint;
}

/**
 * Brings the rows of tables whose load the journal has named. Works in sessions over a fixed set of tables, each following
 * the control partition and all lanes; rows of loads that the journal has still to name are left for the session that brings them.
 */
export class LoadConsumer {
  readonly #options: LoadConsumerOptions;
  readonly #states = new LoadStates();
  readonly #lanes: readonly Lane[];
  /** The last control record read. */
  #control: LoadPlace | null = null;
  /** Loads that were asked for, with their tables; those that are past go when lanes are passed over. */
  readonly #requested = new Map<string, TableId>();
  #following = false;
  #trimming: Promise<void> | null = null;

  constructor(options: LoadConsumerOptions) {
    this.#options = options;
    this.#lanes = Array.from({ length: options.topic.lanes }, () => ({ after: null, needed: 0n, trimmed: 0n }));
  }

  /**
   * Loads the tables given; resolves when each is loaded, superseded or set aside. `onSettled` hears of each at once,
   * so that the stream may go on with that table's changes.
   */
  async session(tables: readonly TableProgress[], onSettled: (table: TableId, outcome: LoadOutcome) => void): Promise<void> {
    // It would begin at a place that is about to go.
    while (this.#trimming !== null) await this.#trimming.catch(() => undefined);
    this.#following = true;
    using stop = new AbortScope(this.#options.signal);
    const { signal } = stop;
    const session = new LoadSession(
      { ...this.#options, states: this.#states, onSettled, onDone: () => stop.abort(), signal },
      tables,
    );
    const work = [
      this.#followControl(session, signal),
      ...this.#lanes.map((lane, number) => this.#followLane(session, { lane, number }, signal)),
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
      this.#following = false;
    }
  }

  /** Frees what nobody needs of the load topic: rows of chunks that the target has committed, and of loads that are past. */
  async trim(): Promise<void> {
    this.#trimming = this.#trim();
    try {
      await this.#trimming;
    } finally {
      this.#trimming = null;
    }
  }

  async #trim(): Promise<void> {
    const { topic, signal } = this.#options;
    if (!this.#following) await this.#passOverLanes();
    for (const [number, lane] of this.#lanes.entries()) {
      const { needed } = lane;
      if (needed <= lane.trimmed) continue;
      await topic.trimLane(number, needed, signal);
      lane.trimmed = needed;
    }
  }

  /** Without a session: where all loads are past, so is every row that lay in a lane before the control partition's end was read. */
  async #passOverLanes(): Promise<void> {
    const { topic, isPast, signal } = this.#options;
    const ends = await Promise.all(this.#lanes.map((_, number) => topic.laneEnd(number, signal)));
    for await (const item of topic.controlNow(this.#control, signal)) this.#takeControl(item);
    // A reading that was broken off has not told of every load.
    signal.throwIfAborted();
    for (const [load, table] of this.#requested) if (isPast(table, load)) this.#requested.delete(load);
    if (this.#requested.size > 0) return;
    for (const [number, lane] of this.#lanes.entries()) {
      lane.needed = ends[number] ?? lane.needed;
      lane.after = null;
    }
  }

  /** False for a record that a fenced capture wrote. */
  #takeControl(item: LoadItem): boolean {
    const { record } = item;
    if (record.kind === 'requested') this.#requested.set(record.load, record.table);
    this.#control = { offset: item.offset, number: item.number };
    return this.#states.apply(record);
  }

  async #followControl(session: LoadSession, signal: AbortSignal): Promise<void> {
    for await (const item of this.#options.topic.control(this.#control, signal)) {
      if (this.#takeControl(item)) await session.controlChanged(item.record.table);
    }
  }

  async #followLane(
    session: LoadSession,
    { lane, number }: { readonly lane: Lane; readonly number: number },
    signal: AbortSignal,
  ): Promise<void> {
    let left = false;
    for await (const item of this.#options.topic.lane(number, lane.after, signal)) {
      left = (await session.laneRecord(number, item.record)) === 'later' || left;
      // What an open chunk has sent is in the target only when its last record has been taken.
      if (left || session.isOpen(number)) continue;
      lane.after = { offset: item.offset, number: item.number };
      lane.needed = item.offset + 1n;
    }
  }
}
