import type { KeyRange } from '@millrace/contract/load.js';
import type { AppliedChunk } from '@millrace/contract/sink.js';
import { expect, test } from 'vitest';
import { coverageOf } from './load-coverage.js';

const at = (key: string) => ({ source: 's', timeline: 1, key });
const keys = (from: string | null, to: string | null): KeyRange => ({ column: 'id', order: 'integer', from, to });
const chunk = (index: number, key: string, range: KeyRange | null): AppliedChunk => ({ index, asOf: at(key), keys: range });

test('rows that are not all in cover nothing', () => {
  expect(coverageOf({ asOf: null, chunksApplied: [chunk(0, '05', null)] })).toBeNull();
});

test('chunks of one snapshot cover their table as one', () => {
  const chunksApplied = [chunk(0, '05', keys(null, '7')), chunk(1, '05', keys('7', null))];
  expect(coverageOf({ asOf: at('05'), chunksApplied })).toEqual({ asOf: at('05'), chunks: [] });
});

test('of several snapshots each range has its own, and neighbours of one snapshot are one range', () => {
  const chunksApplied = [
    chunk(3, '09', keys('30', null)),
    chunk(0, '05', keys(null, '10')),
    chunk(2, '09', keys('20', '30')),
    chunk(1, '05', keys('10', '20')),
  ];
  expect(coverageOf({ asOf: at('09'), chunksApplied })).toEqual({
    asOf: at('09'),
    chunks: [
      { asOf: at('05'), keys: keys(null, '20') },
      { asOf: at('09'), keys: keys('20', null) },
    ],
  });
});

test.each([
  ['a gap', [chunk(0, '05', keys(null, '10')), chunk(1, '09', keys('11', null))]],
  ['no end', [chunk(0, '05', keys(null, '10')), chunk(1, '09', keys('10', '20'))]],
  ['no keys', [chunk(0, '05', keys(null, '10')), chunk(1, '09', null)]],
])('ranges with %s are refused', (_, chunksApplied) => {
  expect(() => coverageOf({ asOf: at('09'), chunksApplied })).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
});
