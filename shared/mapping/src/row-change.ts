import type { Row } from '@millrace/contract/row.js';

/** A row event as objects: old image where the log carried one, new image except for deletes. */
export interface RowChange {
  readonly kind: 'insert' | 'update' | 'delete';
  readonly before: Row | null;
  readonly after: Row | null;
}

/**
 * Where a row comes from: what headers and `'now'` in expressions are made of. Everything in it is in the journal or the load topic, so
 * that a change applied again, by whom and whenever, gives the same values.
 */
export type RowOrigin =
  /** `timeMicros`: the source's clock before the snapshot was taken; no later change of the row has an earlier time. */
  | { readonly phase: 'load'; readonly timeMicros: bigint }
  | {
      readonly phase: 'changes';
      /** The position's key: lower-case hexadecimal that compares as text in commit order. */
      readonly position: string;
      readonly transactionId: string;
      /** The source's commit time. */
      readonly timeMicros: bigint;
      /** A commit time at or after this one's that never goes back along the stream, as the source's clock may. */
      readonly clockMicros: bigint;
      /** Grows with every change along the stream, below 10^19. */
      readonly changeNumber: bigint;
    };
