import type { LoadEvent } from '@millrace/codec/load-record.js';
import { expect, test } from 'vitest';
import { countingChunk, type LoadState, LoadStates } from './load-state.js';

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
  takenAtMicros: 7n,
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

test('a cancelled load stays so; a later request is another load', () => {
  const states = new LoadStates();
  states.apply({ ...requested('0.1'), epoch: 0n });
  states.apply({ kind: 'cancelled', load: '0.1', table, error: { code: 'X', message: 'x' }, epoch: 0n });
  states.apply({ ...began('0.1', 1, false), epoch: 0n });
  expect(states.of(table)).toMatchObject({ load: '0.1', cancelled: { error: { code: 'X' } } });
  states.apply({ ...requested('4.1'), epoch: 4n });
  states.apply({ kind: 'cancelled', load: '0.1', table, error: null, epoch: 4n });
  expect(states.of(table)).toMatchObject({ load: '4.1', cancelled: null });
});

const chunkBegan = (load: string, attempt: number, index: number): LoadEvent => ({
  kind: 'chunk-began',
  load,
  table,
  attempt,
  chunk: { index, locator: '', keys },
  lane: 0,
});
const chunkEnded = (load: string, attempt: number, chunk: number): LoadEvent => ({
  kind: 'chunk-ended',
  load,
  table,
  attempt,
  chunk,
  parts: 1,
  rows: 1,
  digest: '',
  asOf,
  keys,
});
const keys = { column: 'id', order: 'integer', from: null, to: null } as const;

function stateAfter(...events: readonly LoadEvent[]): LoadState {
  const states = new LoadStates();
  for (const event of events) states.apply({ ...event, epoch: 0n });
  const state = states.of(table);
  if (state === undefined) throw new Error('no state');
  return state;
}

test('#13 where a load goes on in another snapshot, a chunk that had ended counts as of its own', () => {
  const later = { ...began('0.1', 2, false), asOf: { ...asOf, key: '07' } };
  const earlier = [requested('0.1'), began('0.1', 1, false), chunkBegan('0.1', 1, 0), chunkBegan('0.1', 1, 1)];
  const state = stateAfter(...earlier, chunkEnded('0.1', 1, 0), later, chunkBegan('0.1', 2, 1));
  expect(countingChunk(state, 1, 0)).toMatchObject({ began: { attempt: 1, asOf }, keys });
  expect(countingChunk(state, 2, 1)).toMatchObject({ began: { attempt: 2, asOf: { key: '07' } } });
});

test('#13 an attempt at a chunk that is read again, or that was started again, never counts', () => {
  const begun = [requested('0.1'), began('0.1', 1, false), chunkBegan('0.1', 1, 0), chunkBegan('0.1', 1, 1)];
  expect(countingChunk(stateAfter(...begun), 1, 1)).not.toBe('never');
  expect(countingChunk(stateAfter(...begun, began('0.1', 2, false)), 1, 1)).toBe('never');
  expect(countingChunk(stateAfter(...begun, chunkEnded('0.1', 1, 0), began('0.1', 2, true)), 1, 0)).toBe('never');
});

test('a chunk that the control partition has not told of does not count yet', () => {
  expect(countingChunk(stateAfter(requested('0.1'), began('0.1', 1, false)), 1, 0)).toBe('not yet');
});
