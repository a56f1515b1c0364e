import { expect, test } from 'vitest';
import { FurthestChunks } from './furthest-chunks.js';

test('a chunk counts once: reading it again in another attempt brings the load no further', () => {
  const chunks = new FurthestChunks();
  const reached = [0, 2, 1, 0, 1, 2, 3].map((index) => chunks.reach({ load: '0.1', index }));
  expect(reached).toEqual([true, true, false, false, false, false, true]);
  expect(chunks.reach({ load: '0.2', index: 0 })).toBe(true);
});
