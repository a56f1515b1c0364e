import type { EventBlock } from './events.js';
import type { Finding } from './finding.js';
import type { ChunkEncoding, KeyRange, LoadChunk } from './load.js';
import type { Checkpoint, Position } from './position.js';
import type { TableId, TableSchema, TableVersion } from './table.js';
import type { Claimant } from './task.js';

/** Declared by the connector, proved by its conformance suite. */
export type SinkGuarantee = 'transactional' | 'idempotent' | 'at-least-once';

/** DMS's table states. */
export type TableState = 'before load' | 'full load' | 'completed' | 'cancelled' | 'error' | 'being reloaded';

export type TablePreparation = 'DO_NOTHING' | 'DROP_AND_CREATE' | 'TRUNCATE_BEFORE_LOAD';

export interface LoadPreparation {
  readonly preparation: TablePreparation;
  /** Rows of attempts below it do not count: a table prepared for an earlier one is emptied of what was loaded. */
  readonly firstAttempt: number;
}

/** DMS's words for what to do with a change that the target refuses. */
export type ConflictAction = 'LOG_ERROR' | 'IGNORE_RECORD' | 'SUSPEND_TABLE' | 'STOP_TASK' | 'UPDATE_RECORD' | 'INSERT_RECORD';

/** ErrorBehavior of the task settings, as far as a sink needs it. */
export interface ErrorPolicy {
  /** A value or row that the target cannot hold. */
  readonly data: ConflictAction;
  /** An insert whose key is there already (UPDATE_RECORD: overwrite it). */
  readonly insertConflict: ConflictAction;
  /** An update that meets no row (INSERT_RECORD: insert it). */
  readonly updateConflict: ConflictAction;
  /** A delete that meets no row. */
  readonly deleteConflict: ConflictAction;
}

export interface TableCounts {
  readonly rowsLoaded: bigint;
  readonly inserts: bigint;
  readonly updates: bigint;
  readonly deletes: bigint;
  readonly truncates: bigint;
  readonly ddls: bigint;
  readonly errors: bigint;
}

/** A chunk whose rows are in the target. */
export interface AppliedChunk {
  readonly index: number;
  /** Changes of its keys at or below it are in the rows. */
  readonly asOf: Position;
  readonly keys: KeyRange | null;
}

/** The chunks of a load that are in, and, once all are, the latest snapshot of theirs; null before, or where there are none. */
export interface LoadedRows {
  readonly chunksApplied: readonly AppliedChunk[];
  readonly asOf: Position | null;
}

/** What the target remembers of one table of the task, read and written in the target's own transactions. */
export interface TableProgress extends LoadedRows {
  /** The table's name in the source: that of the journal's events. */
  readonly source: TableId;
  readonly target: TableId;
  readonly state: TableState;
  readonly counts: TableCounts;
  /** The load that the rows came from; null before any. */
  readonly load: string | null;
  readonly error: { readonly code: string; readonly message: string } | null;
}

export interface SinkState {
  /** Null: this task never wrote here. */
  readonly checkpoint: Checkpoint | null;
  readonly tables: readonly TableProgress[];
  /** Fingerprint of the task's definition at its first start. */
  readonly definition: string | null;
}

/** A change that the target refused and the policy set aside: kept whole. */
export interface DeadLetter {
  readonly id: bigint;
  readonly table: TableId;
  readonly position: Position;
  /** Ordinal of the event in its transaction: with the position, the change's identity. */
  readonly ordinal: number;
  readonly kind: 'insert' | 'update' | 'delete' | 'load';
  readonly code: string;
  readonly message: string;
  /** Images as JSON text with exact values; null where there is none. */
  readonly before: string | null;
  readonly after: string | null;
}

/**
 * Changes at or below `asOf` are in the loaded rows. Where chunks were read in different snapshots, `chunks` divides all keys among
 * them, in their order, and `asOf` is the latest: up to it, a change touches a key (the old and the new one apart) only above its range's.
 */
export interface Coverage {
  readonly asOf: Position;
  readonly chunks: readonly { readonly keys: KeyRange; readonly asOf: Position }[];
}

