/** A record of a partition whose writers number what they send: 0, 1, 2 … within their epoch. */
export interface Numbered {
  readonly epoch: bigint;
  readonly seq: bigint;
}

export type NumberedDecision =
  | { readonly kind: 'take' }
  /** A copy of one that was taken, or a fenced writer's. */
  | { readonly kind: 'ignore' }
  | { readonly kind: 'hole'; readonly expected: bigint };

function isHigher(one: Numbered, other: Numbered | null): boolean {
  return other === null || one.epoch > other.epoch || (one.epoch === other.epoch && one.seq > other.seq);
}

/**
 * What a reader of such a partition does with the next record; `last` is the one it took last, null before the first one. Of a partition
 * that was trimmed, the first records of an epoch may be gone.
 */
export function judgeNumbered(last: Numbered | null, next: Numbered, trimmed: boolean): NumberedDecision {
  if (!isHigher(next, last)) return { kind: 'ignore' };
  const begins = last === null || next.epoch > last.epoch;
  if (begins && trimmed) return { kind: 'take' };
  const expected = begins ? 0n : last.seq + 1n;
  return next.seq === expected ? { kind: 'take' } : { kind: 'hole', expected };
}
