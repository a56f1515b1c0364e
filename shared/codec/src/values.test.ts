import type { Value } from '@millrace/contract/row.js';
import type { LogicalType } from '@millrace/contract/table.js';
import { describe, expect, test } from 'vitest';
import { COLUMN, ImageReader } from './image-reader.js';
import { decodeRow, encodeRow } from './row-reader.js';
import { newTableVersion } from './row-schema.js';
import { plainTable } from './testing/plain-tables.js';

function throughImage(type: LogicalType, value: Value): Value | undefined {
  const version = newTableVersion(plainTable('t', { v: type }), 1);
  const image = encodeRow(version, [value]);
  return decodeRow(version, image, 0, image.length)[0];
}

const LONG: LogicalType = { kind: 'integer', bits: 64 };

describe('values', () => {
  test.each([2n ** 53n + 1n, -(2n ** 53n) - 1n, 9223372036854775807n, -9223372036854775808n, 9007199254740993n])(
    '#37 bigint %s keeps every digit',
    (value) => {
      expect(throughImage(LONG, value)).toBe(value);
    },
  );

  test('#37 numbers inside JSON stay the text they were', () => {
    const json = '{"id": 9223372036854775807, "id": 1.10, "big": 123456789012345678901234567890}';
    expect(throughImage({ kind: 'json' }, json)).toBe(json);
  });

  test('#38 #39 NaN, infinities and years beyond any date type are texts of their own', () => {
    for (const text of ['NaN', 'Infinity', '-Infinity'])
      expect(throughImage({ kind: 'decimal', precision: null, scale: null }, text)).toBe(text);
    for (const text of [
      'infinity',
      '-infinity',
      '294276-12-31 23:59:59.999999',
      '4713-01-01 00:00:00 BC',
      '0001-01-01 00:00:00',
    ]) {
      expect(throughImage({ kind: 'timestamp', precision: 6, withZone: false }, text)).toBe(text);
    }
  });

  test.each([
    0.1,
    1 / 3,
    5e-324,
    1.7976931348623157e308,
    -0,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    100000000000000000000,
  ])('#40 float8 %d keeps every bit', (value) => {
    expect(throughImage({ kind: 'float', bits: 64 }, value)).toBe(value);
  });

  test.each(['0.1', '3.4028235e+38', '1e-45', '1.1754944e-38', '16777217', '-0', '0.3333333433'])(
    '#40 float4 %s is the nearest float4',
    (text) => {
      expect(throughImage({ kind: 'float', bits: 32 }, Number(text))).toBe(Math.fround(Number(text)));
    },
  );

  test.each(['', ' ', '\ufeffx', '\u0000', 'ä😀\u{10ffff}', '\r\n', 'x'.repeat(1_000_000)])(
    'a text is not touched (%#)',
    (text) => {
      expect(throughImage({ kind: 'text', maxLength: null, padded: false }, text)).toBe(text);
    },
  );

  test('half a surrogate pair is refused, not replaced', () => {
    expect(() => throughImage({ kind: 'other' }, 'a\ud800')).toThrow(
      expect.objectContaining({ code: 'VALUE_UNENCODABLE', message: expect.stringContaining('"v"') }),
    );
  });

  test('a text that is not UTF-8 is refused, not replaced', () => {
    const version = newTableVersion(plainTable('t', { v: { kind: 'other' } }), 1);
    expect(() => decodeRow(version, Buffer.from([2, 2, 0xff]), 0, 3)).toThrow(
      expect.objectContaining({ code: 'ROW_IMAGE_CORRUPT' }),
    );
  });
});

describe('image reader', () => {
  const version = newTableVersion(plainTable('t', { a: LONG, b: { kind: 'bytes', maxLength: null } }), 1);

  test.each([0n, -1n, 1n, 2n ** 31n, -(2n ** 31n) - 1n, 2n ** 63n - 1n, -(2n ** 63n), 0x0102_0304_0506_0708n])(
    'a long is its two halves (%s)',
    (value) => {
      const image = encodeRow(version, [value, null]);
      const reader = new ImageReader();
      reader.open(version, image, 0, image.length);
      expect(reader.next()).toBe(COLUMN.value);
      reader.long();
      const eight = Buffer.alloc(8);
      eight.writeInt32BE(reader.high, 0);
      eight.writeInt32BE(reader.low, 4);
      expect(eight.readBigInt64BE()).toBe(value);
      expect(reader.next()).toBe(COLUMN.null);
      reader.expectEnd();
    },
  );

  test('an image that ends early or goes on is refused', () => {
    const image = encodeRow(version, [7n, new Uint8Array([1, 2])]);
    for (let end = 0; end < image.length; end++) {
      expect(() => decodeRow(version, image, 0, end)).toThrow(
        expect.objectContaining({ code: 'ROW_IMAGE_CORRUPT', message: expect.stringContaining('public.t') }),
      );
    }
    const longer = Buffer.concat([image, Buffer.from([0])]);
    expect(() => decodeRow(version, longer, 0, longer.length)).toThrow(expect.objectContaining({ code: 'ROW_IMAGE_CORRUPT' }));
  });
});
