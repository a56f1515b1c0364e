import { describePosition, samePosition } from '@millrace/codec/position.js';
import type { Checkpoint, Position } from '@millrace/contract/position.js';
import { type BlockRecordHeader, isCertain, type RecordHeader, type TakeoverHeader } from './record-header.js';

/** Where a reader stands. */
export interface ReaderState {
  /** Null: nothing read yet, the first Takeover in force names the journal. */
  readonly journal: string | null;
  /** Epoch in force; -1 before the first Takeover. */
  readonly epoch: bigint;
  /** Of the last block taken in this epoch; -1 directly after its Takeover. */
  readonly seq: bigint;
  readonly nextOffset: bigint;
  /** Of the last Commit or Progress taken; null before the first one. */
  readonly position: Position | null;
  /** Index of the slice that must come next, inside a large transaction that is not finished; null outside of one. */
  readonly nextSlice: number | null;
}

export type ReaderDecision =
  | { readonly kind: 'apply'; readonly state: ReaderState }
  /** A Takeover in force. Slices of an unfinished transaction that were taken are void: it comes again, whole. */
  | { readonly kind: 'takeover'; readonly abandons: boolean; readonly state: ReaderState }
  | { readonly kind: 'ignore'; readonly reason: 'fenced' | 'duplicate'; readonly state: ReaderState }
  | { readonly kind: 'error'; readonly error: ReaderError };

/** What is wrong with the journal; the codes are the error table's. */
export type ReaderError =
  | { readonly code: 'JOURNAL_JUMP'; readonly expected: bigint; readonly offset: bigint }
  | { readonly code: 'JOURNAL_FOREIGN'; readonly offset: bigint; readonly expected: string; readonly found: string }
  | { readonly code: 'JOURNAL_REWRITTEN'; readonly offset: bigint; readonly what: string }
  | { readonly code: 'JOURNAL_INCONSISTENT'; readonly offset: bigint; readonly what: string };

export function beginningOfJournal(start: bigint): ReaderState {
  return { journal: null, epoch: -1n, seq: -1n, nextOffset: start, position: null, nextSlice: null };
}

export function stateOfCheckpoint(checkpoint: Checkpoint): ReaderState {
  return { ...checkpoint, nextSlice: null };
}

/**
 * What a reader does with the next record. Sinks, a capture that reads its tail and every tool use this one function, so that all
 * agree on what the journal holds (Protocol, Reader).
 */
export function advance(state: ReaderState, record: RecordHeader): ReaderDecision {
  if (record.offset !== state.nextOffset) {
    return { kind: 'error', error: { code: 'JOURNAL_JUMP', expected: state.nextOffset, offset: record.offset } };
  }
  return record.kind === 'takeover' ? onTakeover(state, record) : onBlock(state, record);
}

function onTakeover(state: ReaderState, record: TakeoverHeader): ReaderDecision {
  const { offset, epoch, journal } = record;
  if (epoch > offset) {
    return rewritten(offset, `a claim made when the log ended at offset ${epoch} lies below it`);
  }
  // Before the journal's id is looked at: two that start on an empty topic at once each bring an id, and the first one's holds.
  if (epoch <= state.epoch) return { kind: 'ignore', reason: 'fenced', state: passing(state) };
  if (state.journal !== null && journal !== state.journal) return foreign(offset, state.journal, journal);
  return {
    kind: 'takeover',
    abandons: state.nextSlice !== null,
    state: { journal, epoch, seq: -1n, nextOffset: offset + 1n, position: state.position, nextSlice: null },
  };
}

function onBlock(state: ReaderState, record: BlockRecordHeader): ReaderDecision {
  const { offset, epoch, seq } = record;
  if (state.journal !== null && record.journal !== state.journal) return foreign(offset, state.journal, record.journal);
  if (epoch < state.epoch) {
    if (isCertain(record))
      return rewritten(offset, `a block of epoch ${epoch} was in force there, after epoch ${state.epoch} had begun`);
    return { kind: 'ignore', reason: 'fenced', state: passing(state) };
  }
  if (epoch > state.epoch) return inconsistent(offset, `its epoch ${epoch} has no Takeover; epoch ${state.epoch} is in force`);
  if (seq <= state.seq) return { kind: 'ignore', reason: 'duplicate', state: passing(state) };
  if (seq > state.seq + 1n)
    return inconsistent(offset, `block ${state.seq + 1n} of epoch ${epoch} is missing; block ${seq} follows block ${state.seq}`);
  if (!samePosition(record.after, state.position)) {
    return inconsistent(
      offset,
      `it continues at ${positionText(record.after)}, the journal ends at ${positionText(state.position)}`,
    );
  }
  const slice = sliceAfter(state, record);
  if (slice.kind === 'misplaced') return inconsistent(offset, slice.what);
  return {
    kind: 'apply',
    state: {
      journal: record.journal,
      epoch,
      seq,
      nextOffset: offset + 1n,
      position: record.upTo ?? state.position,
      nextSlice: slice.next,
    },
  };
}

function sliceAfter(
  state: ReaderState,
  { slice }: BlockRecordHeader,
): { readonly kind: 'next'; readonly next: number | null } | { readonly kind: 'misplaced'; readonly what: string } {
  if (slice === null) {
    if (state.nextSlice === null) return { kind: 'next', next: null };
    return { kind: 'misplaced', what: `slice ${state.nextSlice} of a large transaction is missing` };
  }
  const expected = state.nextSlice ?? 0;
  if (slice.index !== expected)
    return { kind: 'misplaced', what: `slice ${expected} of a large transaction is missing; slice ${slice.index} follows` };
  return { kind: 'next', next: slice.last ? null : slice.index + 1 };
}

function passing(state: ReaderState): ReaderState {
  return { ...state, nextOffset: state.nextOffset + 1n };
}

function foreign(offset: bigint, expected: string, found: string): ReaderDecision {
  return { kind: 'error', error: { code: 'JOURNAL_FOREIGN', offset, expected, found } };
}

function rewritten(offset: bigint, what: string): ReaderDecision {
  return { kind: 'error', error: { code: 'JOURNAL_REWRITTEN', offset, what } };
}

function inconsistent(offset: bigint, what: string): ReaderDecision {
  return { kind: 'error', error: { code: 'JOURNAL_INCONSISTENT', offset, what } };
}

function positionText(position: Position | null): string {
  return position === null ? 'no position' : describePosition(position);
}

/** Where the log begins and ends; `end` is the offset that the next record gets. */
export interface LogBounds {
  readonly start: bigint;
  readonly end: bigint;
}

/** Whether a reader may go on at this offset. There is no automatic reset: what it does not find there is lost. */
export function checkBounds(nextOffset: bigint, bounds: LogBounds): 'inside' | 'trimmed' | 'truncated' {
  if (nextOffset < bounds.start) return 'trimmed';
  return nextOffset > bounds.end ? 'truncated' : 'inside';
}
