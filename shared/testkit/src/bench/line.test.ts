import { describe, expect, test } from 'vitest';
import { lineOf, median, percentile, plain } from './line.js';

describe('a line of the bench', () => {
  test('is the median of its runs, and its ratio is of the medians', () => {
    const peer = { name: 'psql', samples: plain([100, 50, 60]) };
    const goal = { of: 'ratio', is: 'at least', bound: 0.5 } as const;
    const line = lineOf({ name: 'load', unit: 'rows/s', samples: plain([30, 10, 90]), peer, goal });
    expect(line).toMatchObject({ value: 30, peerValue: 60, ratio: 0.5, holds: true, goal: '≥ 0.5 × psql', runs: [30, 10, 90] });
  });

  test.each([
    { is: 'at most', bound: 5, holds: true },
    { is: 'at most', bound: 4.9, holds: false },
    { is: 'at least', bound: 5.1, holds: false },
  ] as const)('a value of 5 against $is $bound: $holds', ({ is, bound, holds }) => {
    const line = lineOf({ name: 'idle', unit: '%', samples: plain([5]), goal: { of: 'value', is, bound } });
    expect(line.holds).toBe(holds);
  });

  test('a figure that could not be measured holds no goal', () => {
    expect(lineOf({ name: 'x', unit: 's', samples: [], goal: { of: 'value', is: 'at most', bound: 3 } }).holds).toBe(false);
  });

  test('without a goal holds nothing and fails nothing', () => {
    expect(lineOf({ name: 'x', unit: 's', samples: plain([1]), goal: null })).toMatchObject({ value: 1, goal: '', holds: null });
  });

  test('the median of an even number of values is the mean of the middle two', () => {
    expect(median([4, 1, 3, 2])).toBe(2.5);
  });

  test('a percentile is the value of the nearest rank', () => {
    const values = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect([percentile(values, 0.5), percentile(values, 0.99), percentile(values, 1)]).toEqual([50, 99, 100]);
  });
});
