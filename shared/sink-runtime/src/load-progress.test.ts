import type { TableProgress, TableState } from '@millrace/contract/sink.js';
import { expect, test } from 'vitest';
import { LoadProgress } from './load-progress.js';

const source = { schema: 'public', table: 't' };
const asOf = { source: 's', timeline: 1, key: '05' };
const upTo = { source: 's', timeline: 1, key: '09' };
const counts = { rowsLoaded: 0n, inserts: 0n, updates: 0n, deletes: 0n, truncates: 0n, ddls: 0n, errors: 0n };
const table = (state: TableState, load: string | null, more: Partial<TableProgress> = {}): TableProgress => ({
  source,
  target: source,
  state,
  counts,
  load,
  chunksApplied: [],
  asOf: null,
  error: null,
  ...more,
});

test('a table that waits for its rows holds its changes back until they are in', async () => {
  const progress = new LoadProgress([table('before load', '0.1')], 0n);
  let ready = false;
  const waiting = progress.ready([source], new AbortController().signal).then(() => {
    ready = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(ready).toBe(false);
  progress.settled(source, { kind: 'loaded', asOf, chunksApplied: [] });
  await waiting;
  expect(ready).toBe(true);
});

test('changes at or below the position of the loaded rows are covered', () => {
  const progress = new LoadProgress([table('completed', '0.1', { asOf })], 0n);
  expect(progress.coverage(source, { from: null, upTo })).toEqual({ asOf, chunks: [] });
});

test('#6 a load on a later timeline than the stream still reads covers what lies before it', () => {
  const later = { ...asOf, timeline: 2 };
  const progress = new LoadProgress([table('completed', '0.1', { asOf: later })], 0n);
  expect(progress.coverage(source, { from: { ...asOf, key: '01' }, upTo })).toEqual({ asOf: later, chunks: [] });
  expect(progress.coverage(source, { from: { ...asOf, timeline: 3 }, upTo })).toBeNull();
});

test('#55 a load that has just ended covers the changes that its rows hold, before the target is asked again', () => {
  const progress = new LoadProgress([table('full load', '0.1')], 0n);
  progress.settled(source, { kind: 'loaded', asOf, chunksApplied: [] });
  expect(progress.coverage(source, { from: null, upTo })).toEqual({ asOf, chunks: [] });
});

test('a superseded load makes every change moot until the later load is named', () => {
  const progress = new LoadProgress([table('before load', '0.1')], 0n);
  progress.settled(source, { kind: 'superseded' });
  expect(progress.coverage(source, { from: null, upTo })).toEqual({ asOf: upTo, chunks: [] });
  expect(progress.waiting()).toEqual([]);
  progress.update([table('being reloaded', '4.1')]);
  expect(progress.waiting()).toHaveLength(1);
});

test('a table without a load applies everything', () => {
  const progress = new LoadProgress([table('completed', null)], 0n);
  expect(progress.coverage(source, { from: null, upTo })).toBeNull();
});

test('a load is past when its rows are in, a later one is named, or its capture was followed before it had named it', () => {
  const progress = new LoadProgress([table('full load', '3.2')], 3n);
  const other = { schema: 'public', table: 'other' };
  expect(progress.isPast(source, '3.2')).toBe(false);
  expect(progress.isPast(source, '3.1')).toBe(true);
  expect(progress.isPast(source, '3.3')).toBe(false);
  expect(progress.isPast(other, '3.3')).toBe(false);
  expect(progress.isPast(other, '2.9')).toBe(true);
  progress.reached(4n);
  expect(progress.isPast(source, '3.2')).toBe(false);
  expect(progress.isPast(source, '3.3')).toBe(true);
  progress.settled(source, { kind: 'loaded', asOf, chunksApplied: [] });
  expect(progress.isPast(source, '3.2')).toBe(true);
});

test('a load that is cancelled or superseded is past, and stays so when its table is dropped', () => {
  const progress = new LoadProgress([table('full load', '3.2')], 3n);
  progress.settled(source, { kind: 'superseded' });
  expect(progress.isPast(source, '3.2')).toBe(true);
  progress.update([]);
  expect(progress.isPast(source, '3.2')).toBe(true);
  expect(progress.isPast(source, '3.1')).toBe(true);
  expect(progress.isPast(source, '3.3')).toBe(false);
});

test('a load whose table is set aside is past', () => {
  const progress = new LoadProgress([table('full load', '3.2')], 3n);
  progress.settled(source, { kind: 'set-aside' });
  expect(progress.isPast(source, '3.2')).toBe(true);
});

test('a table that was dropped holds nothing back, and leaves nothing that is still to come', () => {
  const progress = new LoadProgress([table('before load', '0.1')], 0n);
  progress.settled(source, { kind: 'superseded' });
  expect(progress.anySuperseded()).toBe(true);
  progress.update([]);
  expect(progress.anySuperseded()).toBe(false);
  expect(progress.waiting()).toEqual([]);
  expect(progress.anyLoaded).toBe(true);
});

test('a table that is set aside lets its changes go on, to be counted, at once and as the target tells it', async () => {
  const progress = new LoadProgress([table('full load', '0.1')], 0n);
  progress.settled(source, { kind: 'set-aside' });
  await progress.ready([source], new AbortController().signal);
  expect(progress.waiting()).toEqual([]);
  expect(progress.coverage(source, { from: null, upTo })).toBeNull();
});

test('a superseded load that the stream ends with an error is settled', () => {
  const progress = new LoadProgress([table('full load', '0.1')], 0n);
  progress.settled(source, { kind: 'superseded' });
  progress.update([table('error', '0.1')]);
  expect(progress.anySuperseded()).toBe(false);
});
