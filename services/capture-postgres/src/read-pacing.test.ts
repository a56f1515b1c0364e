import { expect, test } from 'vitest';
import { ReadPacing } from './read-pacing.js';

/** Delays that follow reads of so many bytes, so many milliseconds apart. */
function delays(count: number, bytes: number, everyMs: number): readonly number[] {
  const pacing = new ReadPacing();
  return Array.from({ length: count }, (_, index) => pacing.afterRead(bytes, index * everyMs));
}

test('many small reads in a row are left to gather', () => {
  expect(delays(100, 300, 0.05).some((delay) => delay > 0)).toBe(true);
});

test('a stream with pauses is never delayed: 500 transactions a second', () => {
  expect(delays(1000, 500, 2)).toEqual(Array.from({ length: 1000 }, () => 0));
});

test('a backlog of full reads is never delayed', () => {
  expect(delays(1000, 65_536, 0.2)).toEqual(Array.from({ length: 1000 }, () => 0));
});

test('gathering ends when nothing gathers', () => {
  const pacing = new ReadPacing();
  let nowMs = 0;
  const after = (bytes: number, passedMs: number): number => {
    nowMs += passedMs;
    return pacing.afterRead(bytes, nowMs);
  };
  while (after(300, 0.05) === 0);
  expect(after(20_000, 2.2)).toBeGreaterThan(0);
  expect(after(300, 2.2)).toBe(0);
});
