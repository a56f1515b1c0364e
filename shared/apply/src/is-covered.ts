import { comparePositions } from '@millrace/codec/position.js';
import type { Position } from '@millrace/contract/position.js';

/** True: rows loaded as of `asOf` hold everything at this position. */
export function isCovered(position: Position, asOf: Position): boolean {
  return comparePositions(position, asOf) <= 0;
}
