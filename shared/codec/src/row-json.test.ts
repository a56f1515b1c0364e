import { UNCHANGED } from '@millrace/contract/row.js';
import { expect, test } from 'vitest';
import { rowJson } from './row-json.js';
import { newTableVersion } from './row-schema.js';
import { plainTable } from './testing/plain-tables.js';

const version = newTableVersion(
  plainTable('t', {
    id: { kind: 'integer', bits: 64 },
    'the "name"': { kind: 'other' },
    ratio: { kind: 'float', bits: 64 },
    blob: { kind: 'bytes', maxLength: null },
    active: { kind: 'boolean' },
    toast: { kind: 'other' },
  }),
  1,
);

test('#37 #40 a row is printed with exact values, and without the columns that the log did not carry', () => {
  expect(rowJson(version, [9007199254740993n, 'a"b\n', 0.1, new Uint8Array([0, 255]), true, UNCHANGED])).toBe(
    '{"id":9007199254740993,"the \\"name\\"":"a\\"b\\n","ratio":0.1,"blob":"0x00ff","active":true}',
  );
  expect(rowJson(version, [null, null, Number.NaN, null, null, null])).toBe(
    '{"id":null,"the \\"name\\"":null,"ratio":"NaN","blob":null,"active":null,"toast":null}',
  );
  expect(rowJson(version, [0n, '', -0, null, false, ''])).toContain('"ratio":-0,');
});
