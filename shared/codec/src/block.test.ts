import { fc, test } from '@fast-check/vitest';
import type { Position } from '@millrace/contract/position.js';
import type { TableVersion } from '@millrace/contract/table.js';
import { describe, expect } from 'vitest';
import { BlockBuilder } from './block-builder.js';
import type { BlockHeader } from './block-header.js';
import { decodeBlock, type JournalBlock } from './block-reader.js';
import { BLOCK_SCHEMA_JSON } from './block-schema.js';
import { FRAME_BYTES, registryIdOf, sealChecksum } from './framing.js';
import { newTableVersion } from './row-schema.js';
import { tableVersion } from './testing/arbitrary-tables.js';
import { oracleOf } from './testing/avro-oracle.js';
import {
  avroEventsOf,
  positionAt,
  readEvents,
  type ScriptEvent,
  SOURCE,
  TIMELINE,
  wholeTransactions,
  writeEvents,
} from './testing/event-script.js';
import { plainTable } from './testing/plain-tables.js';

const oracle = oracleOf(BLOCK_SCHEMA_JSON);

const tableList = fc.uniqueArray(tableVersion, { minLength: 1, maxLength: 3, selector: ({ registryId }) => registryId });
const script = tableList.chain((tables) => fc.record({ tables: fc.constant(tables), events: wholeTransactions(tables) }));
const long = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const header: fc.Arbitrary<BlockHeader> = fc.record({
  journal: fc.string({ unit: 'binary', maxLength: 8 }),
  epoch: long,
  seq: long,
  prev: long,
  source: fc.constant(SOURCE),
  timeline: fc.constant(TIMELINE),
  after: fc.option(
    fc.record({ source: fc.constant(SOURCE), timeline: fc.maxSafeInteger(), key: fc.stringMatching(/^([0-9a-f]{2}){0,8}$/) }),
  ),
  slice: fc.constant(null),
  clock: fc.option(long),
});

const plainHeader: BlockHeader = {
  journal: 'j1',
  epoch: 4n,
  seq: 0n,
  prev: 4n,
  source: SOURCE,
  timeline: TIMELINE,
  after: null,
  slice: null,
  clock: null,
};

function resolveIn(tables: readonly TableVersion[]) {
  return (registryId: number, fingerprint: string): TableVersion => {
    const found = tables.find((table) => table.registryId === registryId && table.fingerprint === fingerprint);
    if (found === undefined) throw new Error(`no table ${registryId} ${fingerprint}`);
    return found;
  };
}

function decode(framed: Uint8Array, tables: readonly TableVersion[]): JournalBlock {
  return decodeBlock(framed, 42n, resolveIn(tables));
}

/** Tables in the order in which the events name them first: the order of a block's list. */
function usedTables(events: readonly ScriptEvent[]): number[] {
  const used = events.flatMap((event) => ('table' in event ? [event.table] : event.kind === 'truncate' ? event.tables : []));
  return [...new Set(used)];
}

function lastKey(events: readonly ScriptEvent[]): string | null {
  const last = events.findLast((event) => event.kind === 'commit' || event.kind === 'progress');
  return last !== undefined && 'key' in last ? last.key : null;
}

