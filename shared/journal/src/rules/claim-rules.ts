import type { TakeoverHeader } from './record-header.js';

/** Claims that one start makes before it gives up: each one lost a race against another starter. */
export const MAX_CLAIMS = 12;

const FIRST_BACK_OFF_MS = 50;
const LONGEST_BACK_OFF_MS = 5_000;

/** The epoch that a claim made at this end of the log carries. "Highest epoch + 1" would let two starters share one. */
export function epochForClaim(endOffset: bigint): bigint {
  return endOffset;
}

export type ClaimDecision = 'in-force' | 'claim-again' | 'truncated';

/** `inForceBefore`: the epoch in force just below the claim, by the reader's rules. */
export function judgeClaim(claim: TakeoverHeader, inForceBefore: bigint): ClaimDecision {
  if (claim.offset < claim.epoch) return 'truncated';
  return claim.epoch > inForceBefore ? 'in-force' : 'claim-again';
}

/** Full jitter, so that two that lost together do not meet again. `random` is in [0, 1). */
export function claimBackOffMs(attempt: number, random: number): number {
  return Math.round(Math.min(LONGEST_BACK_OFF_MS, FIRST_BACK_OFF_MS * 2 ** attempt) * (0.5 + random / 2));
}
