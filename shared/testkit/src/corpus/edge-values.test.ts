import { expect, test } from 'vitest';
import { EDGE_VALUES, edgeTables } from './edge-values.js';

test('the corpus holds at least 400 values, each named once', () => {
  const names = EDGE_VALUES.map(({ name }) => name);
  expect(names.length).toBeGreaterThanOrEqual(400);
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
});

test('a server gets what its version and extensions can hold, and every type is one table', () => {
  const tables = edgeTables({ version: 13, extensions: new Set(['hstore']) });
  const types = tables.map(({ type }) => type);
  expect(new Set(types).size).toBe(types.length);
  expect(types).toContain('hstore');
  expect(types).not.toContain('citext');
  expect(types).not.toContain('int4multirange');
});
