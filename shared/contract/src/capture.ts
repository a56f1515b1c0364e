import type { EventWriter } from './events.js';
import type { Finding } from './finding.js';
import type { RowFilter, Snapshot } from './load.js';
import type { Position } from './position.js';
import type { TableId, TableSchema, TableVersion } from './table.js';

/** A thing in the source's catalogue that a selection could name. */
export interface SourceTable {
  readonly id: TableId;
  readonly kind:
    | 'table'
    | 'partitioned'
    | 'partition'
    | 'view'
    | 'materialized-view'
    | 'foreign'
    | 'temporary'
    | 'unlogged'
    | 'system';
  /** For a partition, the root it is carried under. */
  readonly root: TableId | null;
}

/** Decides which tables belong to the task; pure, from the table mappings. */
export interface TableSelector {
  /**
   * `selected` holds only for tables that can be carried (`table`, `partitioned`, and a `partition` where its root is selected);
   * `explicit`: named without a wildcard. Tables with a higher `loadOrder` are loaded first.
   */
  select(table: SourceTable): { readonly selected: boolean; readonly explicit: boolean; readonly loadOrder: number };
  /** Conditions on the table's rows; null: all rows. For a partition, ask for its root. Text compares by its bytes (COLLATE "C"). */
  filter(table: TableId): RowFilter | null;
  /** Findings over everything that the source's catalogue holds; a connector's own `assess` includes them. */
  assess(tables: readonly SourceTable[]): readonly Finding[];
}

/** Names of what capture owns in the source. They hold the journal's id, so that a topic made anew gets a slot of its own. */
export interface CaptureIdentity {
  readonly task: string;
  readonly journal: string;
}

export interface Attached {
  /** Where the source's log can be read from at the earliest: everything at or below it was acknowledged. */
  readonly acknowledged: Position;
  /** Present when the source's log was opened for the first time: the view consistent at `acknowledged`. */
  readonly snapshot: Snapshot | null;
}

/**
 * Reads one source. Methods are called in the order: assess → attach → (describe, stream, acknowledge, snapshot …) → dispose.
 * A connector holds no state that a crash may lose: the journal's tail decides where it goes on. Disposing may come at any time and ends
 * calls that are still open, with an error and at once, whatever they wait for: how a stop ends what hangs.
 */
export interface CaptureSource extends AsyncDisposable {
  /** Preflight: reads only, leaves nothing behind. */
  assess(selector: TableSelector): Promise<readonly Finding[]>;
  /** Tables that the selector takes now, with their current schemas, in load order. */
  describe(selector: TableSelector): Promise<readonly TableSchema[]>;
  /** The end of the source's log now: what `--until caught-up` waits for. */
  currentPosition(): Promise<Position>;
  /**
   * Opens the source's log for this capture, ending an older incarnation's reader. With `resume` null everything is made anew
   * (a slot left without a journal record is dropped first) and a snapshot is exported with it.
   * @throws MillraceError SLOT_MISSING, SLOT_INVALIDATED, SLOT_FOREIGN, SLOT_IN_USE, TIMELINE_FORKED, SOURCE_CHANGED …
   */
  attach(identity: CaptureIdentity, selector: TableSelector, resume: Position | null): Promise<Attached>;
  /** A further exact view, e.g. for tables added later or when the first one died (PostgreSQL: a temporary slot's). */
  snapshot(tables: readonly TableId[], signal: AbortSignal): Promise<Snapshot>;
  /**
   * Streams everything after the position until the signal; transactions at or below it are dropped. Waits for
   * `journal.ready()` before reading on. Calls `needsLoad` for a table whose rows the stream cannot carry.
   */
  stream(after: Position, journal: EventWriter, options: StreamOptions): Promise<void>;
  /** Kafka has everything up to here durably: the source may free its log. Idle keepalives repeat the last one. */
  acknowledge(upTo: Position): void;
  /** What people see: `0/9A3C1F20`. */
  formatPosition(position: Position): string;
  /** Drops what `attach` made. Used by `millrace remove` and by a refused first start. */
  remove(identity: CaptureIdentity): Promise<readonly string[]>;
}

export interface StreamOptions {
  readonly selector: TableSelector;
  /** Versions in force at `after`, as the journal's writer or its tail gave them: an unchanged table's rows use its version without a new Schema event. */
  readonly known: readonly TableVersion[];
  readonly signal: AbortSignal;
  /**
   * A table whose rows the stream alone cannot bring (it appeared, was rewritten, renamed, …): returns the load's id, which the
   * connector puts into the Schema event that it writes at this place of the stream.
   */
  readonly needsLoad: (table: TableSchema, reason: string) => string;
  /**
   * How many tables' changes the stream leaves out because a load is to bring them that no Schema event has announced yet. Called after
   * each look at the catalogue has reached the stream, the first one included, and whenever a table joins: only after a 0 does a position of the source say that everything before it was carried.
   */
  readonly onAwaitingLoad?: (tables: number) => void;
  /** Bytes of log that the source holds for us, for the lag metric and its guard. */
  readonly onRetainedLog?: (bytes: number) => void;
}
