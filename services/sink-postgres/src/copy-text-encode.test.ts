import { Buffer } from 'node:buffer';
import { ChunkRowsBuilder } from '@millrace/codec/chunk-rows.js';
import { rowJson } from '@millrace/codec/row-json.js';
import { writeRow } from '@millrace/codec/row-reader.js';
import type { Row } from '@millrace/contract/row.js';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CopyTextEncoder } from './copy-text-encode.js';
import { copyTextRowJson, lineStarts } from './copy-text-row.js';
import { column, table, versionOf } from './testing/table-schemas.js';

const version = versionOf(
  table('t', [
    column('flag', 'boolean'),
    column('small', 'integer'),
    column('computed', 'integer', { generated: '(small + 1)' }),
    column('large', 'bigint'),
    column('real', 'real'),
    column('double', 'double precision'),
    column('text', 'text'),
    column('bytes', 'bytea'),
  ]),
);
const written = version.schema.columns.filter(({ generated }) => generated === null);

function maybe<T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | null> {
  return fc.option(value, { nil: null });
}

/** Mostly what COPY's text format escapes. */
const text = fc.string({
  unit: fc.oneof(
    fc.constantFrom('\\', '\t', '\n', '\r', 'N', '.', '\b', '\v', '"', '\0'),
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 }),
  ),
});

const row = fc.tuple(
  maybe(fc.boolean()),
  maybe(fc.integer()),
  fc.constant(null),
  maybe(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
  maybe(fc.float()),
  maybe(fc.double()),
  maybe(text),
  maybe(fc.uint8Array()),
);

function encode(rows: readonly Row[]): Buffer {
  const builder = new ChunkRowsBuilder(version);
  for (const each of rows) writeRow(version, each, builder.row());
  return new CopyTextEncoder(version).encode(builder.take());
}

test('every row becomes one line that holds its values', () => {
  fc.assert(
    fc.property(fc.array(row, { maxLength: 20 }), (rows) => {
      const encoded = encode(rows);
      const starts = lineStarts(encoded);
      expect(starts.length).toBe(rows.length + 1);
      rows.forEach((each, index) => {
        const line = encoded.subarray(starts[index], starts[index + 1]);
        const { computed: _computed, ...expected } = JSON.parse(rowJson(version, each));
        expect(JSON.parse(copyTextRowJson(line, written))).toEqual(expected);
        expect(copyTextRowJson(line, written)).toBe(rowJson(version, each).replace('"computed":null,', ''));
      });
    }),
  );
});

test('what COPY gives a meaning is escaped, and a null is no text', () => {
  const line = (value: string | null): string =>
    encode([[null, null, null, null, null, null, value, Buffer.from([0, 92])]]).toString('latin1');
  expect(line('\\.\t\n\r')).toBe('\\N\t\\N\t\\N\t\\N\t\\N\t\\\\.\\t\\n\\r\t\\\\x005c\n');
  expect(line(null)).toBe('\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\\\x005c\n');
  expect(line('\\N')).toBe('\\N\t\\N\t\\N\t\\N\t\\N\t\\\\N\t\\\\x005c\n');
});

test('a negative zero keeps its sign', () => {
  expect(encode([[null, null, null, null, -0, -0, null, null]]).toString('latin1')).toBe('\\N\t\\N\t\\N\t-0\t-0\t\\N\t\\N\n');
});
