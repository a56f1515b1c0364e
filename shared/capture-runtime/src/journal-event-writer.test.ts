import { decodeBlock } from '@millrace/codec/block-reader.js';
import { newTableVersion } from '@millrace/codec/row-schema.js';
import type { Position } from '@millrace/contract/position.js';
import type { TableSchema, TableVersion } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import type { OutgoingBlock } from '@millrace/journal/journal-writer.js';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { JournalEventWriter } from './journal-event-writer.js';

const SCHEMA: TableSchema = {
  id: { schema: 'public', table: 't' },
  columns: [
    {
      name: 'v',
      ordinal: 1,
      type: { kind: 'text', maxLength: null, padded: false },
      native: { engine: 'postgresql', schema: 'pg_catalog', name: 'text', declaration: 'text' },
      nullable: true,
      generated: null,
      identity: 'none',
      default: null,
      missingValue: null,
      collation: null,
    },
  ],
  primaryKey: [],
  primaryKeyName: null,
  identityColumns: ['v'],
  replicaIdentity: 'full',
  types: [],
  extensions: [],
};
const TABLE: TableVersion = newTableVersion(SCHEMA, 7);
const at = (n: number): Position => ({ source: 's', timeline: 1, key: n.toString(16).padStart(16, '0') });

/** Takes what a journal would, decodes it, and checks each block's place in the chain as a reader does. */
class Journal {
  readonly transactions: { readonly at: string; readonly rows: number }[] = [];
  readonly blocks: { readonly bytes: number; readonly sliced: boolean }[] = [];
  sends = 0;
  inFlight = 0;
  fail: Error | undefined;
  hold: Promise<void> | undefined;
  #position: Position | null = null;
  #open = { rows: 0, slice: 0 };

  async send(blocks: readonly OutgoingBlock[]): Promise<void> {
    this.inFlight += 1;
    expect(this.inFlight).toBe(1);
    await this.hold;
    await Promise.resolve();
    this.sends += 1;
    if (this.fail !== undefined) throw this.fail;
    for (const block of blocks) this.#take(block);
    this.inFlight -= 1;
  }

