import { describe, expect, test } from 'vitest';
import { type ProcessTimes, parseStat, treeMicros } from './process-cost.js';

describe('process cost', () => {
  test('a command name with spaces and parentheses does not shift the times', () => {
    const stat = '42 (post) gres: a (b) S 7 1 1 0 -1 4194304 9 9 9 9 100 20 3 4 20 0 1 0 5 6';
    expect(parseStat(stat)).toEqual({ pid: 42, parent: 7, micros: 1_270_000, waitedMicros: 70_000 });
  });

  test('a tree counts its members and what they waited for, and leaves out what is named apart', () => {
    const entry = (pid: number, parent: number, micros: number): ProcessTimes => ({ pid, parent, micros, waitedMicros: 0 });
    const all = [entry(1, 0, 10), entry(2, 1, 20), entry(3, 2, 40), entry(4, 1, 80), entry(5, 9, 160)];
    expect(treeMicros(all, 1, new Set())).toBe(150);
    expect(treeMicros(all, 1, new Set([2]))).toBe(90);
  });

  test('a text that is no stat line is passed over', () => {
    expect(parseStat('')).toBeUndefined();
    expect(parseStat('1 (x) S 0')).toBeUndefined();
  });
});