/**
 * Whole source transactions in commit order, to be applied in one target transaction. `blocks` is iterated once; for a
 * `large` group (one transaction in slices) it yields as the journal is read, and throws where a Takeover abandons the transaction.
 */
export interface TransactionGroup {
  readonly large: boolean;
  readonly blocks: AsyncIterable<EventBlock>;
  /** The checkpoint that the group starts from: the guard's expected value. */
  readonly from: Checkpoint;
  /** The checkpoint after the group; known once `blocks` has ended. */
  next(): Checkpoint;
  /** What of a table's changes its loaded rows hold already; null (nearly always): nothing, apply everything. */
  coverage(source: TableId): Coverage | null;
}

export interface ApplyResult {
  readonly checkpoint: Checkpoint;
  readonly transactions: number;
  readonly rows: number;
  /** Commit time of the last transaction, microseconds since 1970; null for a group of Progress alone. */
  readonly lastCommittedAtMicros: bigint | null;
  /** Tables that the policy suspended in this group. */
  readonly suspended: readonly TableId[];
  readonly errors: number;
}

/** Disposing may come at any time and ends calls that are still open, with an error and within seconds, whatever they wait for. */
export interface SinkWriter extends AsyncDisposable {
  readonly guarantee: SinkGuarantee;
  readonly encodings: readonly ChunkEncoding[];
  /** Preflight against the mapped schemas, as `preparation` will treat tables that are there: reads only, leaves nothing behind. */
  assess(tables: readonly TableSchema[], preparation: TablePreparation): Promise<readonly Finding[]>;
  /** What is there, without claiming anything (for `status` and for preflight). */
  inspect(): Promise<SinkState>;
  /** Makes Millrace's own tables where missing and claims the task: older sinks are fenced from here on.
   * @throws MillraceError TASK_CHANGED; SINK_FENCED where the claimant held the claim before and another run has it now. */
  open(definition: string, claimant?: Claimant): Promise<SinkState>;
  /** @throws MillraceError SINK_FENCED where another sink has claimed the task since. */
  checkStillInForce(): Promise<void>;
  /** First checkpoint of a task, before anything is applied. */
  initialize(checkpoint: Checkpoint): Promise<void>;
  /**
   * Makes the target table ready for the load, once per load id; safe to repeat. Returns the chunks that are in already.
   * @throws MillraceError LOAD_RESTART_NOT_EMPTY where a table that held rows of its own would have to be started again.
   */
  prepare(table: TableVersion, load: string, preparation: LoadPreparation): Promise<readonly number[]>;
  /** Applies one chunk in one transaction with its marker; false where the chunk was in already. Safe to repeat. */
  load(chunk: LoadChunk, signal: AbortSignal): Promise<boolean>;
  /** Keys, indexes, ANALYZE after the last of `chunks` chunks; marks the table completed. Safe to repeat. */
  finishLoad(table: TableVersion, load: string, chunks: number): Promise<LoadedRows>;
  /**
   * Applies a group and moves the checkpoint in the same transaction. Resolves only when durable. Schema events are
   * barriers inside it: the table is altered to the new version (existing rows included), created, set aside or marked for its load.
   * @throws MillraceError SINK_FENCED where another sink has moved the checkpoint; nothing was written.
   */
  apply(group: TransactionGroup, signal: AbortSignal): Promise<ApplyResult>;
  /** Puts the table in state error, unless another load than this one is to bring its rows by now. Safe to repeat. */
  setAside(source: TableId, load: string, error: { readonly code: string; readonly message: string }): Promise<void>;
  /** Dead letters not yet published, oldest first, at most `limit`. */
  deadLetters(limit: number): Promise<readonly DeadLetter[]>;
  /** Exactly these: ids are not in commit order, so a lower one may have come meanwhile. */
  deadLettersPublished(ids: readonly bigint[]): Promise<void>;
  /** Drops the task's rows from Millrace's own tables. */
  remove(): Promise<readonly string[]>;
}