/** The same block by avsc alone. */
function byOracle(block: {
  readonly of: BlockHeader;
  readonly events: readonly ScriptEvent[];
  readonly tables: readonly TableVersion[];
  readonly registryId: number;
  /** Fields of the header that say something else than the events. */
  readonly lies?: Readonly<Record<string, unknown>>;
}): Uint8Array {
  const { of, events, tables, registryId, lies } = block;
  const used = usedTables(events);
  const upTo = lastKey(events);
  const body = oracle.encode({
    ...of,
    checksum: Buffer.alloc(4),
    timeline: BigInt(of.timeline),
    after:
      of.after === null
        ? null
        : { 'millrace.After': { timeline: BigInt(of.after.timeline), key: Buffer.from(of.after.key, 'hex') } },
    upTo: upTo === null ? null : { bytes: Buffer.from(upTo, 'hex') },
    slice: of.slice === null ? null : { 'millrace.Slice': of.slice },
    clock: of.clock === null ? null : { long: of.clock },
    tables: used.map((index) => tables[index]),
    transactions: events.filter(({ kind }) => kind === 'commit').length,
    rows: events.filter(({ kind }) => kind === 'insert' || kind === 'update' || kind === 'delete').length,
    schemas: events.filter(({ kind }) => kind === 'schema').length,
    events: avroEventsOf(events, tables, (table) => used.indexOf(table)),
    ...lies,
  });
  const frame = Buffer.alloc(FRAME_BYTES);
  frame.writeInt32BE(registryId, 1);
  const framed = Buffer.concat([frame, body]);
  sealChecksum(framed);
  return framed;
}

describe('a block that contradicts itself is refused in spite of its right checksum:', () => {
  const table = newTableVersion(plainTable('t', { id: { kind: 'integer', bits: 32 } }), 1);
  const begin: ScriptEvent = { kind: 'begin', xid: '1' };
  const row: ScriptEvent = { kind: 'insert', table: 0, after: [1] };
  const commit = (events: number): ScriptEvent => ({ kind: 'commit', key: '0a', events, committedAt: 1n });
  const whole = [begin, row, commit(1)];
  const slice = (index: number, last: boolean): BlockHeader => ({ ...plainHeader, slice: { index, first: 1n, last } });

  test.each<[string, BlockHeader, readonly ScriptEvent[], Readonly<Record<string, unknown>>]>([
    ['a row more than its header says', plainHeader, whole, { rows: 0 }],
    ['a Commit fewer', plainHeader, whole, { transactions: 2 }],
    ['a Schema event fewer', plainHeader, whole, { schemas: 1 }],
    ['a last position that is another', plainHeader, whole, { upTo: { bytes: Buffer.from([0x0b]) } }],
    ['a last position that the header does not name', plainHeader, whole, { upTo: null }],
    ['a Commit that misses an event', plainHeader, [begin, row, commit(2)], {}],
    ['a transaction without its Commit', plainHeader, [begin, row], {}],
    ['a row outside of a transaction', plainHeader, [row, commit(1)], {}],
    ['a table that the header does not name', plainHeader, whole, { tables: [] }],
    ['a count below zero', plainHeader, whole, { rows: -1 }],
    ['a slice that ends with its transaction, yet is not the last', slice(0, false), whole, {}],
    ['a last slice that leaves its transaction open', slice(1, true), [row], {}],
    ['a further slice that begins a transaction', slice(1, false), [begin, row], {}],
  ])('%s', (_what, header, events, lies) => {
    const framed = byOracle({ of: header, events, tables: [table], registryId: 1, lies });
    expect(() => readEvents(decode(framed, [table]), [table])).toThrow(expect.objectContaining({ code: 'JOURNAL_CORRUPT' }));
  });

  test('bytes behind its events', () => {
    const framed = Buffer.concat([
      byOracle({ of: plainHeader, events: whole, tables: [table], registryId: 1 }),
      Buffer.from([0]),
    ]);
    sealChecksum(framed);
    expect(() => readEvents(decode(framed, [table]), [table])).toThrow(expect.objectContaining({ code: 'JOURNAL_CORRUPT' }));
  });
});

