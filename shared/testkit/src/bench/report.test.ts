import { expect, test } from 'vitest';
import { lineOf, plain } from './line.js';
import { markdown, terminalTable, withTable } from './report.js';

const goal = { of: 'ratio', is: 'at least', bound: 1 } as const;
const line = lineOf({
  name: 'capture',
  unit: 'rows/s',
  samples: plain([150_000, 120_000, 140_000], 99.6),
  peer: { name: 'a | b', samples: plain([140_000]) },
  goal,
});

test("the README's table replaces what stood between the markers, and nothing else", () => {
  const text = 'before\n<!-- bench -->\nold\n<!-- /bench -->\nafter';
  expect(withTable(text, '| new |')).toBe('before\n<!-- bench -->\n| new |\n<!-- /bench -->\nafter');
  expect(() => withTable('no markers', '')).toThrow('README.md has no');
});

test('a cell cannot end its column', () => {
  expect(markdown([line], 'machine')).toContain(
    '| capture | 140,000 rows/s (120,000–150,000) | a \\| b: 140,000 | 1.00 | ≥ 1 × a \\| b |  | 100 MB | yes |',
  );
});

test("a terminal's columns begin at the same place in every line", () => {
  const [head, row] = terminalTable([line]).split('\n');
  expect(head?.indexOf('ratio')).toBe(row?.indexOf('1.00'));
});
