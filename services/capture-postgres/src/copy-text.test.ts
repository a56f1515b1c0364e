import { Buffer } from 'node:buffer';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CopyTextReader } from './copy-text.js';

/** COPY's text format as CopyAttributeOutText in copyto.c writes it. */
function copyLine(row: readonly (Buffer | null)[]): Buffer {
  const escapes: Readonly<Record<string, string>> = {
    '\b': '\\b',
    '\t': '\\t',
    '\n': '\\n',
    '\v': '\\v',
    '\f': '\\f',
    '\r': '\\r',
    '\\': '\\\\',
  };
  const fields = row.map((value) =>
    value === null ? '\\N' : value.toString('latin1').replace(/[\b\t\n\v\f\r\\]/g, (byte) => escapes[byte] ?? byte),
  );
  return Buffer.from(`${fields.join('\t')}\n`, 'latin1');
}

/** A tuple as pgoutput writes it (proto.c, logicalrep_write_tuple). */
function tupleBytes(row: readonly (Buffer | null)[]): Buffer {
  const count = Buffer.alloc(2);
  count.writeInt16BE(row.length);
  const columns = row.map((value) => {
    if (value === null) return Buffer.from('n');
    const head = Buffer.alloc(5);
    head.write('t');
    head.writeInt32BE(value.length, 1);
    return Buffer.concat([head, value]);
  });
  return Buffer.concat([count, ...columns]);
}

function read(columns: number, text: Buffer): readonly Buffer[] {
  const reader = new CopyTextReader(columns);
  reader.open(text);
  const tuples: Buffer[] = [];
  while (reader.next()) tuples.push(Buffer.from(reader.tuple.subarray(0, reader.tupleEnd)));
  return tuples;
}

const value = fc.oneof(
  fc.constant(null),
  // PostgreSQL's texts hold any byte but zero.
  fc.uint8Array({ min: 1, maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  fc.constantFrom('\\N', 'N', '\\', '\\.', '', '\t', '\n', '\r\n', '\\\\N', '\b\f\v', 'é€𝄞').map((text) => Buffer.from(text)),
);

test('whatever the values, a row of COPY becomes the very tuple that the stream would bring', () => {
  const rows = fc
    .integer({ min: 0, max: 6 })
    .chain((columns) =>
      fc.tuple(fc.constant(columns), fc.array(fc.array(value, { minLength: columns, maxLength: columns }), { maxLength: 10 })),
    );
  fc.assert(
    fc.property(rows, ([columns, table]) => {
      expect(read(columns, Buffer.concat(table.map(copyLine)))).toEqual(table.map(tupleBytes));
    }),
  );
});

test('a large value between small ones is read whole', () => {
  const rows = [[Buffer.from('a')], [Buffer.alloc(3_000_000, 'x\\\n')], [Buffer.from('b')]];
  const tuples = read(1, Buffer.concat(rows.map(copyLine)));
  expect(tuples.map((tuple, index) => tuple.equals(tupleBytes(rows[index] ?? [])))).toEqual([true, true, true]);
});

test.each([
  ['a column too few', 2, 'a\n'],
  ['a column too many', 1, 'a\tb\n'],
  ['columns where there are none', 0, 'a\n'],
  ['no end', 1, 'a'],
  ['an escape that COPY does not write', 1, '\\q\n'],
  ['an escape cut off', 1, '\\\n'],
  ['text behind a null', 1, '\\Nx\n'],
])('%s is refused, not read as another row', (_, columns, text) => {
  expect(() => read(columns, Buffer.from(text))).toThrow(MillraceError);
});
