import { comparePositions } from '@millrace/codec/position.js';
import type { Position } from '@millrace/contract/position.js';

/** True: rows loaded as of `asOf` hold everything at this position. A later timeline's positions lie beyond the fork that it began with. */
export function isCovered(position: Position, asOf: Position): boolean {
  if (position.source === asOf.source && position.timeline > asOf.timeline) return false;
  return comparePositions(position, asOf) <= 0;
}
