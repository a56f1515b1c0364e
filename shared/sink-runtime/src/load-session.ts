import type { LoadBegan, LoadChunkEnded, LoadError, LoadRecord, LoadRows } from '@millrace/codec/load-record.js';
import { displayTable, tableKey } from '@millrace/codec/table-key.js';
import type { LoadedRows, TableProgress } from '@millrace/contract/sink.js';
import type { TableId } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import type { ErrorCode } from '@millrace/errors/table.js';
import { Changes } from '@millrace/flow/changes.js';
import { crashPoint } from '@millrace/telemetry/crash-point.js';
import { inSpan } from '@millrace/telemetry/span.js';
import { ChunkStream } from './chunk-stream.js';
import type { LoadConsumerOptions } from './load-consumer.js';
import { isLaterLoad } from './load-id.js';
import { type CountingChunk, countingChunk, type LoadState, type LoadStates } from './load-state.js';
import type { MappedTable } from './table-mapper.js';

/** How a table's load ended. */
export type LoadOutcome =
  /** What the loaded rows hold of the stream. */
  | ({ readonly kind: 'loaded' } & LoadedRows)
  /** The journal has a Schema event still to come that says what becomes of the table: a later load, or its end. */
  | { readonly kind: 'superseded' }
  /** The table alone is in state error; its changes are passed over and counted. */
  | { readonly kind: 'set-aside' };

export interface LoadSessionOptions extends LoadConsumerOptions {
  readonly states: LoadStates;
  readonly onSettled: (table: TableId, outcome: LoadOutcome) => void;
  readonly onDone: () => void;
}

interface TableLoad {
  readonly source: TableId;
  readonly load: string;
  readonly applied: Set<number>;
  /** Attempt that the target was prepared for; 0 before. */
  prepared: number;
  mapped: MappedTable | null;
  settled: boolean;
  /** Looks at one table never overlap. */
  turn: Promise<void>;
}

interface OpenChunk {
  readonly table: TableLoad;
  readonly chunk: number;
  readonly attempt: number;
  readonly stream: ChunkStream;
  readonly applied: Promise<boolean>;
}

/** Loads a fixed set of tables: decides what each record of the control partition and of the lanes means for them. */
export class LoadSession {
  readonly #options: LoadSessionOptions;
  readonly #tables = new Map<string, TableLoad>();
  readonly #open = new Map<number, OpenChunk>();
  readonly #changes = new Changes();

