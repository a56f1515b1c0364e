import type { SinkState } from '@millrace/contract/sink.js';
import { expect, test } from 'vitest';
import { finalState } from './final-state.js';

const STATE: SinkState = { checkpoint: null, tables: [], definition: 'd' };

test('the last word has what the target says', async () => {
  expect(await finalState(() => Promise.resolve(STATE))).toBe(STATE);
});

test('a target that fails, or does not answer within 2 s, leaves it without', async () => {
  expect(await finalState(() => Promise.reject(new Error('gone')))).toBeNull();
  const asked = performance.now();
  expect(await finalState(() => new Promise(() => undefined))).toBeNull();
  const waitedMs = performance.now() - asked;
  expect(waitedMs).toBeGreaterThan(1_900);
  expect(waitedMs).toBeLessThan(3_000);
});
