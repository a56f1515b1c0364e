import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { at } from '../testing/sample-blocks.js';
import { claimBackOffMs, judgeClaim } from './claim-rules.js';
import { judgeGap } from './gap-rules.js';
import { judgeNumbered } from './numbered-rules.js';
import type { BlockRecordHeader, RecordHeader } from './record-header.js';
import { judgeBetween, judgeReply } from './send-rules.js';
import { tailStart, trimPoint } from './tail-rules.js';

function takeover(offset: bigint, epoch: bigint): RecordHeader & { readonly kind: 'takeover' } {
  return { kind: 'takeover', offset, journal: 'j', epoch, nonce: 'n' };
}

function block(offset: bigint, epoch: bigint, rest: Partial<BlockRecordHeader> = {}): BlockRecordHeader {
  return {
    kind: 'block',
    offset,
    journal: 'j',
    epoch,
    seq: 0n,
    prev: offset - 1n,
    after: at(3),
    slice: null,
    upTo: at(4),
    ...rest,
  };
}

describe('a claim', () => {
  test('counts only above the epoch in force', () => {
    expect(judgeClaim(takeover(9n, 9n), 8n)).toBe('in-force');
    expect(judgeClaim(takeover(9n, 8n), 8n)).toBe('claim-again');
    expect(judgeClaim(takeover(9n, 3n), 8n)).toBe('claim-again');
  });

  test('below the end at which it was made means a log that was cut off', () => {
    expect(judgeClaim(takeover(7n, 9n), 3n)).toBe('truncated');
  });

  test('is repeated after pauses that grow, stay bounded, and differ', () => {
    fc.assert(
      fc.property(fc.nat(40), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (attempt, random) => {
        const pause = claimBackOffMs(attempt, random);
        expect(pause).toBeGreaterThanOrEqual(25);
        expect(pause).toBeLessThanOrEqual(5_000);
      }),
    );
    expect(claimBackOffMs(4, 0.9)).toBeGreaterThan(claimBackOffMs(0, 0.9));
  });
});

describe('a reply', () => {
  test('right after the last record means in force, further on means reading, not further means a log that was cut off', () => {
    expect(judgeReply(9n, 10n)).toEqual({ kind: 'in-force' });
    expect(judgeReply(9n, 14n)).toEqual({ kind: 'read-between', from: 10n, to: 14n });
    expect(judgeReply(9n, 9n)).toEqual({ kind: 'truncated' });
    expect(judgeReply(9n, 0n)).toEqual({ kind: 'truncated' });
  });

  test('is fenced only by a newer Takeover in between', () => {
    const me = { journal: 'j', epoch: 5n };
    expect(judgeBetween(me, [block(10n, 4n, { prev: 3n }), block(11n, 5n), takeover(12n, 4n), takeover(13n, 5n)])).toEqual({
      kind: 'in-force',
    });
    expect(judgeBetween(me, [block(10n, 4n), takeover(11n, 10n)])).toEqual({ kind: 'fenced', epoch: 10n, offset: 11n });
    expect(judgeBetween(me, [block(10n, 6n)])).toMatchObject({ kind: 'error', error: { code: 'JOURNAL_INCONSISTENT' } });
    expect(judgeBetween(me, [block(10n, 5n, { journal: 'other' })])).toMatchObject({
      kind: 'error',
      error: { code: 'JOURNAL_FOREIGN' },
    });
  });
});

