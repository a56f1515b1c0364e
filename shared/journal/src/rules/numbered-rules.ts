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

export function isHigher(one: Numbered, other: Numbered | null): boolean {
  return other === null || one.epoch > other.epoch || (one.epoch === other.epoch && one.seq > other.seq);
}

/** What a reader of such a partition does with the next record; `last` is the one it took last, null before the first one. */
export function judgeNumbered(last: Numbered | null, next: Numbered): NumberedDecision {
  if (!isHigher(next, last)) return { kind: 'ignore' };
  const expected = last === null || next.epoch > last.epoch ? 0n : last.seq + 1n;
  return next.seq === expected ? { kind: 'take' } : { kind: 'hole', expected };
}
