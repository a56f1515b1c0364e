import { fc, test } from '@fast-check/vitest';
import { describe, expect } from 'vitest';
import { comparePositions, positionKeyBytes, positionKeyText, samePosition } from './position.js';

const bytes = fc.uint8Array({ maxLength: 9 });
const at = (key: Uint8Array) => ({ source: 's', timeline: 1, key: positionKeyText(key) });

describe('positions', () => {
  test.prop([bytes, bytes])("compare as their keys' bytes do", (left, right) => {
    expect(Math.sign(comparePositions(at(left), at(right)))).toBe(Buffer.compare(left, right));
    expect(samePosition(at(left), at(right))).toBe(Buffer.compare(left, right) === 0);
  });

  test.prop([bytes])('keep their key as text', (key) => {
    expect(Uint8Array.from(positionKeyBytes(at(key)))).toEqual(key);
  });

  test('of different sources have no order', () => {
    const one = at(new Uint8Array([1]));
    const other = { ...one, source: 'other' };
    expect(() => comparePositions(one, other)).toThrow(expect.objectContaining({ code: 'POSITION_INCOMPARABLE' }));
    expect(samePosition(one, other)).toBe(false);
  });

  test.prop([bytes, bytes])('of two timelines of a source compare as their keys do, and are not the same', (left, right) => {
    const later = { ...at(right), timeline: 2 };
    expect(Math.sign(comparePositions(at(left), later))).toBe(Buffer.compare(left, right));
    expect(samePosition(at(left), later)).toBe(false);
  });

  test('nothing yet is the same as nothing yet, and as nothing else', () => {
    expect(samePosition(null, null)).toBe(true);
    expect(samePosition(null, at(new Uint8Array()))).toBe(false);
  });
});
