import type { ReaderError } from './reader-rules.js';
import type { RecordHeader } from './record-header.js';

export type ReplyDecision =
  | { readonly kind: 'in-force' }
  /** Something lies between the writer's last record and this one, `[from, to)`: only reading it tells. */
  | { readonly kind: 'read-between'; readonly from: bigint; readonly to: bigint }
  | { readonly kind: 'truncated' };

/** What Kafka's reply to a send says; `prev` is the writer's last record, `offset` the first one of the send (Protocol, Capture 6). */
export function judgeReply(prev: bigint, offset: bigint): ReplyDecision {
  if (offset === prev + 1n) return { kind: 'in-force' };
  if (offset <= prev) return { kind: 'truncated' };
  return { kind: 'read-between', from: prev + 1n, to: offset };
}

export interface Incarnation {
  readonly journal: string;
  readonly epoch: bigint;
}

export type BetweenDecision =
  | { readonly kind: 'in-force' }
  | { readonly kind: 'fenced'; readonly epoch: bigint; readonly offset: bigint }
  | { readonly kind: 'error'; readonly error: ReaderError };

/**
 * Judges the records that follow the writer's last one. A newer Takeover fences it for good; blocks of older incarnations and copies of
 * its own sends are ignored by every reader and change nothing.
 */
export function judgeBetween({ journal, epoch }: Incarnation, records: Iterable<RecordHeader>): BetweenDecision {
  for (const record of records) {
    if (record.kind === 'takeover' && record.epoch > epoch) return { kind: 'fenced', epoch: record.epoch, offset: record.offset };
    if (record.kind === 'block' && record.journal !== journal) {
      return {
        kind: 'error',
        error: { code: 'JOURNAL_FOREIGN', offset: record.offset, expected: journal, found: record.journal },
      };
    }
    if (record.kind === 'block' && record.epoch > epoch) {
      const what = `its epoch ${record.epoch} has no Takeover; epoch ${epoch} is in force`;
      return { kind: 'error', error: { code: 'JOURNAL_INCONSISTENT', offset: record.offset, what } };
    }
  }
  return { kind: 'in-force' };
}
