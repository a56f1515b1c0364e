import { fc, test as property } from '@fast-check/vitest';
import { describe, expect, test } from 'vitest';
import { compileExpression } from './evaluate.js';
import { parseExpression } from './parser.js';
import { EvaluationError } from './scalar-functions.js';
import { ExpressionError, type SqlValue } from './syntax.js';

function evaluate(text: string, columns: Readonly<Record<string, SqlValue>> = {}): SqlValue {
  return compileExpression(parseExpression(text), (name, at) => {
    const value = columns[name];
    if (value === undefined) throw new ExpressionError(at, `no ${name}`);
    return () => value;
  })({ operation: 'update', nowMicros: 1_709_210_096_789_012n });
}

describe('an expression that is none', () => {
  test.each([
    ['', 1, 'expected a value, a $column or a function, found the end'],
    ['1 +', 4, 'found the end'],
    ['(1', 3, 'expected ), found the end'],
    ['1 2', 3, 'expected an operator or the end, found "2"'],
    ['name', 1, '"name" is no value; a column is written $name, a text \'name\''],
    ['uper($a)', 1, 'there is no function uper(); did you mean "upper"'],
    ['substr($a)', 1, 'substr() takes 2 to 3 arguments, not 1'],
    ['max(1)', 1, 'max() takes at least 2 arguments, not 1'],
    ['abs()', 1, 'abs() takes 1 arguments, not 0'],
    ['CASE WHEN 1 THEN ‘SENIOR’ END', 18, 'typographic quote'],
    ["'abc", 1, "a string begins with ' and does not end"],
    ['$', 1, "a $ must be followed by a column's name"],
    ['1 ; 2', 3, '";" means nothing here'],
    ['CASE END', 6, '"END" is no value'],
    ['CASE 1 END', 1, 'CASE has no WHEN'],
    ['CASE WHEN 1 ELSE 2 END', 13, 'expected THEN'],
    ['CASE WHEN 1 THEN 2', 19, 'expected END of CASE'],
    ['CAST(1 AS money)', 11, 'CAST goes to INTEGER, REAL, TEXT, NUMERIC or BLOB'],
    ['1 BETWEEN 2', 12, 'expected AND between the two limits'],
    ['('.repeat(300), 201, 'nested more than 200 deep'],
    ['- '.repeat(300), 401, 'nested more than 200 deep'],
    ['NOT '.repeat(300), 805, 'more than 200 times NOT'],
  ])('%j: character %i, %s', (text, at, problem) => {
    expect(() => parseExpression(text)).toThrow(
      expect.objectContaining({ name: 'ExpressionError', at, problem: expect.stringContaining(problem) }),
    );
  });
});

describe('an expression', () => {
  test('refers to columns case-sensitively, hostile names in quotes', () => {
    expect(evaluate('$a || $A || $"a ""b"".c"', { a: '1', A: '2', 'a "b".c': '3' })).toBe('123');
    expect(() => evaluate('$x', { X: 1n })).toThrow('no x');
  });

  test('keeps decimals exact, and makes a REAL only beside one or by division', () => {
    const amount = { unscaled: 1999n, scale: 2 };
    expect(evaluate('$a + 1', { a: amount })).toEqual({ unscaled: 2099n, scale: 2 });
    expect(evaluate('$a * $a', { a: amount })).toEqual({ unscaled: 3996001n, scale: 4 });
    expect(evaluate("-$a || ''", { a: amount })).toBe('-19.99');
    expect(evaluate('round($a, 1)', { a: amount })).toEqual({ unscaled: 200n, scale: 1 });
    expect(evaluate('$a / 2', { a: amount })).toBe(9.995);
    expect(evaluate('$a = 19.99', { a: amount })).toBe(1n);
    expect(evaluate('$a > 19', { a: amount })).toBe(1n);
    expect(evaluate('CAST($a AS INTEGER)', { a: amount })).toBe(19n);
    expect(evaluate("CAST('12345678901234567890.5' AS NUMERIC)")).toEqual({ unscaled: 123456789012345678905n, scale: 1 });
  });

  test('keeps the digits of a REAL, where SQLite stops at 15', () => {
    expect(evaluate("$r || ''", { r: 0.1 + 0.2 })).toBe('0.30000000000000004');
  });

  test('replaceChars as DMS documents it', () => {
    expect(evaluate('replaceChars("abcde","abcd","123")')).toBe('1231e');
    expect(evaluate("replaceChars('a/b', '/', '')")).toBe('ab');
  });

  test('hash_sha256 is the digest in upper-case hexadecimal', () => {
    expect(evaluate("hash_sha256('abc')")).toBe('BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD');
    expect(evaluate('hash_sha256(NULL)')).toBeNull();
  });

  test("'now' is the change's own time, so that a repeat gives the same", () => {
    expect(evaluate('datetime()')).toBe('2024-02-29 12:34:56');
    expect(evaluate("strftime('%Y %f', 'now')")).toBe('2024 56.789');
    expect(evaluate('current_date')).toBe('2024-02-29');
  });

  test("reads PostgreSQL's short zones", () => {
    expect(evaluate("datetime('2024-02-29 12:00:00+02')")).toBe('2024-02-29 10:00:00');
  });

  test('operation_indicator takes deleted, updated, inserted', () => {
    expect(evaluate("operation_indicator('D','U','I')")).toBe('U');
  });

  test('random is a 64-bit integer, randomblob has its length', () => {
    const value = evaluate('random()');
    expect(typeof value === 'bigint' && BigInt.asIntN(64, value) === value).toBe(true);
    expect(evaluate('length(randomblob(7))')).toBe(7n);
    expect(evaluate('length(randomblob(-7))')).toBe(1n);
  });

  test.each([
    'abs(-9223372036854775808)',
    'zeroblob(999999999)',
    "replace(hex(zeroblob(9999999)), '0', 'xxxxxxxx')",
    "'a' LIKE 'a' ESCAPE 'xx'",
  ])('%s fails as an error, not with a wrong value', (text) => {
    expect(() => evaluate(text)).toThrow(EvaluationError);
  });

  const integer = fc.bigInt({ min: -(2n ** 30n), max: 2n ** 30n });
  property.prop([integer, integer, integer])('integers calculate as integers', (a, b, c) => {
    expect(evaluate('$a + $b * $c - $a', { a, b, c })).toBe(b * c);
    expect(evaluate('$a / $b', { a, b })).toBe(b === 0n ? null : a / b);
  });

  property.prop([fc.string({ unit: 'binary' }), fc.integer({ min: -6, max: 6 })])(
    'substr of a negative start counts from the end',
    (x, y) => {
      const points = [...x];
      if (y < 0 && -y <= points.length) expect(evaluate('substr($x, $y)', { x, y: BigInt(y) })).toBe(points.slice(y).join(''));
    },
  );

  const operand = fc.constantFrom<SqlValue>(null, 0n, 1n);
  property.prop([operand, operand])("logic has three values, and De Morgan's law holds", (a, b) => {
    expect(evaluate('NOT ($a AND $b)', { a, b })).toEqual(evaluate('NOT $a OR NOT $b', { a, b }));
    expect(evaluate('NOT ($a OR $b)', { a, b })).toEqual(evaluate('NOT $a AND NOT $b', { a, b }));
  });
});
