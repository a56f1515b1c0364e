import { fc, test } from '@fast-check/vitest';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { describe, expect } from 'vitest';
import { BlockBuilder } from './block-builder.js';
import { decodeBlock } from './block-reader.js';
import { MAX_RECORD_BYTES } from './byte-writer.js';
import { FRAME_BYTES, sealChecksum } from './framing.js';
import { decodeRecord } from './journal-record.js';
import { decodeLoadRecord, encodeLoadRecord } from './load-record.js';
import { newTableVersion } from './row-schema.js';
import { encodeTakeover } from './takeover.js';
import { positionAt, readEvents, type ScriptEvent, SOURCE, TIMELINE, writeEvents } from './testing/event-script.js';
import { plainTable } from './testing/plain-tables.js';

const IDS = { takeover: 8, block: 9, block1: null };
const table = newTableVersion(
  plainTable('t', {
    id: { kind: 'integer', bits: 64 },
    text: { kind: 'other' },
    blob: { kind: 'bytes', maxLength: null },
    f: { kind: 'float', bits: 64 },
  }),
  0x0102_0304,
);
const events: readonly ScriptEvent[] = [
  { kind: 'schema', table: 0, change: { kind: 'load', load: 'l1', reason: 'new' } },
  { kind: 'begin', xid: '77' },
  { kind: 'insert', table: 0, after: [2n ** 60n, 'ein Text', new Uint8Array([1, 2, 3]), 0.1] },
  { kind: 'update', table: 0, before: [1n, null, null, null], after: [-1n, 'y'.repeat(100), new Uint8Array(70), Number.NaN] },
  { kind: 'delete', table: 0, before: [5n, null, null, null] },
  { kind: 'truncate', tables: [0], cascade: true, restartIdentity: false },
  { kind: 'commit', key: '00000000000000ff', events: 4, committedAt: 1_700_000_000_000_000n },
  { kind: 'progress', key: '0000000000000100' },
];

function sealed(): Uint8Array {
  const builder = new BlockBuilder();
  writeEvents(builder, [table], events);
  const after = positionAt('0000000000000001');
  return builder.seal(
    { journal: 'j', epoch: 3n, seq: 1n, prev: 4n, source: SOURCE, timeline: TIMELINE, after, slice: null, clock: null },
    IDS.block,
  );
}

function readAll(framed: Uint8Array): ScriptEvent[] {
  return readEvents(
    decodeBlock(framed, 42n, () => table),
    [table],
  );
}

/** What became of the bytes: the events, or the code of the error that refused them. */
function outcome(framed: Uint8Array): ScriptEvent[] | string {
  try {
    return readAll(framed);
  } catch (error) {
    if (error instanceof MillraceError) return error.code;
    throw error;
  }
}