describe('block', () => {
  test.prop([script, header, fc.integer({ min: 0, max: 2 ** 31 - 1 })])(
    "the lean writer's bytes are those of avsc, checksum apart computed over them",
    ({ tables, events }, of, registryId) => {
      const builder = new BlockBuilder();
      writeEvents(builder, tables, events);
      const framed = builder.seal(of, registryId);
      expect(Buffer.from(framed).equals(byOracle({ of, events, tables, registryId }))).toBe(true);
      expect(registryIdOf(framed, 'here')).toBe(registryId);
    },
  );

  test.prop([script, header])('the lean reader finds the header and events that avsc wrote', ({ tables, events }, of) => {
    const block = decode(byOracle({ of, events, tables, registryId: 1 }), tables);
    expect(block).toMatchObject({
      ...of,
      offset: 42n,
      upTo: lastKey(events) === null ? null : positionAt(lastKey(events) ?? ''),
    });
    expect(readEvents(block, tables)).toEqual(events);
  });

  test.prop([fc.array(script, { minLength: 2, maxLength: 4 })])(
    'a builder that was sealed begins the next block afresh',
    (scripts) => {
      const builder = new BlockBuilder();
      for (const { tables, events } of scripts) {
        writeEvents(builder, tables, events);
        expect(readEvents(decode(builder.seal(plainHeader, 1), tables), tables)).toEqual(events);
        expect(builder.isEmpty).toBe(true);
      }
    },
  );

  test('a block longer than one growth of the buffer keeps every row, whatever their sizes', () => {
    const table = newTableVersion(plainTable('t', { id: { kind: 'integer', bits: 32 }, text: { kind: 'other' } }), 1);
    const sizes = [0, 1, 57, 58, 59, 60, 8180, 8190, 8191, 8192, 65_000, 3, 1_048_560, 1_048_576, 2, 70_000, 10];
    const rows = sizes.map((size, index): ScriptEvent => ({ kind: 'insert', table: 0, after: [index, 'x'.repeat(size)] }));
    const events: ScriptEvent[] = [
      { kind: 'begin', xid: '1' },
      ...rows,
      { kind: 'commit', key: '00', events: rows.length, committedAt: 0n },
    ];
    const builder = new BlockBuilder();
    writeEvents(builder, [table], events);
    expect(readEvents(decode(builder.seal(plainHeader, 1), [table]), [table])).toEqual(events);
  });

  test('arrays in several Avro blocks, with and without sizes, read the same', () => {
    const builder = new BlockBuilder();
    builder.progress(positionAt('0a'));
    const one = builder.seal(plainHeader, 1);
    // count 1, Progress, key, 0  →  count -1 with size, the same event, 0
    const event = Buffer.from([14, 2, 0x0a]);
    const canonical = Buffer.concat([Buffer.from([2]), event, Buffer.from([0])]);
    expect(Buffer.from(one).subarray(-canonical.length).equals(canonical)).toBe(true);
    const sized = Buffer.concat([
      one.subarray(0, -canonical.length),
      Buffer.from([1, event.length * 2]),
      event,
      Buffer.from([0]),
    ]);
    sealChecksum(sized);
    expect(readEvents(decode(sized, []), [])).toEqual([{ kind: 'progress', key: '0a' }]);
  });
});

describe('cursor', () => {
  const table = newTableVersion(plainTable('t', { id: { kind: 'integer', bits: 32 } }), 1);
  function cursorAt(kind: string) {
    const builder = new BlockBuilder();
    writeEvents(
      builder,
      [table],
      [
        { kind: 'schema', table: 0, change: { kind: 'version' } },
        { kind: 'begin', xid: '7' },
        { kind: 'delete', table: 0, before: [1] },
        { kind: 'commit', key: '01', events: 1, committedAt: 5n },
      ],
    );
    const cursor = decode(builder.seal(plainHeader, 1), [table]).events();
    for (let next = cursor.next(); next !== kind; next = cursor.next()) if (next === undefined) throw new Error(`no ${kind}`);
    return cursor;
  }

  test('reading a field that the event does not have is refused', () => {
    expect(() => cursorAt('begin').table).toThrow(/begin/);
    expect(() => cursorAt('delete').afterStart).toThrow(/delete/);
    expect(() => cursorAt('commit').transactionId).toThrow(/commit/);
    expect(() => cursorAt('schema').position).toThrow(/schema/);
  });

  test('after its end it stays there, and a second cursor begins anew', () => {
    const cursor = cursorAt('commit');
    expect([cursor.next(), cursor.next()]).toEqual([undefined, undefined]);
    expect(cursorAt('begin').transactionId).toBe('7');
  });
});