describe('the tail', () => {
  const certain = block(12n, 5n, { seq: 7n });
  const uncertain = block(13n, 4n, { prev: 2n });

  test('is read from the last block that is certainly in force', () => {
    expect(tailStart([block(11n, 5n), certain, uncertain, takeover(14n, 14n)], 0n)).toEqual({
      kind: 'start',
      state: { journal: 'j', epoch: 5n, seq: 6n, nextOffset: 12n, position: at(3), nextSlice: null },
    });
  });

  test('may begin inside a large transaction', () => {
    const slice = { ...certain, slice: { index: 4, first: 8n, last: false } };
    expect(tailStart([slice], 0n)).toMatchObject({ kind: 'start', state: { nextSlice: 4, position: at(3) } });
  });

  test("goes further back, to the journal's beginning where need be", () => {
    expect(tailStart([uncertain, takeover(14n, 14n)], 0n)).toEqual({ kind: 'further-back' });
    expect(tailStart([takeover(0n, 0n)], 0n)).toMatchObject({ kind: 'start', state: { journal: null, nextOffset: 0n } });
    expect(tailStart([], 0n)).toMatchObject({ kind: 'start' });
  });

  test('cannot be told where everything certain was trimmed', () => {
    expect(tailStart([uncertain, takeover(14n, 14n)], 13n)).toEqual({ kind: 'no-anchor' });
  });
});

test('the log is trimmed below every reader, to a block that a restart can begin at', () => {
  const records = [
    block(10n, 5n),
    block(11n, 5n),
    block(12n, 4n, { prev: 2n }),
    takeover(13n, 13n),
    block(14n, 13n, { slice: { index: 1, first: 3n, last: true } }),
  ];
  expect(trimPoint(records, [99n])).toBe(11n);
  expect(trimPoint(records, [99n, 11n])).toBe(10n);
  expect(trimPoint(records, [10n])).toBeNull();
});

test('a gap is one only for a capture in force that has something to go on from', () => {
  expect(judgeGap(true, at(9), at(3))).toBe('fenced');
  expect(judgeGap(false, at(9), at(3))).toBe('gap');
  expect(judgeGap(false, at(3), at(3))).toBe('stream');
  expect(judgeGap(false, at(2), at(3))).toBe('stream');
  expect(judgeGap(false, at(9), null)).toBe('stream');
});

describe('numbered records', () => {
  test('are taken in order, once, and the first of a new epoch begins again', () => {
    expect(judgeNumbered(null, { epoch: 3n, seq: 0n }, false)).toEqual({ kind: 'take' });
    expect(judgeNumbered({ epoch: 3n, seq: 4n }, { epoch: 3n, seq: 5n }, false)).toEqual({ kind: 'take' });
    expect(judgeNumbered({ epoch: 3n, seq: 4n }, { epoch: 7n, seq: 0n }, false)).toEqual({ kind: 'take' });
  });

  test('are passed over where they came already or their writer is fenced', () => {
    expect(judgeNumbered({ epoch: 3n, seq: 4n }, { epoch: 3n, seq: 4n }, false)).toEqual({ kind: 'ignore' });
    expect(judgeNumbered({ epoch: 3n, seq: 4n }, { epoch: 2n, seq: 9n }, false)).toEqual({ kind: 'ignore' });
  });

  test('are missed where one is missing', () => {
    expect(judgeNumbered(null, { epoch: 3n, seq: 1n }, false)).toEqual({ kind: 'hole', expected: 0n });
    expect(judgeNumbered({ epoch: 3n, seq: 4n }, { epoch: 3n, seq: 6n }, false)).toEqual({ kind: 'hole', expected: 5n });
    expect(judgeNumbered({ epoch: 3n, seq: 4n }, { epoch: 4n, seq: 1n }, false)).toEqual({ kind: 'hole', expected: 0n });
  });

  test('of a trimmed partition begin anywhere in an epoch, and go on without a hole', () => {
    expect(judgeNumbered(null, { epoch: 3n, seq: 7n }, true)).toEqual({ kind: 'take' });
    expect(judgeNumbered({ epoch: 3n, seq: 7n }, { epoch: 5n, seq: 2n }, true)).toEqual({ kind: 'take' });
    expect(judgeNumbered({ epoch: 5n, seq: 2n }, { epoch: 3n, seq: 8n }, true)).toEqual({ kind: 'ignore' });
    expect(judgeNumbered({ epoch: 5n, seq: 2n }, { epoch: 5n, seq: 4n }, true)).toEqual({ kind: 'hole', expected: 3n });
  });
});
