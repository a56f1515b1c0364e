import type { LoadEvent } from '@millrace/codec/load-record.js';
import { expect, test } from 'vitest';
import { LoadStates } from './load-state.js';

const table = { schema: 'public', table: 't' };
const asOf = { source: 's', timeline: 1, key: '00' };
const requested = (load: string): LoadEvent => ({ kind: 'requested', load, table, registryId: 1 });
const began = (load: string, attempt: number, restart: boolean): LoadEvent => ({
  kind: 'began',
  load,
  table,
  registryId: 1,
  attempt,
  asOf,
  restart,
  encoding: 'rows',
  estimatedRows: 0,
  estimatedBytes: 0,
});

test('a restarted load counts only from the attempt that restarted it, and has no end yet', () => {
  const states = new LoadStates();
  states.apply({ ...requested('0.1'), epoch: 0n });
  states.apply({ ...began('0.1', 1, false), epoch: 0n });
  states.apply({ kind: 'ended', load: '0.1', table, attempt: 1, chunks: 2, epoch: 0n });
  expect(states.of(table)).toMatchObject({ load: '0.1', firstAttempt: 1, chunks: 2 });
  states.apply({ ...began('0.1', 2, true), epoch: 4n });
  expect(states.of(table)).toMatchObject({ load: '0.1', firstAttempt: 2, chunks: null });
});

test("a fenced capture's late records change nothing", () => {
  const states = new LoadStates();
  states.apply({ ...requested('4.1'), epoch: 4n });
  expect(states.apply({ ...requested('0.1'), epoch: 0n })).toBe(false);
  expect(states.of(table)?.load).toBe('4.1');
});

test('records of a load that the table no longer has are passed over', () => {
  const states = new LoadStates();
  states.apply({ ...requested('0.1'), epoch: 0n });
  states.apply({ ...requested('0.2'), epoch: 0n });
  states.apply({ kind: 'ended', load: '0.1', table, attempt: 1, chunks: 2, epoch: 0n });
  expect(states.of(table)).toMatchObject({ load: '0.2', chunks: null });
});
