import { fc, test as property } from '@fast-check/vitest';
import { describe, expect, test } from 'vitest';
import { literalName, type NamePattern, parseNamePattern } from './name-pattern.js';

function pattern(text: string): NamePattern {
  const parsed = parseNamePattern(text);
  if ('problem' in parsed) throw new Error(parsed.problem);
  return parsed;
}

describe('a name pattern', () => {
  test.each([
    ['%', '', true],
    ['%', 'anything', true],
    ['a%', 'abc', true],
    ['a%', 'Abc', false],
    ['%c', 'abc', true],
    ['a%c', 'ac', true],
    ['a%b%c', 'a-b-b-c', true],
    ['a%b%c', 'a-c-b', false],
    ['_', 'ä', true],
    ['_', '😀', true],
    ['_', '', false],
    ['a_c', 'abc', true],
    ['a[_]c', 'abc', false],
    ['a[_]c', 'a_c', true],
    ['a\\_c', 'a_c', true],
    ['a\\_c', 'abc', false],
    ['100\\%', '100%', true],
    ['100[%]', '100%', true],
    ['[ab]x', 'bx', true],
    ['[ab]x', 'cx', false],
    ['[a-d]x', 'cx', true],
    ['[a-d]x', 'ex', false],
    ['[a-d-]x', '-x', true],
    ['[\\]]x', ']x', true],
    ['t]', 't]', true],
  ])('%s over %s: %s', (text, name, expected) => {
    expect(pattern(text).matches(name)).toBe(expected);
  });

  test.each([
    ['a[bc', 'has a [ without its ]'],
    ['a[]', 'has an empty set []'],
    ['a[d-a]', 'runs backwards'],
    ['a\\', 'ends in a backslash'],
  ])('%s is refused: %s', (text, problem) => {
    expect(parseNamePattern(text)).toMatchObject({ problem: expect.stringContaining(problem) });
  });

  test('a name with underscores names its table, and still matches as a wildcard', () => {
    expect(pattern('order_items').names('order_items')).toBe(true);
    expect(pattern('order_items').names('orderXitems')).toBe(false);
    expect(pattern('order_items').matches('orderXitems')).toBe(true);
    expect(pattern('order%').names('order%')).toBe(false);
  });

  test('a literal name takes no character for a wildcard', () => {
    expect(literalName('a%').matches('abc')).toBe(false);
    expect(literalName('a%').names('a%')).toBe(true);
  });

  const piece = fc.constantFrom('%', '_', 'a', 'b', 'c', '[ab]', '[b-c]', '\\%');
  const name = fc.string({ unit: fc.constantFrom('a', 'b', 'c', '%'), maxLength: 12 });
  property.prop([fc.array(piece, { maxLength: 8 }), name])('matches what a naive recursive matcher matches', (pieces, text) => {
    expect(pattern(pieces.join('')).matches(text)).toBe(naive(pieces, text));
  });

  test('many wildcards over a long name stay cheap', () => {
    expect(pattern('%a'.repeat(60)).matches('a'.repeat(2000).concat('b'))).toBe(false);
  });
});

function naive(pieces: readonly string[], text: string): boolean {
  const [piece, ...rest] = pieces;
  if (piece === undefined) return text === '';
  if (piece === '%') return naive(rest, text) || (text !== '' && naive(pieces, text.slice(1)));
  const first = text[0];
  if (first === undefined) return false;
  const sets: Record<string, string> = { _: 'abc%', '[ab]': 'ab', '[b-c]': 'bc', '\\%': '%' };
  return (sets[piece] ?? piece).includes(first) && naive(rest, text.slice(1));
}
