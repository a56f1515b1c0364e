import { Buffer } from 'node:buffer';
import type { Position } from '@millrace/contract/position.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';

/**
 * Negative, zero or positive, as `left` lies before, at or after `right`. Only the lower-case hexadecimal keys are compared,
 * which is comparing their bytes. Across timelines, too: a later one continues the log of an earlier one from their fork on, and a
 * capture lets nothing of a task lie beyond a fork (TIMELINE_FORKED; loads that might are made again). The timeline decides
 * nothing here: what was written before a fork and is read after it bears the later one.
 * @throws MillraceError POSITION_INCOMPARABLE for positions of different sources.
 */
export function comparePositions(left: Position, right: Position): number {
  if (left.source !== right.source) throw incomparable(left, right);
  if (left.key === right.key) return 0;
  return left.key < right.key ? -1 : 1;
}

/**
 * What one incarnation writes lies on one timeline.
 * @throws MillraceError POSITION_INCOMPARABLE
 */
export function requireSameHistory(left: Position, right: Position): void {
  if (left.source !== right.source || left.timeline !== right.timeline) throw incomparable(left, right);
}

function incomparable(left: Position, right: Position): MillraceError {
  return new MillraceError('POSITION_INCOMPARABLE', { left: describePosition(left), right: describePosition(right) });
}

/** The same place: also for positions that have no order. Two nulls (nothing yet) are the same. */
export function samePosition(left: Position | null, right: Position | null): boolean {
  if (left === null || right === null) return left === right;
  return left.source === right.source && left.timeline === right.timeline && left.key === right.key;
}

export function positionKeyBytes(position: Position): Uint8Array {
  return Buffer.from(position.key, 'hex');
}

/** The key's text form from its bytes `[start, end)`. */
export function positionKeyText(bytes: Uint8Array, start = 0, end = bytes.length): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('hex');
}

export function describePosition(position: Position): string {
  return `${position.key} (source ${position.source}, timeline ${position.timeline})`;
}
