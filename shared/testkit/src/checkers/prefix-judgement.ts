import { BATCH_EVERY, BATCH_KEPT, CELLS, type PrefixReading } from './prefix.js';

/** Consecutive steps with equally many rows in each ledger. */
export interface Stretch {
  readonly first: number;
  readonly last: number;
  readonly a: number;
  readonly b: number;
  readonly c: number;
}

export interface Cell {
  readonly cell: number;
  readonly times: number;
  readonly last: number;
  /** Its document is the one that it was made with. */
  readonly whole: boolean;
}

export interface Batch {
  readonly n: number;
  readonly size: number;
}

/** All that one snapshot shows of `prefix`, in short. */
export interface PrefixState {
  readonly counter: number;
  /** Each step that is in some ledger is in exactly one of them. */
  readonly stretches: readonly Stretch[];
  readonly cells: readonly Cell[];
  readonly batches: readonly Batch[];
}

const EXAMPLES = 5;
const BIG_BATCH_EVERY = 500;

/** Compares a snapshot with what the counter's step left: the same judgement that `readPrefix` lets PostgreSQL make. */
export function judgePrefix(state: PrefixState): PrefixReading {
  const tallies = { lost: new Tally(), duplicated: new Tally(), torn: new Tally() };
  judgeLedgers(state, tallies);
  judgeCells(state, tallies.torn);
  judgeBatches(state, tallies.torn);
  return {
    counter: state.counter,
    lost: tallies.lost.count,
    duplicated: tallies.duplicated.count,
    torn: tallies.torn.count,
    differences: Object.entries(tallies).flatMap(([kind, { count, examples }]) =>
      count === 0 ? [] : [`${kind}: ${count} (${examples.join('; ')})`],
    ),
  };
}

class Tally {
  count = 0;
  readonly examples: string[] = [];

  add(what: string, count = 1): void {
    this.count += count;
    if (this.examples.length < EXAMPLES) this.examples.push(what);
  }
}

type Tallies = Readonly<Record<'lost' | 'duplicated' | 'torn', Tally>>;

function judgeLedgers({ counter, stretches }: PrefixState, { lost, duplicated, torn }: Tallies): void {
  const noteLost = (first: number, last: number): void => {
    if (last >= first) lost.add(stepsText(first, last), last - first + 1);
  };
  let next = 1;
  for (const { first, last, a, b, c } of [...stretches].sort((one, other) => one.first - other.first)) {
    noteLost(next, Math.min(first - 1, counter));
    next = last + 1;
    const good = a === 1 && b === 1 && c === 1 ? Math.max(0, Math.min(last, counter) - Math.max(first, 1) + 1) : 0;
    const wrong = last - first + 1 - good;
    if (wrong === 0) continue;
    const where = `${stepsText(first, last)}: ${a}, ${b}, ${c} rows in the ledgers, counter at ${counter}`;
    (Math.max(a, b, c) > 1 ? duplicated : torn).add(where, wrong);
  }
  noteLost(next, counter);
}

function stepsText(first: number, last: number): string {
  return first === last ? `step ${first}` : `steps ${first} to ${last}`;
}

function judgeCells({ counter, cells }: PrefixState, torn: Tally): void {
  const due = cellsAfter(counter);
  for (const { cell, times, last, whole } of cells) {
    const expected = due.get(cell) ?? { times: 0, last: 0 };
    if (times !== expected.times || last !== expected.last || !whole)
      torn.add(`cell ${cell}: ${times} times, last ${last}, instead of ${expected.times}, ${expected.last}`);
  }
  if (cells.length !== 2 * CELLS) torn.add(`cells: ${cells.length} rows`);
}

function cellsAfter(counter: number): ReadonlyMap<number, { readonly times: number; readonly last: number }> {
  const due = new Map<number, { readonly times: number; readonly last: number }>();
  for (let first = 1; first <= Math.min(CELLS, counter); first += 1) {
    const times = 1 + Math.floor((counter - first) / CELLS);
    const touched = { times, last: first + (times - 1) * CELLS };
    due.set(first % CELLS, touched);
    due.set(CELLS + ((first * 7) % CELLS), touched);
  }
  return due;
}

function judgeBatches({ counter, batches }: PrefixState, torn: Tally): void {
  const found = new Map(batches.map(({ n, size }) => [n, size]));
  const due = batchesAfter(counter);
  for (const n of [...new Set([...found.keys(), ...due.keys()])].sort((one, other) => one - other)) {
    const [size, expected] = [found.get(n) ?? 0, due.get(n) ?? 0];
    if (size !== expected) torn.add(`batch ${n}: ${size} rows instead of ${expected}`);
  }
}

function batchesAfter(counter: number): ReadonlyMap<number, number> {
  const due = new Map<number, number>();
  const newest = Math.floor(counter / BATCH_EVERY) * BATCH_EVERY;
  for (let n = Math.max(BATCH_EVERY, newest - BATCH_KEPT + BATCH_EVERY); n <= newest; n += BATCH_EVERY)
    due.set(n, n % BIG_BATCH_EVERY === 0 ? 6_000 : 100);
  return due;
}