describe('order of events', () => {
  const table = newTableVersion(plainTable('t', { id: { kind: 'integer', bits: 32 } }), 1);
  const at: Position = positionAt('01');

  test.each<[string, (builder: BlockBuilder) => void]>([
    [
      'a Begin inside a transaction',
      (b) => {
        b.begin('1');
        b.begin('2');
      },
    ],
    [
      'a Progress inside a transaction',
      (b) => {
        b.begin('1');
        b.progress(at);
      },
    ],
    [
      'a row after a Commit',
      (b) => {
        b.begin('1');
        b.commit(at, 0, 0n);
        b.insert(table);
      },
    ],
    [
      'a Commit that miscounts its events',
      (b) => {
        b.begin('1');
        b.commit(at, 1, 0n);
      },
    ],
    [
      'an event inside a row',
      (b) => {
        b.begin('1');
        b.insert(table);
        b.commit(at, 1, 0n);
      },
    ],
    [
      'an image with a column missing',
      (b) => {
        b.begin('1');
        b.insert(table).end();
      },
    ],
    [
      'an image that ends twice',
      (b) => {
        b.begin('1');
        const row = b.insert(table);
        row.null();
        row.end();
        row.end();
      },
    ],
    [
      'a block without events',
      (b) => {
        b.seal(plainHeader, 1);
      },
    ],
    [
      'a block that ends inside a transaction and is no slice',
      (b) => {
        b.begin('1');
        b.seal(plainHeader, 1);
      },
    ],
    [
      'a block that begins inside a transaction and is no slice',
      (b) => {
        b.commit(at, 1, 0n);
        b.seal(plainHeader, 1);
      },
    ],
  ])('%s is refused', (_what, write) => {
    expect(() => write(new BlockBuilder())).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
  });

  test.each<[string, (builder: BlockBuilder) => void]>([
    [
      'a column too many',
      (b) => {
        const row = b.insert(table);
        row.null();
        row.null();
      },
    ],
    ['a text for an int', (b) => b.insert(table).string(Buffer.from('1'), 0, 1)],
    ['a fraction for an int', (b) => b.insert(table).integer(1.5)],
    ['a number beyond 32 bits for an int', (b) => b.insert(table).integer(2 ** 31)],
    ['a bigint for an int', (b) => b.insert(table).bigint(1n)],
  ])('%s is refused with table and column', (_what, write) => {
    const builder = new BlockBuilder();
    builder.begin('1');
    expect(() => write(builder)).toThrow(
      expect.objectContaining({ code: 'VALUE_UNENCODABLE', message: expect.stringContaining('public.t') }),
    );
    expect(() => builder.commit(at, 1, 0n)).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
  });

  test('positions of two timelines do not share a block', () => {
    const builder = new BlockBuilder();
    builder.progress(at);
    expect(() => builder.progress({ ...at, timeline: TIMELINE + 1 })).toThrow(
      expect.objectContaining({ code: 'POSITION_INCOMPARABLE' }),
    );
    const elsewhere = { position: { ...at, source: 'another' }, atMicros: 1n };
    expect(() => builder.begin('1', elsewhere)).toThrow(expect.objectContaining({ code: 'POSITION_INCOMPARABLE' }));
    expect(() => builder.seal({ ...plainHeader, timeline: 1 }, 1)).toThrow(
      expect.objectContaining({ code: 'POSITION_INCOMPARABLE' }),
    );
  });

  test('a builder knows the latest commit time that its Begins say, also of a transaction that is split off', () => {
    const builder = new BlockBuilder();
    const transaction = (atMicros: bigint) => {
      builder.begin('1', { position: at, atMicros });
      builder.commit(at, 0, atMicros);
    };
    expect(builder.latestCommitMicros).toBeNull();
    transaction(-5n);
    transaction(9n);
    transaction(7n);
    builder.begin('2', { position: at, atMicros: 11n });
    expect(builder.latestCommitMicros).toBe(11n);
    const rest = builder.splitAtLastBegin(new BlockBuilder());
    expect([builder.latestCommitMicros, rest.latestCommitMicros]).toEqual([9n, 11n]);
    expect(readEvents(decode(builder.seal(plainHeader, 1), []), [])).toHaveLength(6);
    expect(builder.latestCommitMicros).toBeNull();
  });
});

