import { fc, test } from '@fast-check/vitest';
import type { KeyRange } from '@millrace/contract/load.js';
import type { Position } from '@millrace/contract/position.js';
import { describe, expect } from 'vitest';
import { ChunkRowsBuilder, ChunkRowsCursor } from './chunk-rows.js';
import { FRAME_BYTES, sealChecksum } from './framing.js';
import { decodeLoadRecord, encodeLoadRecord, type LoadEvent, type LoadRecord } from './load-record.js';
import { LOAD_SCHEMA_JSON } from './load-schema.js';
import { decodeRow, encodeRow, writeRow } from './row-reader.js';
import { rowOf, tableVersion } from './testing/arbitrary-tables.js';
import { oracleOf } from './testing/avro-oracle.js';

const oracle = oracleOf(LOAD_SCHEMA_JSON);

const text = fc.string({ unit: 'binary', maxLength: 12 });
const int = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const count = fc.maxSafeInteger();
const asOf: fc.Arbitrary<Position> = fc.record({ source: text, timeline: count, key: fc.stringMatching(/^([0-9a-f]{2}){0,8}$/) });
const encoding = fc.constantFrom('rows' as const, 'postgresql-copy-text' as const);
const keys: fc.Arbitrary<KeyRange | null> = fc.option(
  fc.record({
    column: text,
    order: fc.constantFrom('integer' as const, 'bytes' as const),
    from: fc.option(text),
    to: fc.option(text),
  }),
);
const of = { load: text, table: fc.record({ schema: text, table: text }) };

const event: fc.Arbitrary<LoadEvent> = fc.oneof(
  fc.record({ kind: fc.constant('requested' as const), ...of, registryId: int }),
  fc.record({
    kind: fc.constant('began' as const),
    ...of,
    registryId: int,
    attempt: int,
    asOf,
    restart: fc.boolean(),
    encoding,
    estimatedRows: count,
    estimatedBytes: count,
    takenAtMicros: fc.option(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
  }),
  fc.record({
    kind: fc.constant('chunk-began' as const),
    ...of,
    attempt: int,
    chunk: fc.record({ index: int, locator: text, keys }),
    lane: int,
  }),
  fc.record({
    kind: fc.constant('rows' as const),
    ...of,
    attempt: int,
    chunk: int,
    seq: int,
    rows: int,
    bytes: fc.uint8Array({ maxLength: 2000 }),
  }),
  fc.record({
    kind: fc.constant('chunk-ended' as const),
    ...of,
    attempt: int,
    chunk: int,
    parts: int,
    rows: count,
    digest: text,
    asOf,
    keys,
  }),
  fc.record({ kind: fc.constant('ended' as const), ...of, attempt: int, chunks: int }),
  fc.record({ kind: fc.constant('cancelled' as const), ...of, error: fc.option(fc.record({ code: text, message: text })) }),
);
const record: fc.Arbitrary<LoadRecord> = fc
  .tuple(event, fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }))
  .map(([of, epoch]) => ({ ...of, epoch }));

function avroPosition(position: Position): unknown {
  return { source: position.source, timeline: BigInt(position.timeline), key: Buffer.from(position.key, 'hex') };
}

function avroKeys(range: KeyRange | null): unknown {
  const bound = (value: string | null): unknown => (value === null ? null : { string: value });
  return range === null ? null : { 'millrace.KeyRange': { ...range, from: bound(range.from), to: bound(range.to) } };
}

function avroEvent(of: LoadEvent): unknown {
  switch (of.kind) {
    case 'requested':
      return { 'millrace.Requested': of };
    case 'began': {
      const estimates = { estimatedRows: BigInt(of.estimatedRows), estimatedBytes: BigInt(of.estimatedBytes) };
      const takenAt = of.takenAtMicros === null ? null : { long: of.takenAtMicros };
      return { 'millrace.Began': { ...of, ...estimates, takenAt, asOf: avroPosition(of.asOf) } };
    }
    case 'chunk-began':
      return { 'millrace.ChunkBegan': { ...of, ...of.chunk, keys: avroKeys(of.chunk.keys) } };
    case 'rows':
      return { 'millrace.Rows': { ...of, bytes: Buffer.from(of.bytes) } };
    case 'chunk-ended':
      return { 'millrace.ChunkEnded': { ...of, rows: BigInt(of.rows), asOf: avroPosition(of.asOf), keys: avroKeys(of.keys) } };
    case 'ended':
      return { 'millrace.Ended': of };
    case 'cancelled':
      return { 'millrace.Cancelled': { error: of.error === null ? null : { 'millrace.LoadError': of.error } } };
  }
}

describe('load record', () => {
  test.prop([record, fc.integer({ min: 1, max: 2 ** 31 - 1 })])('is byte for byte what avsc writes, and reads back', (of, id) => {
    const framed = encodeLoadRecord(of, id);
    const expected = Buffer.concat([
      framed.subarray(0, FRAME_BYTES),
      oracle.encode({ checksum: Buffer.alloc(4), epoch: of.epoch, load: of.load, table: of.table, event: avroEvent(of) }),
    ]);
    sealChecksum(expected);
    expect(Buffer.from(framed).equals(expected)).toBe(true);
    expect(normal(decodeLoadRecord(framed, { load: id, load1: null, load2: null }, 'here'))).toEqual(of);
  });

  test('one of another schema is refused as foreign', () => {
    const framed = encodeLoadRecord(
      { kind: 'ended', epoch: 1n, load: 'l', table: { schema: 's', table: 't' }, attempt: 1, chunks: 1 },
      5,
    );
    expect(() => decodeLoadRecord(framed, { load: 6, load1: null, load2: null }, 'load partition 1 offset 2')).toThrow(
      expect.objectContaining({ code: 'RECORD_FOREIGN' }),
    );
  });
});

/** Payloads as plain Uint8Arrays, for comparison. */
function normal(of: LoadRecord): LoadRecord {
  return of.kind === 'rows' ? { ...of, bytes: Uint8Array.from(of.bytes) } : of;
}

describe('rows of a chunk', () => {
  const table = tableVersion.chain((version) =>
    fc.record({ version: fc.constant(version), rows: fc.array(rowOf(version.schema), { maxLength: 6 }) }),
  );

  test.prop([table])('are an Avro array of row images', ({ version, rows }) => {
    const builder = new ChunkRowsBuilder(version);
    for (const row of rows) writeRow(version, row, builder.row());
    const part = builder.take();
    expect(part.rows).toBe(rows.length);
    const images = rows.map((row) => Buffer.from(encodeRow(version, row)));
    expect(Buffer.from(part.bytes).equals(oracleOf('{"type":"array","items":"bytes"}').encode(images))).toBe(true);

    const cursor = new ChunkRowsCursor(part, version);
    const read = [];
    while (cursor.next()) read.push(decodeRow(version, part.bytes, cursor.start, cursor.end));
    expect(read).toEqual(rows);
    expect(builder.take().rows).toBe(0);
  });

  test.prop([table])('of another number than the record says are refused', ({ version, rows }) => {
    const builder = new ChunkRowsBuilder(version);
    for (const row of rows) writeRow(version, row, builder.row());
    const part = builder.take();
    const cursor = new ChunkRowsCursor({ bytes: part.bytes, rows: part.rows + 1 }, version);
    expect(() => {
      while (cursor.next());
    }).toThrow(expect.objectContaining({ code: 'JOURNAL_CORRUPT' }));
  });
});
