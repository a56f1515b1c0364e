import { comparePositions } from '@millrace/codec/position.js';
import { tableKey } from '@millrace/codec/table-key.js';
import type { Position } from '@millrace/contract/position.js';
import type { Coverage, TableProgress } from '@millrace/contract/sink.js';
import type { TableId } from '@millrace/contract/table.js';
import { Changes } from '@millrace/flow/changes.js';
import type { PositionRange } from './group-reader.js';
import { coverageOf } from './load-coverage.js';
import { epochOf, isLaterLoad } from './load-id.js';
import type { LoadOutcome } from './load-session.js';

/**
 * Which tables wait for rows, and what of the stream their rows hold already. The stream asks before each group: a table
 * that is being loaded holds its changes back, a superseded load makes them moot, a finished one covers those up to its position.
 */
export class LoadProgress {
  readonly #tables = new Map<string, TableProgress>();
  readonly #superseded = new Set<string>();
  /** The last load of each table that was dropped. */
  readonly #dropped = new Map<string, string>();
  /** Made when first asked for: a table may have thousands of chunks. */
  readonly #coverages = new WeakMap<TableProgress, Coverage | null>();
  readonly #changes = new Changes();
  /** Epoch in force where the stream stands. */
  #epoch: bigint;
  #anyLoaded = false;

  constructor(tables: readonly TableProgress[], epoch: bigint) {
    this.#epoch = epoch;
    this.update(tables);
  }

  /** The stream has reached this epoch, and the tables' states are known as of there. */
  reached(epoch: bigint): void {
    this.#epoch = epoch;
  }

  /**
   * Nobody will ask for this load's rows any more: they are in the target, or the load is superseded, or its table is set aside or
   * dropped, or a later load of the table is named, or the capture that was to name it has been followed by another one and had not.
   */
  isPast(source: TableId, load: string): boolean {
    const key = tableKey(source);
    const table = this.#tables.get(key);
    if (table?.load === load) return !isWaiting(table) || this.#superseded.has(key);
    const named = table?.load ?? this.#dropped.get(key);
    return (named !== undefined && !isLaterLoad(load, named)) || epochOf(load) < this.#epoch;
  }

  /** Takes the tables' states as the target holds them. One that it does not hold any more was dropped. */
  update(tables: readonly TableProgress[]): void {
    const earlier = new Map(this.#tables);
    this.#tables.clear();
    for (const table of tables) {
      const key = tableKey(table.source);
      if (earlier.get(key)?.load !== table.load || !isWaiting(table)) this.#superseded.delete(key);
      this.#tables.set(key, table);
      this.#anyLoaded ||= table.load !== null;
    }
    for (const [key, { load }] of earlier) {
      if (this.#tables.has(key)) continue;
      this.#superseded.delete(key);
      if (load !== null) this.#dropped.set(key, load);
    }
    this.#changes.notify();
  }

  /** Tables whose load the journal has named and that are not in yet. */
  waiting(): TableProgress[] {
    return [...this.#tables.values()].filter((table) => isWaiting(table) && !this.#superseded.has(tableKey(table.source)));
  }

  /** The journal has named a load, be its table dropped since. */
  get anyLoaded(): boolean {
    return this.#anyLoaded;
  }

  settled(source: TableId, outcome: LoadOutcome): void {
    const key = tableKey(source);
    const table = this.#tables.get(key);
    if (table === undefined) return;
    if (outcome.kind === 'superseded') this.#superseded.add(key);
    else if (outcome.kind === 'set-aside') this.#tables.set(key, { ...table, state: 'error' });
    // With the position: the table's changes go on at once, and those that its rows hold already must not come again.
    else this.#tables.set(key, { ...table, state: 'completed', asOf: outcome.asOf, chunksApplied: outcome.chunksApplied });
    this.#changes.notify();
  }

  /** Resolves when none of the tables holds its changes back. */
  async ready(sources: readonly TableId[], signal: AbortSignal): Promise<void> {
    while (sources.some((source) => this.#holdsBack(tableKey(source)))) {
      await this.#changes.wait(signal);
      signal.throwIfAborted();
    }
  }

  /**
   * Resolves when no table at all holds its changes back: a transaction in slices may touch any of them. That its Begin says where it
   * commits does not help, for the stream lies past every snapshot but those of loads just named; nor could it wait inside, at the
   * first slice that touches such a table: its open target transaction would hold locks that finishing the load waits for.
   */
  async allReady(signal: AbortSignal): Promise<void> {
    while (this.waiting().length > 0) {
      await this.#changes.wait(signal);
      signal.throwIfAborted();
    }
  }

  /** What becomes of some table is still to come from the journal. */
  anySuperseded(): boolean {
    return this.#superseded.size > 0;
  }

  change(signal: AbortSignal): Promise<void> {
    return this.#changes.wait(signal);
  }

  /** What a group that lies in this range need not apply of the table; null, and cheap, once the stream has passed its load. */
  coverage(source: TableId, { from, upTo }: PositionRange): Coverage | null {
    const key = tableKey(source);
    if (this.#superseded.has(key)) return everything(from, upTo);
    const table = this.#tables.get(key);
    if (table === undefined) return null;
    let coverage = this.#coverages.get(table);
    if (coverage === undefined) {
      coverage = coverageOf(table);
      this.#coverages.set(table, coverage);
    }
    return coverage === null || (from !== null && comparePositions(from, coverage.asOf) >= 0) ? null : coverage;
  }

  #holdsBack(key: string): boolean {
    const table = this.#tables.get(key);
    return table !== undefined && isWaiting(table) && !this.#superseded.has(key);
  }
}

/** Covers a whole group, whatever lies in it: above every position of the same history. */
function everything(from: Position | null, upTo: Position | null): Coverage | null {
  const position = upTo ?? from;
  return position === null ? null : { asOf: upTo ?? { ...position, key: HIGHEST_KEY }, chunks: [] };
}

/** Longer and higher than any connector's key. */
const HIGHEST_KEY = 'f'.repeat(128);

function isWaiting({ state, load }: TableProgress): boolean {
  return load !== null && (state === 'before load' || state === 'full load' || state === 'being reloaded');
}
