import { comparePositions } from '@millrace/codec/position.js';
import type { Position } from '@millrace/contract/position.js';

export type GapDecision = 'fenced' | 'gap' | 'stream';

/**
 * Whether a capture may stream on. A fenced one reports no gap: its successor has acknowledged what this one never saw (Protocol,
 * Capture 4). `acknowledged`: the source has freed its log up to here; `position`: the journal holds everything up to here.
 * @throws MillraceError POSITION_INCOMPARABLE where the source's history is another than the journal's.
 */
export function judgeGap(fenced: boolean, acknowledged: Position, position: Position | null): GapDecision {
  if (fenced) return 'fenced';
  if (position === null) return 'stream';
  return comparePositions(acknowledged, position) > 0 ? 'gap' : 'stream';
}
