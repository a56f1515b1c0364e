import { expect, test } from 'vitest';
import { TrimSchedule } from './trimmer.js';

const MINUTE_MS = 60_000;

test('a sink frees once when it starts, and then only what was committed since', () => {
  const schedule = new TrimSchedule();
  expect(schedule.take(0)).toBe(true);
  schedule.freed(0);
  expect(schedule.take(60 * MINUTE_MS)).toBe(false);
  schedule.applied();
  expect(schedule.take(60 * MINUTE_MS)).toBe(true);
});

test('while changes come in it frees once a minute, and at the end of a load at once', () => {
  const schedule = new TrimSchedule();
  schedule.take(0);
  schedule.freed(0);
  schedule.applied();
  expect(schedule.take(MINUTE_MS - 1)).toBe(false);
  expect(schedule.take(MINUTE_MS)).toBe(true);
  schedule.freed(MINUTE_MS);
  schedule.loadEnded();
  expect(schedule.take(MINUTE_MS + 1)).toBe(true);
});

test('what could not be freed is tried again after some minutes, also where nothing more is committed', () => {
  const schedule = new TrimSchedule();
  schedule.take(0);
  schedule.failed(0);
  expect(schedule.take(5 * MINUTE_MS)).toBe(false);
  expect(schedule.take(10 * MINUTE_MS)).toBe(true);
  schedule.freed(10 * MINUTE_MS);
  expect(schedule.take(30 * MINUTE_MS)).toBe(false);
});
