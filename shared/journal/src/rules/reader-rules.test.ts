import { expect, test } from 'vitest';
import { at } from '../testing/sample-blocks.js';
import { advance, beginningOfJournal, checkBounds, type ReaderState } from './reader-rules.js';
import type { BlockRecordHeader, RecordHeader } from './record-header.js';

/** A reader in the middle of epoch 5: block 2 of it was taken last, and it ended at position 7. */
const STATE: ReaderState = { journal: 'j', epoch: 5n, seq: 2n, nextOffset: 20n, position: at(7), nextSlice: null };
const BLOCK: BlockRecordHeader = {
  kind: 'block',
  offset: 20n,
  journal: 'j',
  epoch: 5n,
  seq: 3n,
  prev: 19n,
  after: at(7),
  slice: null,
  upTo: at(9),
};

function takeover(epoch: bigint, journal = 'j'): RecordHeader {
  return { kind: 'takeover', offset: 20n, journal, epoch, nonce: 'n' };
}

test('the next block is taken and moves everything', () => {
  expect(advance(STATE, BLOCK)).toEqual({
    kind: 'apply',
    state: { journal: 'j', epoch: 5n, seq: 3n, nextOffset: 21n, position: at(9), nextSlice: null },
  });
});

test('a block without a Commit or Progress leaves the position', () => {
  expect(advance(STATE, { ...BLOCK, upTo: null })).toMatchObject({ kind: 'apply', state: { position: at(7), seq: 3n } });
});

test('a Takeover in force begins an epoch; the position stays', () => {
  expect(advance(STATE, takeover(20n))).toEqual({
    kind: 'takeover',
    abandons: false,
    state: { ...STATE, epoch: 20n, seq: -1n, nextOffset: 21n },
  });
  expect(advance(beginningOfJournal(0n), { ...takeover(0n), offset: 0n })).toMatchObject({
    kind: 'takeover',
    state: { journal: 'j', epoch: 0n },
  });
});

test('a Takeover in force voids the slices of an unfinished transaction', () => {
  expect(advance({ ...STATE, nextSlice: 2 }, takeover(20n))).toMatchObject({
    kind: 'takeover',
    abandons: true,
    state: { nextSlice: null },
  });
});

test.each([
  ['a Takeover of the epoch in force', takeover(5n)],
  ['a Takeover of a lower epoch', takeover(4n)],
  ['a late Takeover that names another journal, from a race on the empty topic', takeover(0n, 'other')],
  ["a fenced writer's block", { ...BLOCK, epoch: 4n, prev: 12n }],
] satisfies [string, RecordHeader][])('%s is passed over', (_what, record) => {
  expect(advance(STATE, record)).toEqual({ kind: 'ignore', reason: 'fenced', state: { ...STATE, nextOffset: 21n } });
});

test('a copy of a block that was taken is passed over, whatever it says besides', () => {
  for (const seq of [0n, 1n, 2n]) {
    expect(advance(STATE, { ...BLOCK, seq, after: at(1) })).toEqual({
      kind: 'ignore',
      reason: 'duplicate',
      state: { ...STATE, nextOffset: 21n },
    });
  }
});

test.each([
  ['a jump in the offsets', { ...BLOCK, offset: 21n }, 'JOURNAL_JUMP'],
  ['an offset that went back', { ...BLOCK, offset: 19n }, 'JOURNAL_JUMP'],
  ['a block of another journal', { ...BLOCK, journal: 'other' }, 'JOURNAL_FOREIGN'],
  ['a Takeover in force of another journal', takeover(20n, 'other'), 'JOURNAL_FOREIGN'],
  ['a Takeover made when the log was longer', takeover(30n), 'JOURNAL_REWRITTEN'],
  ['a block of an older epoch that was certainly in force there', { ...BLOCK, epoch: 4n, prev: 19n }, 'JOURNAL_REWRITTEN'],
  ['a block of an epoch without a Takeover', { ...BLOCK, epoch: 6n }, 'JOURNAL_INCONSISTENT'],
  ['a missing block', { ...BLOCK, seq: 4n }, 'JOURNAL_INCONSISTENT'],
  ['a block that continues elsewhere', { ...BLOCK, after: at(8) }, 'JOURNAL_INCONSISTENT'],
  ['a block that continues at the beginning', { ...BLOCK, after: null }, 'JOURNAL_INCONSISTENT'],
  ['a position of another history', { ...BLOCK, after: { ...at(7), timeline: 2 } }, 'JOURNAL_INCONSISTENT'],
  ['a slice without the ones before it', { ...BLOCK, slice: { index: 1, first: 10n, last: true } }, 'JOURNAL_INCONSISTENT'],
] satisfies [string, RecordHeader, string][])('%s is an error', (_what, record, code) => {
  expect(advance(STATE, record)).toMatchObject({ kind: 'error', error: { code } });
});

test('slices follow one another to the last; nothing comes between', () => {
  const slice = (index: number, last: boolean): RecordHeader => ({
    ...BLOCK,
    slice: { index, first: -1n, last },
    upTo: last ? at(8) : null,
  });
  expect(advance(STATE, slice(0, false))).toMatchObject({ kind: 'apply', state: { nextSlice: 1, position: at(7) } });
  const inside = { ...STATE, nextSlice: 1 };
  expect(advance(inside, slice(1, false))).toMatchObject({ kind: 'apply', state: { nextSlice: 2 } });
  expect(advance(inside, slice(1, true))).toMatchObject({ kind: 'apply', state: { nextSlice: null, position: at(8) } });
  for (const wrong of [slice(0, false), slice(2, true), BLOCK])
    expect(advance(inside, wrong)).toMatchObject({ kind: 'error', error: { code: 'JOURNAL_INCONSISTENT' } });
});

test('a place outside of the log is never moved into it', () => {
  const bounds = { start: 10n, end: 20n };
  expect([9n, 10n, 20n, 21n].map((offset) => checkBounds(offset, bounds))).toEqual(['trimmed', 'inside', 'inside', 'truncated']);
});
