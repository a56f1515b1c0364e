import type { LoadEvent, LoadRecord } from '@millrace/codec/load-record.js';
import { newTableVersion } from '@millrace/codec/row-schema.js';
import { tableKey } from '@millrace/codec/table-key.js';
import { tableWithoutColumns } from '@millrace/codec/testing/plain-tables.js';
import type { ChunkSpec, Snapshot } from '@millrace/contract/load.js';
import type { TableId, TableVersion } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { Changes } from '@millrace/flow/changes.js';
import { expect, test } from 'vitest';
import { pendingLoads } from './load-plan.js';
import { LoadProducer } from './load-producer.js';

const A: TableId = { schema: 'public', table: 'a' };
const B: TableId = { schema: 'public', table: 'b' };
const versions = [A, B].map((id, index) => newTableVersion(tableWithoutColumns(id), index + 1));
const versionOf = (id: TableId): TableVersion => {
  const version = versions.find(({ source }) => source.table === id.table);
  if (version === undefined) throw new Error('no version');
  return version;
};

const rewritten = (table: TableId): MillraceError =>
  new MillraceError('TABLE_REWRITTEN', { table: tableKey(table), change: 'it was dropped or renamed' });
const unreadable = (table: TableId): MillraceError =>
  new MillraceError('TABLE_UNREADABLE', { table: tableKey(table), reason: 'permission denied', state: '42501' });