describe('slices', () => {
  const table = newTableVersion(plainTable('t', { id: { kind: 'integer', bits: 32 } }), 1);
  const other = newTableVersion(plainTable('u', { id: { kind: 'integer', bits: 64 } }), 2);
  const tables = [table, other];
  const row = (id: number): ScriptEvent => ({ kind: 'insert', table: 0, after: [id] });
  const slice = (index: number, last: boolean): BlockHeader => ({
    ...plainHeader,
    slice: { index, first: index === 0 ? -1n : 9n, last },
  });

  test('a transaction in slices reads as its events in order', () => {
    const parts: ScriptEvent[][] = [
      [{ kind: 'begin', xid: '5' }, row(1), row(2)],
      [row(3), { kind: 'schema', table: 0, change: { kind: 'version' } }, row(4)],
      [row(5), { kind: 'commit', key: 'ff', events: 5, committedAt: 1n }],
    ];
    const read = parts.map((events, index) => {
      const builder = new BlockBuilder();
      writeEvents(builder, tables, events);
      return readEvents(decode(builder.seal(slice(index, index === 2), 1), tables), tables);
    });
    expect(read).toEqual(parts);
  });

  test('what lies before the open transaction is split off from it, tables and counts included', () => {
    const whole: ScriptEvent[] = [{ kind: 'begin', xid: '1' }, row(1), { kind: 'commit', key: '01', events: 1, committedAt: 1n }];
    const open: ScriptEvent[] = [{ kind: 'begin', xid: '2' }, { kind: 'insert', table: 1, after: [7n] }, row(2)];
    const builder = new BlockBuilder();
    writeEvents(builder, tables, [...whole, ...open]);
    expect(builder.holdsWhole).toBe(true);
    const rest = builder.splitAtLastBegin(new BlockBuilder());
    expect(rest.holdsWhole).toBe(false);
    expect([builder.rowCount, rest.rowCount]).toEqual([1, 2]);

    const first = decode(builder.seal(plainHeader, 1), tables);
    expect(readEvents(first, tables)).toEqual(whole);
    expect(first.tables).toEqual([table]);

    const more: ScriptEvent[] = [
      { kind: 'delete', table: 1, before: [7n] },
      { kind: 'commit', key: '02', events: 3, committedAt: 2n },
    ];
    writeEvents(rest, tables, more);
    expect(readEvents(decode(rest.seal(plainHeader, 1), tables), tables)).toEqual([...open, ...more]);
  });

  test.each<[string, readonly ScriptEvent[], BlockHeader]>([
    [
      'a first slice that begins with Progress',
      [{ kind: 'progress', key: '01' }, { kind: 'begin', xid: '1' }, row(1)],
      slice(0, false),
    ],
    ['a further slice that begins with Begin', [{ kind: 'begin', xid: '1' }, row(1)], slice(1, false)],
    ['a last slice without Commit', [row(1)], slice(1, true)],
    ['a middle slice with Commit', [row(1), { kind: 'commit', key: '01', events: 1, committedAt: 1n }], slice(1, false)],
  ])('%s is refused', (_what, events, of) => {
    const builder = new BlockBuilder();
    writeEvents(builder, tables, events);
    expect(() => builder.seal(of, 1)).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
  });
});
