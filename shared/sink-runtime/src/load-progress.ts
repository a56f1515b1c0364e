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
  /** Made when first asked for: a table may have thousands of chunks. */
  readonly #coverages = new WeakMap<TableProgress, Coverage | null>();
  readonly #changes = new Changes();
  /** Epoch in force where the stream stands. */
  #epoch: bigint;

  constructor(tables: readonly TableProgress[], epoch: bigint) {
    this.#epoch = epoch;
    this.update(tables);
  }

  /** The stream has reached this epoch, and the tables' states are known as of there. */
  reached(epoch: bigint): void {
    this.#epoch = epoch;
  }

  /**
   * Nobody will ask for this load's rows any more: they are in the target, or a later load of the table is named, or the capture that
   * was to name it has been followed by another one and had not.
   */
  isPast(source: TableId, load: string): boolean {
    const key = tableKey(source);
    const table = this.#tables.get(key);
    if (table?.load === load) return !isWaiting(table) || this.#superseded.has(key);
    return (table?.load != null && isLaterLoad(table.load, load)) || epochOf(load) < this.#epoch;
  }

  /** Takes the tables' states as the target holds them. */
  update(tables: readonly TableProgress[]): void {
    for (const table of tables) {
      const key = tableKey(table.source);
      if (this.#tables.get(key)?.load !== table.load) this.#superseded.delete(key);
      this.#tables.set(key, table);
    }
    this.#changes.notify();
  }

  /** Tables whose load the journal has named and that are not in yet. */
  waiting(): TableProgress[] {
    return [...this.#tables.values()].filter((table) => isWaiting(table) && !this.#superseded.has(tableKey(table.source)));
  }

  anyLoaded(): boolean {
    return [...this.#tables.values()].some(({ load }) => load !== null);
  }

  settled(source: TableId, outcome: LoadOutcome): void {
    const key = tableKey(source);
    const table = this.#tables.get(key);
    if (table === undefined) return;
    if (outcome.kind === 'superseded') this.#superseded.add(key);
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

  /** Some table's load was given up for a later one that the journal has still to name. */
  anySuperseded(): boolean {
    return this.#superseded.size > 0;
  }

  async somethingWaits(signal: AbortSignal): Promise<void> {
    while (this.waiting().length === 0 && !signal.aborted) await this.#changes.wait(signal);
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