/** A source of two tables of one chunk each, which fails where it is told to, and the load topic that its loads go to. */
class Bench {
  readonly records: LoadRecord[] = [];
  readonly changes = new Changes();
  readonly stop = new AbortController();
  readonly gone = new Set<string>();
  snapshots = 0;
  failsCutting: (table: TableId) => MillraceError | null = () => null;
  failsReading: (table: TableId) => MillraceError | null = () => null;
  readonly producer = new LoadProducer(
    {
      topic: {
        lanes: 2,
        control: (event) => this.#append(event),
        rows: () => Promise.resolve(),
        controlRecords: () => this.#all(),
      },
      snapshot: () => Promise.resolve(this.#snapshot()),
      versions: (tables) => Promise.resolve(tables.filter((id) => !this.gone.has(id.table)).map(versionOf)),
      resolve: (id) => Promise.resolve(versions[id - 1] ?? versionOf(A)),
      filter: () => null,
      keepsKeys: () => true,
      encoding: () => 'rows',
      onChunk: () => undefined,
      signal: this.stop.signal,
    },
    [],
  );

  /** Runs with both tables requested until the records fit. */
  async until(fits: () => boolean, meanwhile: () => Promise<void> = () => Promise.resolve()): Promise<void> {
    await this.producer.request(versionOf(A), '0.1');
    await this.producer.request(versionOf(B), '0.2');
    const running = this.producer.run(null);
    await meanwhile();
    const met = (async () => {
      while (!fits()) await this.changes.wait(this.stop.signal);
    })();
    try {
      await Promise.race([met, running]);
    } finally {
      this.stop.abort();
      await running;
    }
  }

  told(table: TableId): readonly string[] {
    return this.records
      .filter((record) => record.table.table === table.table)
      .map((record) => (record.kind === 'cancelled' ? `cancelled ${record.error?.code ?? ''}`.trim() : record.kind));
  }

  async waitFor(fits: () => boolean): Promise<void> {
    while (!fits()) await this.changes.wait(this.stop.signal);
  }

  async stillToLoad(): Promise<readonly string[]> {
    return (await pendingLoads(this.#all(), (id) => Promise.resolve(versions[id - 1] ?? versionOf(A)))).map(({ load }) => load);
  }

  async *#all(): AsyncGenerator<LoadRecord> {
    await Promise.resolve();
    yield* [...this.records];
  }

  #append(event: LoadEvent): Promise<void> {
    this.records.push({ ...event, epoch: 0n });
    this.changes.notify();
    return Promise.resolve();
  }

  #snapshot(): Snapshot {
    this.snapshots += 1;
    const chunk: ChunkSpec = { index: 0, locator: 'all', keys: null };
    const { failsCutting, failsReading } = this;
    return {
      position: { source: 's', timeline: 1, key: '00' },
      takenAtMicros: 0n,
      estimate: () => Promise.resolve({ rows: 0, bytes: 0 }),
      async *chunks({ schema }) {
        const error = failsCutting(schema.id);
        if (error !== null) throw error;
        await Promise.resolve();
        yield chunk;
      },
      async *read({ schema }) {
        const error = failsReading(schema.id);
        if (error !== null) throw error;
        await Promise.resolve();
        yield { bytes: new Uint8Array(1), rows: 1 };
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }
}

const ended = (bench: Bench, table: TableId): boolean => bench.told(table).includes('ended');

test.each([
  ['cut', 'failsCutting'],
  ['read', 'failsReading'],
] as const)('a table that cannot be %s is set aside alone, with the error, and stays so after a restart', async (_, where) => {
  const bench = new Bench();
  bench[where] = (table) => (table.table === 'a' ? unreadable(table) : null);
  await bench.until(() => ended(bench, B) && bench.told(A).includes('cancelled TABLE_UNREADABLE'));
  expect(bench.told(A)).not.toContain('ended');
  expect(await bench.stillToLoad()).toEqual([]);
});

test.each([
  ['cut', 'failsCutting'],
  ['read', 'failsReading'],
] as const)(
  'a table that was rewritten while it was %s comes with a later attempt, the others with the first',
  async (_, where) => {
    const bench = new Bench();
    let failures = 0;
    bench[where] = (table) => (table.table === 'a' && failures++ < 2 ? rewritten(table) : null);
    await bench.until(() => ended(bench, A));
    expect(bench.told(B).filter((kind) => kind === 'began')).toHaveLength(1);
    expect(bench.told(A).at(-1)).toBe('ended');
  },
);

test('a table that is gone waits for the stream, whose end of it cancels its load, and the others are loaded', async () => {
  const bench = new Bench();
  bench.gone.add('a');
  bench.failsCutting = (table) => (table.table === 'a' ? rewritten(table) : null);
  await bench.until(
    () => bench.told(A).includes('cancelled'),
    async () => {
      // Two more looks at the source find it gone.
      await bench.waitFor(() => bench.snapshots >= 3);
      expect(bench.told(A)).not.toContain('cancelled');
      await bench.producer.cancellationOf(A)?.();
    },
  );
  expect(ended(bench, B)).toBe(true);
  expect(await bench.stillToLoad()).toEqual([]);
  expect(bench.producer.cancellationOf(A)).toBeNull();
});

test('a table that was gone for a moment and came back without a word of the stream is loaded', async () => {
  const bench = new Bench();
  bench.gone.add('a');
  bench.failsCutting = (table) => (bench.gone.has(table.table) ? rewritten(table) : null);
  await bench.until(
    () => ended(bench, A),
    async () => {
      await bench.waitFor(() => bench.snapshots >= 2);
      bench.gone.delete('a');
    },
  );
  expect(bench.told(A)).not.toContain('cancelled');
});

test('the end of an earlier table of the name does not cancel the load of the one that took its place', async () => {
  const bench = new Bench();
  bench.gone.add('a');
  bench.failsCutting = (table) => (bench.gone.has(table.table) ? rewritten(table) : null);
  await bench.until(
    () => ended(bench, A),
    async () => {
      await bench.waitFor(() => bench.snapshots >= 2);
      const cancel = bench.producer.cancellationOf(A);
      bench.gone.delete('a');
      await bench.producer.request(versionOf(A), '0.3');
      await cancel?.();
    },
  );
  expect(bench.records.findLast(({ kind, table }) => kind === 'ended' && table.table === 'a')?.load).toBe('0.3');
});
