import type { LoadBegan, LoadError, LoadRecord } from '@millrace/codec/load-record.js';
import { tableKey } from '@millrace/codec/table-key.js';
import type { KeyRange } from '@millrace/contract/load.js';

interface BegunChunk {
  readonly keys: KeyRange | null;
  ended: boolean;
}

interface Attempt {
  readonly began: LoadBegan;
  readonly chunks: Map<number, BegunChunk>;
}

/** What the control partition has said so far of one table's load. */
export interface LoadState {
  readonly load: string;
  /** The snapshot in which it was begun last; null while it is only requested. */
  began: LoadBegan | null;
  /** Attempts below this one do not count: the table was started again. */
  firstAttempt: number;
  /** Those that count, by number. */
  readonly attempts: Map<number, Attempt>;
  /** Number of chunks, once the capture has written the last one. */
  chunks: number | null;
  /** Its rows do not come any more: the table is set aside with the error, or, without one, the journal says what becomes of it. */
  cancelled: { readonly error: LoadError | null } | null;
}

/** An attempt at a chunk whose rows count once they are complete. */
export interface CountingChunk {
  readonly began: LoadBegan;
  readonly keys: KeyRange | null;
}

/** Folds control records, in order, into the latest load of every table. Records of a fenced capture are ignored. */
export class LoadStates {
  readonly #tables = new Map<string, LoadState>();
  #epoch = -1n;

  /** The highest epoch so far: what captures of lower ones have said is all that counts of them. */
  get epoch(): bigint {
    return this.#epoch;
  }

  /** Returns false for a record that a fenced capture wrote. */
  apply(record: LoadRecord): boolean {
    if (record.epoch < this.#epoch) return false;
    this.#epoch = record.epoch;
    const key = tableKey(record.table);
    const state = this.#tables.get(key);
    if (record.kind === 'requested') {
      this.#tables.set(key, {
        load: record.load,
        began: null,
        firstAttempt: 1,
        attempts: new Map(),
        chunks: null,
        cancelled: null,
      });
    } else if (state?.load === record.load) follow(state, record);
    return true;
  }

  of(table: LoadRecord['table']): LoadState | undefined {
    return this.#tables.get(tableKey(table));
  }
}

function follow(state: LoadState, record: LoadRecord): void {
  switch (record.kind) {
    case 'began':
      state.began = record;
      state.chunks = null;
      if (record.restart) {
        state.firstAttempt = record.attempt;
        state.attempts.clear();
      }
      state.attempts.set(record.attempt, { began: record, chunks: new Map() });
      break;
    case 'chunk-began':
      state.attempts.get(record.attempt)?.chunks.set(record.chunk.index, { keys: record.chunk.keys, ended: false });
      break;
    case 'chunk-ended': {
      const chunk = state.attempts.get(record.attempt)?.chunks.get(record.chunk);
      if (chunk !== undefined) chunk.ended = true;
      break;
    }
    case 'ended':
      state.chunks = record.chunks;
      break;
    case 'cancelled':
      state.cancelled = { error: record.error };
      break;
    default:
  }
}

/**
 * Whether an attempt at a chunk counts, as the capture judges it: every chunk of the latest attempt, and of earlier ones those
 * that had ended before it began, for the others are read again. 'not yet': the control partition has not told of it.
 */
export function countingChunk(state: LoadState, attempt: number, chunk: number): CountingChunk | 'never' | 'not yet' {
  const found = state.attempts.get(attempt);
  const begun = found?.chunks.get(chunk);
  const latest = state.began?.attempt ?? 0;
  if (attempt < state.firstAttempt || (attempt < latest && begun?.ended !== true)) return 'never';
  return found === undefined || begun === undefined ? 'not yet' : { began: found.began, keys: begun.keys };
}
