import { describe, expect, test } from 'vitest';
import { FailureSeries } from './failure-series.js';

const LIMIT_MS = 10_000;
const life = (startedMs: number, endedMs: number, gotFurther = false) => ({ startedMs, endedMs, gotFurther });

describe('a series of failures', () => {
  test('lasts until the limit, counted from the first failure', () => {
    const series = new FailureSeries(LIMIT_MS);
    expect(series.failed(life(0, 60_000))).toBe(1);
    expect(series.failed(life(60_000, 65_000))).toBe(2);
    expect(series.failed(life(65_000, 70_000))).toBe(3);
    expect(series.failed(life(70_000, 70_001))).toBeNull();
  });

  test('begins anew behind a life that got further', () => {
    const series = new FailureSeries(LIMIT_MS);
    expect(series.failed(life(0, 1))).toBe(1);
    expect(series.failed(life(1, 50_000, true))).toBe(1);
    expect(series.failed(life(50_000, 55_000))).toBe(2);
  });

  test('begins anew behind a life that lasted, where that tells something', () => {
    const series = new FailureSeries(LIMIT_MS, LIMIT_MS);
    expect(series.failed(life(0, 1))).toBe(1);
    expect(series.failed(life(1, 20_000))).toBe(1);
    expect(series.failed(life(20_000, 25_000))).toBe(2);
  });
});
