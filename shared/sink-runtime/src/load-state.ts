import type { LoadBegan, LoadRecord } from '@millrace/codec/load-record.js';
import { tableKey } from '@millrace/codec/table-key.js';

/** What the control partition has said so far of one table's load. */
export interface LoadState {
  readonly load: string;
  /** The snapshot in which it was begun last; null while it is only requested. */
  began: LoadBegan | null;
  /** Attempts below this one do not count: the table was started again. */
  firstAttempt: number;
  /** Number of chunks, once the capture has written the last one. */
  chunks: number | null;
}

/** Folds control records, in order, into the latest load of every table. Records of a fenced capture are ignored. */
export class LoadStates {
  readonly #tables = new Map<string, LoadState>();
  #epoch = -1n;

  /** Returns false for a record that a fenced capture wrote. */
  apply(record: LoadRecord): boolean {
    if (record.epoch < this.#epoch) return false;
    this.#epoch = record.epoch;
    const key = tableKey(record.table);
    const state = this.#tables.get(key);
    if (record.kind === 'requested') {
      this.#tables.set(key, { load: record.load, began: null, firstAttempt: 1, chunks: null });
    } else if (state?.load === record.load) {
      if (record.kind === 'began') {
        state.began = record;
        if (record.restart) state.firstAttempt = record.attempt;
        state.chunks = null;
      } else if (record.kind === 'ended') state.chunks = record.chunks;
    }
    return true;
  }

  of(table: LoadRecord['table']): LoadState | undefined {
    return this.#tables.get(tableKey(table));
  }
}
