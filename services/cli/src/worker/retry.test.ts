import { expect, test } from 'vitest';
import { retryDelayMs } from './retry.js';

test('pauses double to 5 s: with the 5 s of one attempt, a server that is back is found within 10 s', () => {
  expect([0, 1, 2, 3, 4, 5, 100].map((failures) => retryDelayMs(failures, 1))).toEqual([
    200, 400, 800, 1_600, 3_200, 5_000, 5_000,
  ]);
  expect(retryDelayMs(100, 0)).toBe(2_500);
});
