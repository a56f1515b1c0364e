import type { ReaderState } from './reader-rules.js';
import { beginningOfJournal } from './reader-rules.js';
import { type BlockRecordHeader, isCertain, type RecordHeader } from './record-header.js';

export type TailStart =
  /** Read forward by the reader's rules from `state.nextOffset`. */
  | { readonly kind: 'start'; readonly state: ReaderState }
  | { readonly kind: 'further-back' }
  /** Everything that could tell the position was trimmed. */
  | { readonly kind: 'no-anchor' };

/**
 * Where a reader without a checkpoint may begin so that it stands right at the end of `records`: at the last block that is certainly in
 * force. A Takeover says no position, so the search goes on below it. `records` are the newest ones, contiguous, oldest
 * first; the log begins at `logStart`.
 */
export function tailStart(records: readonly RecordHeader[], logStart: bigint): TailStart {
  const anchor = records.findLast((record) => record.kind === 'block' && isCertain(record));
  if (anchor?.kind === 'block') return { kind: 'start', state: stateBefore(anchor) };
  const oldest = records[0];
  if (oldest !== undefined && oldest.offset > logStart) return { kind: 'further-back' };
  // From its very beginning a journal needs no anchor.
  return logStart === 0n ? { kind: 'start', state: beginningOfJournal(0n) } : { kind: 'no-anchor' };
}

/** A reader that takes this block next. Its `after` gives the position even inside an unfinished transaction. */
export function stateBefore(block: BlockRecordHeader): ReaderState {
  return {
    journal: block.journal,
    epoch: block.epoch,
    seq: block.seq - 1n,
    nextOffset: block.offset,
    position: block.after,
    nextSlice: block.slice !== null && block.slice.index > 0 ? block.slice.index : null,
  };
}

/**
 * The highest offset below which the log may be cut off: never past a reader (`readers`: their next offsets) and never past the last
 * block that is certainly in force, because a capture's restart begins there. `records` are the ones below the
 * slowest reader, oldest first. Null: nothing may go.
 */
export function trimPoint(records: readonly RecordHeader[], readers: readonly bigint[]): bigint | null {
  const anchor = records.findLast(
    (record) =>
      record.kind === 'block' &&
      isCertain(record) &&
      (record.slice?.index ?? 0) === 0 &&
      readers.every((next) => record.offset < next),
  );
  return anchor?.offset ?? null;
}
