import { comparePositions } from '@millrace/codec/position.js';
import { tableKey } from '@millrace/codec/table-key.js';
import type { Position } from '@millrace/contract/position.js';
import type { TableState } from '@millrace/contract/sink.js';
import type { TableId } from '@millrace/contract/table.js';
import type { FromWorker, WorkerFailure, WorkerRole } from '../worker/messages.js';

export interface TableView {
  readonly id: TableId;
  state: TableState;
  /** A load that the journal has named is to bring its rows. */
  awaitsRows: boolean;
  rowsRead: number;
  rowsLoaded: number;
  estimatedRows: number | null;
}

const AWAITS_ROWS: ReadonlySet<TableState> = new Set(['before load', 'full load', 'being reloaded']);

/** What a run knows of itself from its workers' messages; what the screen shows and `--until` decides on. */
export class RunProgress {
  readonly tables = new Map<string, TableView>();
  readonly startedAtMs = performance.now();
  loadedAtMs: number | null = null;
  rowsApplied = 0;
  transactionsApplied = 0;
  /** Null while it is not known: before the first change, and while the worker that would tell it is cut off. */
  sourceLagMs: number | null = null;
  targetLagMs: number | null = null;
  captured: Position | null = null;
  applied: Position | null = null;
  /** Tables whose load the capture has still to name; null: it has not looked yet. */
  awaitingLoad: number | null = null;
  retainedLogBytes: number | null = null;
  errors = 0;
  lastFailure: WorkerFailure | null = null;
  /** Workers that got past their start in this run. */
  readonly atWork = new Set<WorkerRole>();

  /** Folds one message in. */
  take(role: WorkerRole, message: FromWorker): void {
    if (isWork(message)) this.atWork.add(role);
    switch (message.kind) {
      case 'capture':
        this.#capture(message);
        return;
      case 'sink':
        this.#sink(message);
        return;
      case 'retrying':
      case 'failed':
        this.lastFailure = message.failure;
        this.#forgetLag(role);
        return;
      case 'alive':
      case 'stopped':
        return;
    }
  }

  get loaded(): boolean {
    return this.loadedAtMs !== null;
  }

  tableInError(): TableView | undefined {
    return [...this.tables.values()].find(({ state }) => state === 'error');
  }

  /** No table's rows come by a load that is named and not in, or still to be named. */
  get loadsSettled(): boolean {
    return this.awaitingLoad === 0 && ![...this.tables.values()].some(({ awaitsRows }) => awaitsRows);
  }

  /** True once the target's checkpoint has passed the position. */
  hasApplied(position: Position): boolean {
    return this.applied !== null && comparePositions(this.applied, position) >= 0;
  }

  #capture({ status }: Extract<FromWorker, { kind: 'capture' }>): void {
    switch (status.kind) {
      case 'in-force':
        this.captured = status.position;
        this.sourceLagMs = status.lagMs;
        return;
      case 'began': {
        const table = this.#table(status.table);
        table.rowsRead = 0;
        // A table that was never analysed has no estimate.
        table.estimatedRows = status.estimatedRows > 0 ? status.estimatedRows : null;
        return;
      }
      case 'chunk':
        this.#table(status.table).rowsRead += status.rows;
        return;
      case 'retained-log':
        this.retainedLogBytes = status.bytes;
        return;
      case 'awaiting-load':
        this.awaitingLoad = status.tables;
        return;
      case 'claimed':
        this.awaitingLoad = null;
        this.#forgetLag('capture');
        return;
      case 'streaming':
      case 'load-failed':
        return;
    }
  }

  /** The last lag told grows older than it says. Of what is not captured, nobody knows how long the target will lack it. */
  #forgetLag(role: WorkerRole): void {
    if (role === 'capture') this.sourceLagMs = null;
    this.targetLagMs = null;
  }

  #sink({ status }: Extract<FromWorker, { kind: 'sink' }>): void {
    switch (status.kind) {
      case 'opened':
      case 'tables':
        // One that the target does not hold any more was dropped.
        for (const table of this.tables.values()) table.awaitsRows = false;
        for (const { source, state, counts, load } of status.tables) {
          const table = this.#table(source);
          table.state = state;
          table.awaitsRows = load !== null && AWAITS_ROWS.has(state);
          table.rowsLoaded = Number(counts.rowsLoaded);
        }
        if (status.kind === 'opened') this.applied = status.checkpoint?.position ?? null;
        return;
      case 'table':
        this.#table(status.table).state = status.state;
        this.#table(status.table).awaitsRows = AWAITS_ROWS.has(status.state);
        return;
      case 'chunk':
        this.#table(status.table).rowsLoaded += status.rows;
        return;
      case 'loaded':
        this.loadedAtMs ??= performance.now();
        return;
      case 'load-failed':
        return;
      case 'applied':
        this.rowsApplied += status.result.rows;
        this.transactionsApplied += status.result.transactions;
        this.errors += status.result.errors;
        this.applied = status.result.checkpoint.position;
        this.targetLagMs = status.lagMs;
        return;
    }
  }

  #table(id: TableId): TableView {
    const key = tableKey(id);
    const known = this.tables.get(key);
    if (known !== undefined) return known;
    const table: TableView = { id, state: 'before load', awaitsRows: false, rowsRead: 0, rowsLoaded: 0, estimatedRows: null };
    this.tables.set(key, table);
    return table;
  }
}

function isWork(message: FromWorker): boolean {
  if (message.kind === 'capture') return message.status.kind === 'streaming';
  return message.kind === 'sink' && message.status.kind !== 'opened';
}
