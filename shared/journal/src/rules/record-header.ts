import type { SliceHeader } from '@millrace/contract/events.js';
import type { Position } from '@millrace/contract/position.js';

/** A new incarnation of the capture claims the journal. */
export interface TakeoverHeader {
  readonly kind: 'takeover';
  readonly offset: bigint;
  readonly journal: string;
  /** The log's end when the claim was made. */
  readonly epoch: bigint;
  /** Tells two claims of one epoch apart. */
  readonly nonce: string;
}

/** What the protocol's rules need of a block. */
export interface BlockRecordHeader {
  readonly kind: 'block';
  readonly offset: bigint;
  readonly journal: string;
  readonly epoch: bigint;
  /** 0, 1, 2 … within the epoch. */
  readonly seq: bigint;
  /** Offset of the incarnation's record before this one; inside a send of several blocks, the expected one. */
  readonly prev: bigint;
  /** Position of the last Commit or Progress before the block; in a slice, before its transaction. */
  readonly after: Position | null;
  readonly slice: SliceHeader | null;
  /** Position of the last Commit or Progress in the block; null where it holds none (a slice that is not the last, Schema events alone). */
  readonly upTo: Position | null;
}

export type RecordHeader = TakeoverHeader | BlockRecordHeader;

/**
 * The record was in force where it lies, whatever else the log holds: a block that directly follows the record that its writer
 * wrote before, because a fenced writer stops at its first block that does not; a Takeover that directly follows what was the
 * log's end when its epoch was taken.
 */
export function isCertain(record: RecordHeader): boolean {
  return record.kind === 'takeover' ? record.epoch === record.offset : record.prev === record.offset - 1n;
}
