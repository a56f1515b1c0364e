import { test as check, fc } from '@fast-check/vitest';
import { expect, test } from 'vitest';
import { bentNumber } from './json-numbers.js';

test.each([
  ['{"a": 1, "b": [1.5, -0.25, 1e100, 1.0, 18446744073709551615, -9223372036854775808]}', null],
  ['{"1.10": "12345678901234567890.123", "quote \\" 1.10": null}', null],
  ['[0.1, 1e20, 1.5e-7, 123456789012.5, -0.0, 0.0]', null],
  ['[1e999]', '1e999'],
  ['[1.10]', '1.10'],
  ['12345678901234567890.1230000000', '12345678901234567890.1230000000'],
  ['{"u": 18446744073709551616}', '18446744073709551616'],
])('%s', (json, expected) => {
  expect(bentNumber(json)).toBe(expected);
});

check.prop([fc.double({ noNaN: true, noDefaultInfinity: true })])('a double is kept as it is printed', (value) => {
  const text = Object.is(value, -0) ? '-0.0' : String(value);
  if (Number.isInteger(value) && !text.includes('e') && Math.abs(value) > Number.MAX_SAFE_INTEGER) return;
  expect(bentNumber(`[${text}]`)).toBeNull();
});