  constructor(options: LoadSessionOptions, tables: readonly TableProgress[]) {
    this.#options = options;
    for (const { source, load, chunksApplied } of tables) {
      if (load === null) continue;
      const applied = new Set(chunksApplied.map(({ index }) => index));
      this.#tables.set(tableKey(source), {
        source,
        load,
        applied,
        prepared: 0,
        mapped: null,
        settled: false,
        turn: Promise.resolve(),
      });
    }
  }

  get done(): boolean {
    return [...this.#tables.values()].every(({ settled }) => settled);
  }

  /** A chunk is being loaded from this lane: its first record is still needed. */
  isOpen(lane: number): boolean {
    return this.#open.has(lane);
  }

  async lookAtAll(): Promise<void> {
    for (const table of this.#tables.values()) await this.#look(table);
  }

  async controlChanged(source: TableId): Promise<void> {
    const table = this.#tables.get(tableKey(source));
    if (table !== undefined) await this.#look(table);
    this.#changes.notify();
  }

  /** 'later': rows of a load that another session will bring. */
  async laneRecord(lane: number, record: LoadRecord): Promise<'done' | 'later'> {
    if (record.kind !== 'rows' && record.kind !== 'chunk-ended') return 'done';
    const table = this.#tables.get(tableKey(record.table));
    if (table?.load !== record.load) return this.#options.isPast(record.table, record.load) ? 'done' : 'later';
    if (table.settled) return 'done';
    const counting = await this.#countingChunk(table, record);
    // Asked only now: a table that starts again forgets its chunks when it is prepared, and comes whole.
    if (counting === null || table.applied.has(record.chunk)) return 'done';

    try {
      await this.#countingRecord(lane, table, { record, counting });
    } catch (error) {
      if (concernsOneTable(error)) await this.#inTurn(table, () => this.#setAside(table, error));
      // Given up by a look at the table, from which the lane goes on.
      else if (!(error instanceof MillraceError && error.code === 'LOAD_ABANDONED')) throw error;
    }
    return 'done';
  }

  async #countingRecord(
    lane: number,
    table: TableLoad,
    { record, counting }: { readonly record: LoadRows | LoadChunkEnded; readonly counting: CountingChunk },
  ): Promise<void> {
    const starts = record.kind === 'rows' ? record.seq === 0 : record.parts === 0;
    if (starts) await this.#begin(lane, table, { record, counting });
    const open = this.#open.get(lane);
    if (open === undefined || open.table !== table || open.chunk !== record.chunk || open.attempt !== record.attempt) return;
    if (record.kind === 'rows') await Promise.race([open.stream.push(record), open.applied]);
    else await this.#finishChunk(lane, open, record);
  }

  /** Every open chunk comes to nothing; its transaction rolls back. */
  abandon(error: unknown): void {
    for (const open of this.#open.values()) open.stream.abandon(error);
    this.#changes.notify();
  }

  async #begin(
    lane: number,
    table: TableLoad,
    { record, counting }: { readonly record: LoadRows | LoadChunkEnded; readonly counting: CountingChunk },
  ): Promise<void> {
    await this.#abandonChunk(lane);
    const { mapped } = table;
    if (mapped === null) return;
    const { began, keys } = counting;
    const stream = new ChunkStream();
    const { encoding, takenAtMicros } = began;
    const parts = mapped.mapParts({ encoding, takenAtMicros, parts: stream.parts() });
    const chunk = {
      load: table.load,
      table: mapped.version,
      index: record.chunk,
      attempt: record.attempt,
      asOf: began.asOf,
      keys: keys === null ? null : mapped.mapKeys(keys),
      encoding,
      parts,
    };
    const applied = inSpan('load.chunk', { 'millrace.table': displayTable(table.source), 'millrace.chunk': record.chunk }, () =>
      this.#options.sink.load(chunk, this.#options.signal),
    ).finally(() => stream.close());
    // The lane awaits it at the chunk's end; until then a failure must not count as unhandled.
    applied.catch(() => undefined);
    this.#open.set(lane, { table, chunk: record.chunk, attempt: record.attempt, stream, applied });
  }

  async #finishChunk(lane: number, open: OpenChunk, record: LoadChunkEnded): Promise<void> {
    open.stream.end(record);
    const fresh = await open.applied;
    this.#open.delete(lane);
    crashPoint('chunk-applied');
    open.table.applied.add(open.chunk);
    if (fresh) this.#options.onChunk(open.table.source, record.rows);
    await this.#look(open.table);
  }

  /** An attempt that stopped in the middle (its capture died): the next one of the lane takes its place. */
  async #abandonChunk(lane: number): Promise<void> {
    const open = this.#open.get(lane);
    if (open === undefined) return;
    this.#open.delete(lane);
    open.stream.abandon(
      new MillraceError('LOAD_ABANDONED', { table: displayTable(open.table.source), chunk: open.chunk, attempt: open.attempt }),
    );
    await open.applied.catch(() => undefined);
  }

  /**
   * Waits until the control partition has told of the chunk, which is durable before its rows are, and the table is ready for it;
   * null: its rows do not count.
   */
  async #countingChunk(table: TableLoad, record: LoadRows | LoadChunkEnded): Promise<CountingChunk | null> {
    for (;;) {
      this.#options.signal.throwIfAborted();
      const { states } = this.#options;
      const state = states.of(table.source);
      if (table.settled || (state !== undefined && state.load !== table.load && table.prepared > 0)) return null;
      if (state?.load === table.load) {
        const counting = countingChunk(state, record.attempt, record.chunk);
        if (counting === 'never') return null;
        if (counting !== 'not yet' && table.prepared >= state.firstAttempt) return counting;
        // A fenced capture, which had not told of it in time.
        if (counting === 'not yet' && record.epoch < states.epoch) return null;
      }
      await this.#changes.wait(this.#options.signal);
    }
  }

  #look(table: TableLoad): Promise<void> {
    return this.#inTurn(table, async () => {
      try {
        await this.#lookNow(table);
      } catch (error) {
        if (!concernsOneTable(error)) throw error;
        await this.#setAside(table, error);
      }
    });
  }

  #inTurn(table: TableLoad, work: () => Promise<void>): Promise<void> {
    table.turn = table.turn.then(work);
    return table.turn;
  }

  async #lookNow(table: TableLoad): Promise<void> {
    if (table.settled) return;
    const state = this.#options.states.of(table.source);
    if (state === undefined) return;
    if (state.load !== table.load) {
      if (table.prepared > 0 || isLaterLoad(state.load, table.load)) await this.#supersede(table);
      return;
    }
    if (state.cancelled !== null) {
      const { error } = state.cancelled;
      await (error === null ? this.#supersede(table) : this.#setAside(table, error));
      return;
    }
    if (state.began !== null && table.prepared < state.firstAttempt) await this.#prepare(table, state, state.began);
    await this.#abandonDead(table, state);
    const { chunks } = state;
    if (chunks === null || table.mapped === null || table.applied.size < chunks) return;
    const loaded = await this.#options.sink.finishLoad(table.mapped.version, table.load, chunks);
    crashPoint('load-finished');
    this.#options.onTable(table.source, 'completed');
    this.#settle(table, { kind: 'loaded', ...loaded });
  }

  /** Chunks that the capture reads again: their first rows would wait for ever for the others, and hold the chunk's place. */
  async #abandonDead(table: TableLoad, state: LoadState): Promise<void> {
    for (const [lane, { table: whose, attempt, chunk }] of this.#open) {
      if (whose === table && countingChunk(state, attempt, chunk) === 'never') await this.#abandonChunk(lane);
    }
  }

  async #prepare(table: TableLoad, state: LoadState, began: LoadBegan): Promise<void> {
    const restarted = table.prepared > 0;
    // The table may be started again while the target is prepared for this attempt: that is another preparation.
    const { firstAttempt } = state;
    await this.#abandonTable(table);
    if (restarted) table.applied.clear();
    const mapped = this.#options.mapper.map(await this.#options.version(began.registryId));
    const kept = await this.#options.sink.prepare(mapped.version, table.load, {
      preparation: this.#options.preparation,
      firstAttempt,
    });
    table.applied.clear();
    for (const index of kept) table.applied.add(index);
    table.mapped = mapped;
    table.prepared = firstAttempt;
    // Rows may be waiting for it, and no control record may follow that would wake them.
    this.#changes.notify();
    crashPoint('table-prepared');
    this.#options.onTable(table.source, 'full load');
  }

  async #supersede(table: TableLoad): Promise<void> {
    await this.#abandonTable(table);
    crashPoint('load-superseded');
    this.#settle(table, { kind: 'superseded' });
  }

  async #setAside(table: TableLoad, error: LoadError): Promise<void> {
    if (table.settled) return;
    await this.#abandonTable(table);
    await this.#options.sink.setAside(table.source, table.load, { code: error.code, message: error.message });
    crashPoint('table-set-aside');
    this.#options.onTable(table.source, 'error');
    this.#settle(table, { kind: 'set-aside' });
  }

  async #abandonTable(table: TableLoad): Promise<void> {
    for (const [lane, open] of this.#open) if (open.table === table) await this.#abandonChunk(lane);
  }

  #settle(table: TableLoad, outcome: LoadOutcome): void {
    table.settled = true;
    this.#options.onSettled(table.source, outcome);
    this.#changes.notify();
    if (this.done) this.#options.onDone();
  }
}

/** What a sink says of one table alone; whatever else it says concerns them all. */
const OF_ONE_TABLE: ReadonlySet<ErrorCode> = new Set([
  'LOAD_RESTART_NOT_EMPTY',
  'LOAD_ROW_REFUSED',
  'LOAD_COUNT',
  'LOAD_KEY_REFUSED',
  'ALTER_REFUSED',
  'TARGET_TABLE_INCOMPATIBLE',
  'TARGET_NOT_A_TABLE',
  'TARGET_TABLE_IN_USE',
]);

function concernsOneTable(error: unknown): error is MillraceError {
  return error instanceof MillraceError && OF_ONE_TABLE.has(error.code);
}
