import { describe, expect, test } from 'vitest';
import { formOf, hasValue, hexLiteral, isAmong, NotMysqlValue, plainText, textLiteral } from './literals.js';

describe('literals mean exactly their value', () => {
  test.each([
    ["it's", 'text', "'it''s'"],
    ['a\\b\0c', 'text', "'a\\\\b\\0c'"],
    ['12.50', 'number', '12.50'],
    ['-18446744073709551615', 'number', '-18446744073709551615'],
    ['NaN', 'number', "'NaN'"],
    ['1; DROP TABLE t --', 'number', "'1; DROP TABLE t --'"],
    ['0110', 'bits', "b'0110'"],
    ['2024-01-01 00:00:00.5+00', 'datetime', "'2024-01-01 00:00:00.5'"],
    ['2024-01-01', 'datetime', "'2024-01-01'"],
    ['-838:59:59', 'time', "'-838:59:59'"],
  ] as const)('%s as %s', (text, form, literal) => {
    expect(textLiteral(text, form)).toBe(literal);
  });

  test.each([
    ['012', 'bits'],
    ["1'", 'bits'],
    ['2024-01-01 00:00:00+02', 'datetime'],
    ['10:00:00-05:30', 'time'],
  ] as const)('%s as %s is refused', (text, form) => {
    expect(() => plainText(text, form)).toThrow(NotMysqlValue);
  });

  test('bytes go as hexadecimal', () => {
    expect(hexLiteral(new Uint8Array([0, 39, 255]))).toBe("x'0027ff'");
    expect(hexLiteral(new Uint8Array(0))).toBe("x''");
  });
});

test('the form follows from the type of the target', () => {
  const types = [
    'bigint',
    'year',
    'bit',
    'json',
    'set',
    'timestamp',
    'time',
    'point',
    'varbinary',
    'mediumblob',
    'char',
    'longtext',
    'uuid',
    'date',
  ];
  expect(types.map((type) => formOf({ type }))).toEqual([
    'number',
    'year',
    'bits',
    'json',
    'labels',
    'datetime',
    'time',
    'geometry',
    'bytes',
    'bytes',
    'text',
    'text',
    'plain',
    'plain',
  ]);
});

test('#49 texts are looked up by the index and told apart by their bytes', () => {
  expect(hasValue('`k`', "'A'", 'text')).toBe("`k` = 'A' AND CAST(CONVERT(`k` USING utf8mb4) AS BINARY) = CAST('A' AS BINARY)");
  expect(isAmong('`k`', ["'A'", "'b'"], 'text')).toBe(
    "`k` IN ('A', 'b') AND CAST(CONVERT(`k` USING utf8mb4) AS BINARY) IN (CAST('A' AS BINARY), CAST('b' AS BINARY))",
  );
  expect(hasValue('`k`', 'NULL', 'text')).toBe('`k` IS NULL');
});