  #take({ builder, after, upTo, slice }: OutgoingBlock): void {
    expect(after).toEqual(this.#position);
    const header = {
      journal: 'j',
      epoch: 0n,
      seq: 0n,
      prev: 0n,
      source: 's',
      timeline: 1,
      after,
      slice: slice === null ? null : { ...slice, first: 0n },
      clock: null,
    };
    const framed = builder.seal(header, 1);
    const block = decodeBlock(framed, 1n, () => TABLE);
    this.blocks.push({ bytes: framed.length, sliced: slice !== null });
    if (slice !== null) expect(slice.index).toBe(this.#open.slice);
    const events = block.events();
    for (let kind = events.next(); kind !== undefined; kind = events.next()) {
      if (kind === 'insert') this.#open.rows += 1;
      if (kind === 'commit') {
        expect(events.eventCount).toBe(this.#open.rows);
        this.transactions.push({ at: events.position.key, rows: this.#open.rows });
        this.#open = { rows: 0, slice: -1 };
      }
    }
    this.#open.slice = slice === null || slice.last ? 0 : this.#open.slice + 1;
    if (upTo !== null) this.#position = upTo;
  }
}

interface Seen {
  readonly inForce: Position[];
  readonly failures: unknown[];
  /** By position in force at the time. */
  readonly cancelled: (Position | undefined)[];
}

function nothingSeen(): Seen {
  return { inForce: [], failures: [], cancelled: [] };
}

function writerOn(journal: Journal, seen: Seen): JournalEventWriter {
  return new JournalEventWriter(
    {
      sender: journal,
      register: () => Promise.resolve(TABLE),
      requestLoad: () => Promise.resolve(),
      cancellationOf: () => () => {
        seen.cancelled.push(seen.inForce.at(-1));
        return Promise.resolve();
      },
      onInForce: (position) => seen.inForce.push(position),
      onFailure: (error) => seen.failures.push(error),
    },
    null,
  );
}

async function transaction(writer: JournalEventWriter, n: number, rows: number, rowBytes: number): Promise<void> {
  const value = Buffer.alloc(rowBytes, 'x');
  writer.begin(String(n));
  for (let row = 0; row < rows; row++) {
    const image = writer.insert(TABLE);
    image.string(value, 0, value.length);
    image.end();
    await writer.ready();
  }
  writer.commit(at(n), 0n);
}

test('whatever the sizes, the journal gets every transaction once, whole and in order, blocks bounded', async () => {
  const sizes = fc.array(
    fc.record({ rows: fc.integer({ min: 0, max: 40 }), rowBytes: fc.constantFrom(1, 300, 40_000, 200_000), flush: fc.boolean() }),
    { minLength: 1, maxLength: 25 },
  );
  await fc.assert(
    fc.asyncProperty(sizes, async (transactions) => {
      const journal = new Journal();
      const seen = nothingSeen();
      const writer = writerOn(journal, seen);
      for (const [index, { rows, rowBytes, flush }] of transactions.entries()) {
        await transaction(writer, index + 1, rows, rowBytes);
        if (flush) writer.flush();
      }
      await writer.close();
      expect(seen.failures).toEqual([]);
      expect(journal.transactions).toEqual(transactions.map(({ rows }, index) => ({ at: at(index + 1).key, rows })));
      expect(Math.max(...journal.blocks.map(({ bytes }) => bytes))).toBeLessThan(1_700_000);
      expect(seen.inForce.at(-1)).toEqual(at(transactions.length));
    }),
    { numRuns: 20 },
  );
});

test('with nothing in flight a transaction goes the moment the source is idle', async () => {
  const journal = new Journal();
  const writer = writerOn(journal, nothingSeen());
  await transaction(writer, 1, 1, 1);
  expect(journal.sends).toBe(0);
  writer.flush();
  await writer.close();
  expect(journal.transactions).toHaveLength(1);
});

test('what gathers while a send is in flight goes with the next one, not alone', async () => {
  const journal = new Journal();
  let release: () => void = () => undefined;
  journal.hold = new Promise((resolve) => {
    release = resolve;
  });
  const writer = writerOn(journal, nothingSeen());
  await transaction(writer, 1, 1, 1);
  writer.flush();
  for (let n = 2; n <= 50; n++) {
    await transaction(writer, n, 1, 1);
    writer.flush();
  }
  journal.hold = undefined;
  release();
  await writer.close();
  expect(journal.transactions).toHaveLength(50);
  expect(journal.blocks).toHaveLength(2);
});

test('#2 what belongs to an open transaction is neither sent at close nor in force', async () => {
  const journal = new Journal();
  const seen = nothingSeen();
  const writer = writerOn(journal, seen);
  await transaction(writer, 1, 1, 1);
  writer.flush();
  writer.begin('2');
  await writer.close();
  expect(journal.transactions).toHaveLength(1);
  expect(seen.inForce).toEqual([at(1)]);
});

test('a failed send ends the incarnation: nothing is in force, and a source that waits is let go', async () => {
  const journal = new Journal();
  journal.fail = new MillraceError('INTERNAL', { what: 'no broker' });
  const seen = nothingSeen();
  const writer = writerOn(journal, seen);
  await transaction(writer, 1, 1, 1);
  writer.flush();
  await writer.close();
  expect(seen).toEqual({ inForce: [], failures: [journal.fail], cancelled: [] });
  expect(writer.ready()).toBeUndefined();
});

test('the load of a table that ends is cancelled once the Schema event that says so is in force, and never without it', async () => {
  const journal = new Journal();
  const seen = nothingSeen();
  const writer = writerOn(journal, seen);
  await transaction(writer, 1, 1, 1);
  await writer.schema(SCHEMA, { kind: 'version' });
  await writer.schema(SCHEMA, { kind: 'dropped' });
  writer.progress(at(2));
  expect(seen.cancelled).toEqual([]);
  writer.flush();
  await writer.schema(SCHEMA, { kind: 'error', code: 'X', message: 'x' });
  await transaction(writer, 3, 1, 1);
  await writer.close();
  expect(seen.cancelled).toEqual([at(2), at(3)]);

  journal.fail = new MillraceError('INTERNAL', { what: 'no broker' });
  const failing = nothingSeen();
  const second = writerOn(journal, failing);
  await second.schema(SCHEMA, { kind: 'dropped' });
  second.progress(at(4));
  await second.close();
  expect(failing).toMatchObject({ failures: [journal.fail], cancelled: [] });
});

test('nor is it by the transactions before that one, where it is too large for their block', async () => {
  const journal = new Journal();
  const seen = nothingSeen();
  const writer = writerOn(journal, seen);
  await transaction(writer, 1, 1, 1);
  writer.begin('2');
  await writer.schema(SCHEMA, { kind: 'dropped' });
  const value = Buffer.alloc(200_000, 'x');
  for (let row = 0; row < 20; row++) {
    const image = writer.insert(TABLE);
    image.string(value, 0, value.length);
    image.end();
    await writer.ready();
  }
  writer.commit(at(2), 0n);
  await writer.close();
  expect(journal.blocks.some(({ sliced }) => sliced)).toBe(true);
  expect(seen.inForce).toContainEqual(at(1));
  expect(seen.cancelled).toEqual([at(2)]);
});

test('progress moves the position without a transaction', async () => {
  const journal = new Journal();
  const seen = nothingSeen();
  const writer = writerOn(journal, seen);
  writer.progress(at(5));
  writer.flush();
  await transaction(writer, 6, 1, 1);
  await writer.close();
  expect(seen.inForce.at(-1)).toEqual(at(6));
});
