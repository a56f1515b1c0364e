import type { OrderColumn, TextRow } from '@millrace/contract/reader.js';

/** The first difference of two tables: a row that one end lacks, or a column that differs. */
export type Difference =
  | { readonly kind: 'missing' | 'extra'; readonly key: TextRow }
  | {
      readonly kind: 'differs';
      readonly key: TextRow;
      readonly columns: readonly string[];
      readonly source: TextRow;
      readonly target: TextRow;
    };

export interface CompareOptions {
  readonly columns: readonly string[];
  /** Of a keyless table: empty, and whole rows are compared as a multiset. */
  readonly key: readonly OrderColumn[];
  /** No more than this many differences are kept; they are counted on. */
  readonly keep: number;
}

export interface Comparison {
  readonly rows: number;
  readonly differences: readonly Difference[];
  readonly differenceCount: number;
}

/** Walks two ordered readings of a table side by side; memory is one batch of each. */
export async function compareRows(
  source: AsyncIterable<readonly TextRow[]>,
  target: AsyncIterable<readonly TextRow[]>,
  options: CompareOptions,
): Promise<Comparison> {
  const left = new RowWalk(source);
  const right = new RowWalk(target);
  const differences: Difference[] = [];
  let differenceCount = 0;
  let rows = 0;
  const note = (difference: () => Difference): void => {
    differenceCount += 1;
    if (differences.length < options.keep) differences.push(difference());
  };
  const keyAt = options.key.map(({ name }) => options.columns.indexOf(name));
  const keyOf = (row: TextRow): TextRow => (keyAt.length === 0 ? row : keyAt.map((index) => row[index] ?? null));

  try {
    let one = await left.next();
    let other = await right.next();
    while (one !== undefined || other !== undefined) {
      const order = one === undefined ? 1 : other === undefined ? -1 : compareKeys(keyOf(one), keyOf(other), options.key);
      if (order < 0 && one !== undefined) {
        const row = one;
        note(() => ({ kind: 'missing', key: keyOf(row) }));
        one = await left.next();
        rows += 1;
      } else if (order > 0 && other !== undefined) {
        const row = other;
        note(() => ({ kind: 'extra', key: keyOf(row) }));
        other = await right.next();
      } else if (one !== undefined && other !== undefined) {
        const [a, b] = [one, other];
        const columns = options.columns.filter((_, index) => a[index] !== b[index]);
        if (columns.length > 0) note(() => ({ kind: 'differs', key: keyOf(a), columns, source: a, target: b }));
        one = await left.next();
        other = await right.next();
        rows += 1;
      }
    }
  } finally {
    await Promise.all([left.close(), right.close()]);
  }
  return { rows, differences, differenceCount };
}

/** Order of the readers: integers by value, texts by their UTF-8 bytes, nulls last. */
export function compareKeys(one: TextRow, other: TextRow, key: readonly OrderColumn[]): number {
  for (const [index, value] of one.entries()) {
    const theirs = other[index] ?? null;
    if (value === theirs) continue;
    if (value === null) return 1;
    if (theirs === null) return -1;
    return key[index]?.order === 'integer'
      ? compareIntegers(value, theirs)
      : Buffer.compare(Buffer.from(value), Buffer.from(theirs));
  }
  return 0;
}

function compareIntegers(one: string, other: string): number {
  const difference = BigInt(one) - BigInt(other);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

class RowWalk {
  readonly #batches: AsyncIterator<readonly TextRow[]>;
  #batch: readonly TextRow[] = [];
  #at = 0;

  constructor(batches: AsyncIterable<readonly TextRow[]>) {
    this.#batches = batches[Symbol.asyncIterator]();
  }

  async next(): Promise<TextRow | undefined> {
    while (this.#at >= this.#batch.length) {
      const { done, value } = await this.#batches.next();
      if (done === true) return undefined;
      this.#batch = value;
      this.#at = 0;
    }
    const row = this.#batch[this.#at];
    this.#at += 1;
    return row;
  }

  async close(): Promise<void> {
    await this.#batches.return?.();
  }
}
