import type { Row } from '@millrace/contract/row.js';

/** A row event as objects: old image where the log carried one, new image except for deletes. */
export interface RowChange {
  readonly kind: 'insert' | 'update' | 'delete';
  readonly before: Row | null;
  readonly after: Row | null;
}

/** Where a row comes from: what headers and `'now'` in expressions are made of. The same change always brings the same. */
export interface RowOrigin {
  readonly phase: 'load' | 'changes';
  /** As people see it, `0/9A3C1F20`; empty for a loaded row. */
  readonly position: string;
  readonly transactionId: string;
  /** Commit time of the change; the snapshot's or load's time for a loaded row. */
  readonly timeMicros: bigint;
  /** Grows along the stream, below 10^19: unique for the change. */
  readonly changeNumber: bigint;
}

/**
 * What becomes of a change. `upsert` comes only from tables with `operation_indicator`, where a deleted row stays, flagged, and
 * may be inserted again.
 */
export interface MappedChange {
  readonly kind: 'insert' | 'update' | 'delete' | 'upsert';
  readonly before: Row | null;
  readonly after: Row | null;
}
