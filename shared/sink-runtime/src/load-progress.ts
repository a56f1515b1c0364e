import { tableKey } from '@millrace/codec/table-key.js';
import type { Position } from '@millrace/contract/position.js';
import type { Coverage, TableProgress } from '@millrace/contract/sink.js';
import type { TableId } from '@millrace/contract/table.js';
import { Changes } from '@millrace/flow/changes.js';
import { coverageOf } from './load-coverage.js';
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

  constructor(tables: readonly TableProgress[]) {
    this.update(tables);
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

  async somethingWaits(signal: AbortSignal): Promise<void> {
    while (this.waiting().length === 0 && !signal.aborted) await this.#changes.wait(signal);
  }

  /** What a group that ends at `upTo` need not apply of this table. */
  coverage(source: TableId, upTo: Position | null): Coverage | null {
    const key = tableKey(source);
    if (this.#superseded.has(key)) return upTo === null ? null : { asOf: upTo, chunks: [] };
    const table = this.#tables.get(key);
    if (table === undefined) return null;
    let coverage = this.#coverages.get(table);
    if (coverage === undefined) {
      coverage = coverageOf(table);
      this.#coverages.set(table, coverage);
    }
    return coverage;
  }

  #holdsBack(key: string): boolean {
    const table = this.#tables.get(key);
    return table !== undefined && isWaiting(table) && !this.#superseded.has(key);
  }
}

function isWaiting({ state, load }: TableProgress): boolean {
  return load !== null && (state === 'before load' || state === 'full load' || state === 'being reloaded');
}