describe('a damaged block', () => {
  test('#44 cut off anywhere is refused, with the offset', () => {
    const framed = sealed();
    for (let length = FRAME_BYTES; length < framed.length; length++) {
      expect(() => readAll(framed.subarray(0, length))).toThrow(
        expect.objectContaining({ code: 'JOURNAL_CORRUPT', message: expect.stringContaining('offset 42') }),
      );
    }
    for (let length = 0; length < FRAME_BYTES; length++) {
      expect(() => decodeRecord(framed.subarray(0, length), 42n, IDS)).toThrow(
        expect.objectContaining({ code: 'RECORD_FOREIGN' }),
      );
    }
  });

  test('any bit that flips is noticed', () => {
    const framed = sealed();
    for (let bit = FRAME_BYTES * 8; bit < framed.length * 8; bit++) {
      const damaged = Uint8Array.from(framed);
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(outcome(damaged)).toBe('JOURNAL_CORRUPT');
    }
  });

  test('bytes appended are noticed', () => {
    expect(outcome(Buffer.concat([sealed(), Buffer.from([0])]))).toBe('JOURNAL_CORRUPT');
  });

  test.prop([fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 })], { numRuns: 2000 })(
    'bytes that are wrong in spite of a right checksum end in an error or in events, never in a hang or a crash',
    (changes) => {
      const damaged = sealed();
      for (const [at, value] of changes) damaged[FRAME_BYTES + 4 + (at % (damaged.length - FRAME_BYTES - 4))] = value;
      sealChecksum(damaged);
      const found = outcome(damaged);
      expect(typeof found === 'string' ? ['JOURNAL_CORRUPT', 'ROW_IMAGE_CORRUPT'] : ['object']).toContain(
        typeof found === 'string' ? found : typeof found,
      );
    },
  );

  test.prop([fc.uint8Array({ maxLength: 200 })], { numRuns: 1000 })(
    'random bytes behind a right checksum are refused',
    (body) => {
      const framed = Buffer.concat([Buffer.from([0, 0, 0, 0, 9, 0, 0, 0, 0]), body]);
      sealChecksum(framed);
      const found = outcome(framed);
      expect(typeof found === 'string' || found.length === 0).toBe(true);
    },
  );

  test('a record larger than the cap is refused before it is looked at', () => {
    const framed = new Uint8Array(MAX_RECORD_BYTES + 1);
    expect(() => decodeBlock(framed, 42n, () => table)).toThrow(expect.objectContaining({ code: 'RECORD_TOO_LARGE' }));
  });

  test('#44 a row larger than the cap is refused by the writer', () => {
    const builder = new BlockBuilder();
    builder.begin('1');
    const row = builder.insert(table);
    row.integer(1);
    row.null();
    const large = new Uint8Array(MAX_RECORD_BYTES);
    expect(() => row.bytes(large, 0, large.length)).toThrow(expect.objectContaining({ code: 'RECORD_TOO_LARGE' }));
  });
});

describe('a record of the journal topic', () => {
  test('is a Takeover or a block by its schema id', () => {
    const takeover = { journal: 'j', epoch: 2n ** 60n, nonce: 'n' };
    expect(decodeRecord(encodeTakeover(takeover, IDS.takeover), 7n, IDS)).toEqual({ kind: 'takeover', offset: 7n, ...takeover });
    expect(decodeRecord(sealed(), 7n, IDS)).toMatchObject({
      kind: 'block',
      offset: 7n,
      epoch: 3n,
      upTo: positionAt('0000000000000100'),
    });
  });

  test.each<[string, Uint8Array]>([
    ['of another schema', Buffer.from([0, 0, 0, 0, 77, 1, 2, 3])],
    ['in no framing', Buffer.from('{"json": true}')],
    ['without bytes', new Uint8Array(0)],
  ])('%s is refused as foreign', (_what, framed) => {
    expect(() => decodeRecord(framed, 7n, IDS)).toThrow(
      expect.objectContaining({ code: 'RECORD_FOREIGN', message: expect.stringContaining('offset 7') }),
    );
  });

  test('a Takeover with a flipped bit is refused', () => {
    const framed = encodeTakeover({ journal: 'j', epoch: 5n, nonce: 'n' }, IDS.takeover);
    framed[framed.length - 1] = (framed[framed.length - 1] ?? 0) ^ 1;
    expect(() => decodeRecord(framed, 7n, IDS)).toThrow(expect.objectContaining({ code: 'JOURNAL_CORRUPT' }));
  });
});

describe('a damaged load record', () => {
  const framed = encodeLoadRecord(
    { kind: 'ended', epoch: 1n, load: '1.1', table: { schema: 's', table: 't' }, attempt: 1, chunks: 4 },
    5,
  );

  test('any bit that flips and any cut is noticed', () => {
    for (let bit = FRAME_BYTES * 8; bit < framed.length * 8; bit++) {
      const damaged = Uint8Array.from(framed);
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(() => decodeLoadRecord(damaged, { load: 5, load1: null, load2: null }, 'load partition 0 offset 3')).toThrow(
        expect.objectContaining({ code: 'JOURNAL_CORRUPT' }),
      );
    }
    for (let length = FRAME_BYTES; length < framed.length; length++) {
      expect(() => decodeLoadRecord(framed.subarray(0, length), { load: 5, load1: null, load2: null }, 'here')).toThrow(
        expect.objectContaining({ code: 'JOURNAL_CORRUPT' }),
      );
    }
  });
});
