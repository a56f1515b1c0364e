import { ChunkDigest } from '@millrace/codec/chunk-digest.js';
import type { LoadEvent } from '@millrace/codec/load-record.js';
import { tableKey } from '@millrace/codec/table-key.js';
import type { ChunkEncoding, ChunkSpec, RowFilter, Snapshot, SnapshotTable } from '@millrace/contract/load.js';
import type { Position } from '@millrace/contract/position.js';
import type { TableId, TableSchema, TableVersion } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { AbortScope, abortable, onAbort } from '@millrace/flow/abort.js';
import { BoundedQueue } from '@millrace/flow/bounded-queue.js';
import { Changes } from '@millrace/flow/changes.js';
import { deferred } from '@millrace/flow/deferred.js';
import type { LoadTopicWriter } from '@millrace/journal/load-topic.js';
import { crashPoint } from '@millrace/telemetry/crash-point.js';
import { canContinue, newPendingLoad, type PendingLoad, type ResolveVersion, readAgain } from './load-plan.js';
import { afterFailure, concernsOneTable, MAX_LOST_SNAPSHOTS, pauseMs } from './load-retry.js';

export interface LoadProducerOptions {
  readonly topic: Pick<LoadTopicWriter, 'lanes' | 'control' | 'rows' | 'controlRecords'>;
  /** A further exact snapshot, where the one handed over is gone or there was none. */
  readonly snapshot: (tables: readonly TableId[], signal: AbortSignal) => Promise<Snapshot>;
  /** The tables' versions now; a table that is gone is missing. */
  readonly versions: (tables: readonly TableId[]) => Promise<readonly TableVersion[]>;
  readonly resolve: ResolveVersion;
  readonly filter: (table: TableId) => RowFilter | null;
  /** Whether the table's key values reach the target as they are, so that changes can be told apart by them. */
  readonly keepsKeys: (table: TableSchema) => boolean;
  readonly encoding: (table: TableSchema) => ChunkEncoding;
  /** The source's own estimate of a table's rows, before its first chunk. */
  readonly onBegan?: (table: TableId, estimatedRows: number) => void;
  readonly onChunk: (chunk: {
    readonly table: TableId;
    readonly load: string;
    readonly index: number;
    readonly rows: number;
  }) => void;
  readonly signal: AbortSignal;
}

interface ChunkJob {
  readonly pending: PendingLoad;
  readonly table: SnapshotTable;
  readonly chunk: ChunkSpec;
  readonly done: () => void;
}

/**
 * Reads the rows of tables that wait for a load and writes them to the load topic: table after table in load order, chunk i
 * of a table into lane i modulo the number of lanes, one reader per lane. Lanes carry rows; the control partition carries
 * what a restart or a sink needs to know without reading rows: which chunks were begun, ended, and as of which position.
 * A table that cannot be read is tried again after a pause, and set aside where that does not help; the others go on.
 */
export class LoadProducer {
  readonly #options: LoadProducerOptions;
  readonly #pending = new Map<string, PendingLoad>();
  readonly #changes = new Changes();
  #snapshotsLost = 0;

  constructor(options: LoadProducerOptions, unfinished: readonly PendingLoad[]) {
    this.#options = options;
    for (const load of unfinished) this.#pending.set(tableKey(load.version.source), load);
  }

  /** Makes the request durable; the journal may name the load from here on. An earlier load of the table ends unfinished. */
  async request(version: TableVersion, load: string): Promise<void> {
    await this.#options.topic.control({ kind: 'requested', load, table: version.source, registryId: version.registryId });
    const key = tableKey(version.source);
    const earlier = this.#pending.get(key);
    if (earlier !== undefined) earlier.finished = true;
    this.#pending.set(key, newPendingLoad(load, version));
    this.#changes.notify();
  }

  /**
   * For a Schema event that drops the table or sets it aside: what to do once it is in force in the journal. Its unfinished load is
   * cancelled then and not before: a load that is cancelled without such an event would leave the table without its rows. Null: no
   * load of it is unfinished.
   */
  cancellationOf(table: TableId): (() => Promise<void>) | null {
    const load = this.#pending.get(tableKey(table));
    return load === undefined || load.finished ? null : () => this.#cancel(load, null);
  }

  /** Runs until the signal. `first` is the snapshot that was exported with the log's start, if there is one. */
  async run(first: Snapshot | null): Promise<void> {
    const { signal } = this.#options;
    let snapshot = first;
    while (!signal.aborted) {
      const batch = this.#due();
      if (batch.length === 0) {
        await snapshot?.[Symbol.asyncDispose]();
        snapshot = null;
        await this.#somethingIsDue();
        continue;
      }
      try {
        if (snapshot === null) await this.#announce(batch);
        snapshot ??= await this.#options.snapshot(
          batch.map(({ version }) => version.source),
          signal,
        );
        // After the snapshot: a table that changed in between is refused when it is read.
        await this.#loadAll(snapshot, await this.#renew(batch, snapshot));
      } catch (error) {
        const lost = error instanceof MillraceError && error.code === 'SNAPSHOT_LOST';
        this.#snapshotsLost += 1;
        if (!lost || this.#snapshotsLost >= MAX_LOST_SNAPSHOTS) throw error;
        for (const load of batch) load.dueAtMs = performance.now() + pauseMs(this.#snapshotsLost);
      } finally {
        await snapshot?.[Symbol.asyncDispose]();
        snapshot = null;
      }
    }
    await snapshot?.[Symbol.asyncDispose]();
  }

  /**
   * Begins an attempt that reads nothing, for loads that were begun before: from here on no earlier capture is heard, and the sink lets
   * go of chunks that will not end. Before the snapshot, which waits for every transaction of the source's server: the sink's may be
   * among them.
   */
  async #announce(batch: readonly PendingLoad[]): Promise<void> {
    for (const pending of batch) {
      if (pending.asOf === null) continue;
      pending.attempt += 1;
      await this.#began(pending, {
        asOf: pending.asOf,
        takenAtMicros: null,
        restart: false,
        estimate: { rows: 0, bytes: 0 },
      });
    }
  }

  async #began(
    pending: PendingLoad,
    {
      asOf,
      takenAtMicros,
      restart,
      estimate,
    }: {
      readonly asOf: Position;
      readonly takenAtMicros: bigint | null;
      readonly restart: boolean;
      readonly estimate: { readonly rows: number; readonly bytes: number };
    },
  ): Promise<void> {
    const { topic, encoding, resolve, signal } = this.#options;
    const { load, version, attempt } = pending;
    pending.asOf = asOf;
    await topic.control({
      kind: 'began',
      load,
      table: version.source,
      registryId: version.registryId,
      attempt,
      asOf,
      restart,
      encoding: encoding(version.schema),
      estimatedRows: estimate.rows,
      estimatedBytes: estimate.bytes,
      takenAtMicros,
    });
    if (pending.inherited) await readAgain(pending, topic.controlRecords(signal), resolve);
  }

  /**
   * Loads that were begun before: those that cannot go on in this snapshot start again, with the table's version of now. A table that
   * the source does not have is left out: the stream drops it or sets it aside, or it comes back.
   */
  async #renew(batch: readonly PendingLoad[], { position }: Snapshot): Promise<readonly PendingLoad[]> {
    const begun = batch.filter(({ attempt }) => attempt > 0);
    if (begun.length === 0) return batch;
    const versions = await this.#options.versions(begun.map(({ version }) => version.source));
    const current = new Map(versions.map((version) => [tableKey(version.source), version]));
    for (const load of begun) {
      const now = current.get(tableKey(load.version.source));
      load.absences = now === undefined ? load.absences + 1 : 0;
      if (now === undefined) {
        load.dueAtMs = performance.now() + pauseMs(load.absences);
        continue;
      }
      load.restart = !canContinue(load, position, now) || !this.#options.keepsKeys(load.version.schema);
      if (load.restart) load.version = now;
    }
    return batch.filter(({ absences }) => absences === 0);
  }

  #due(): PendingLoad[] {
    for (const [key, load] of this.#pending) if (load.finished) this.#pending.delete(key);
    const nowMs = performance.now();
    return [...this.#pending.values()].filter(({ dueAtMs }) => dueAtMs <= nowMs);
  }

  async #somethingIsDue(): Promise<void> {
    const { signal } = this.#options;
    while (!signal.aborted && this.#due().length === 0) {
      const firstMs = Math.min(...[...this.#pending.values()].map(({ dueAtMs }) => dueAtMs));
      const pauseOver = (): void => this.#changes.notify();
      const timer = firstMs === Infinity ? undefined : setTimeout(pauseOver, Math.ceil(firstMs - performance.now()));
      await this.#changes.wait(signal);
      clearTimeout(timer);
    }
  }

  async #cancel(pending: PendingLoad, error: MillraceError | null): Promise<void> {
    if (pending.finished) return;
    pending.finished = true;
    crashPoint('load-cancelling');
    await this.#options.topic.control({
      kind: 'cancelled',
      load: pending.load,
      table: pending.version.source,
      error: error === null ? null : { code: error.code, message: error.message },
    });
    crashPoint('load-cancelled');
  }

  async #loadAll(snapshot: Snapshot, batch: readonly PendingLoad[]): Promise<void> {
    using stop = new AbortScope(this.#options.signal);
    const { signal } = stop;
    const lanes = Array.from({ length: this.#options.topic.lanes }, () => new BoundedQueue<ChunkJob>(1));
    const dispatch = async (): Promise<void> => {
      const ends: Promise<void>[] = [];
      for (const [at, pending] of batch.entries()) {
        if (pending.finished) continue;
        const { ended } = await this.#dispatchTable({ snapshot, pending, lanes, firstLane: at, signal });
        // Awaited when all are dispatched; a failure before that must not count as unhandled.
        ended.catch(() => undefined);
        ends.push(ended);
      }
      for (const queue of lanes) queue.end();
      await Promise.all(ends);
    };
    const work = [dispatch(), ...lanes.map((queue, lane) => this.#readLane(snapshot, queue, lane, signal))];
    using _ = onAbort(signal, () => {
      for (const queue of lanes) queue.fail(signal.reason);
    });
    try {
      await Promise.all(work);
    } catch (error) {
      stop.abort(error);
      await Promise.allSettled(work);
      if (!this.#options.signal.aborted) throw error;
    }
  }

  /** Queues every chunk of the table; `ended` resolves when the last one is written and the table's end with it. */
  async #dispatchTable(options: {
    readonly snapshot: Snapshot;
    readonly pending: PendingLoad;
    readonly lanes: readonly BoundedQueue<ChunkJob>[];
    readonly firstLane: number;
    readonly signal: AbortSignal;
  }): Promise<{ readonly ended: Promise<void> }> {
    const { snapshot, pending, lanes, firstLane, signal } = options;
    const { topic } = this.#options;
    const { load } = pending;
    const source = pending.version.source;
    const table: SnapshotTable = {
      schema: pending.version.schema,
      filter: this.#options.filter(source),
      encoding: this.#options.encoding(pending.version.schema),
    };
    const { restart } = pending;
    if (restart) {
      pending.begun.length = 0;
      pending.ended.clear();
      pending.restart = false;
    }
    pending.failure = null;
    pending.attempt += 1;
    const { attempt } = pending;
    const estimate = await snapshot.estimate(source);
    this.#options.onBegan?.(source, estimate.rows);
    await this.#began(pending, { asOf: snapshot.position, takenAtMicros: snapshot.takenAtMicros, restart, estimate });
    crashPoint('load-began');

    let open = 1;
    const allRead = deferred();
    const done = (): void => {
      open -= 1;
      if (open === 0) allRead.resolve();
    };
    const read = async (chunk: ChunkSpec): Promise<void> => {
      const lane = (firstLane + chunk.index) % lanes.length;
      await topic.control({ kind: 'chunk-began', load, table: source, attempt, chunk, lane });
      open += 1;
      await lanes[lane]?.push({ pending, table, chunk, done });
    };
    const last = pending.begun.at(-1) ?? null;
    for (const chunk of pending.begun.filter(({ index }) => !pending.ended.has(index))) {
      if (isOver(pending)) break;
      await read(chunk);
    }
    await noteFailure(pending, async () => {
      for await (const chunk of snapshot.chunks(table, last, signal)) {
        if (isOver(pending)) break;
        pending.begun.push(chunk);
        await read(chunk);
      }
    });
    done();
    return { ended: this.#endTable(pending, allRead.promise, signal) };
  }

  /** Writes the table's end after its last chunk, unless it was cancelled or requested anew, or is to be read again. */
  async #endTable(pending: PendingLoad, allRead: Promise<void>, signal: AbortSignal): Promise<void> {
    await abortable(allRead, signal);
    if (pending.finished) return;
    if (pending.failure !== null) {
      await this.#afterFailure(pending, pending.failure);
      return;
    }
    if (pending.restart) return;
    await this.#options.topic.control({
      kind: 'ended',
      load: pending.load,
      table: pending.version.source,
      attempt: pending.attempt,
      chunks: pending.begun.length,
    });
    pending.finished = true;
    crashPoint('load-ended');
  }

  async #afterFailure(pending: PendingLoad, failure: MillraceError): Promise<void> {
    pending.failures += 1;
    const decision = afterFailure(pending.version.source, pending.failures, failure);
    if (decision.do === 'set-aside') await this.#cancel(pending, decision.error);
    else pending.dueAtMs = performance.now() + decision.ms;
  }

  async #readLane(snapshot: Snapshot, queue: BoundedQueue<ChunkJob>, lane: number, signal: AbortSignal): Promise<void> {
    for await (const job of queue) {
      if (!isOver(job.pending)) await noteFailure(job.pending, () => this.#readChunk(snapshot, job, lane, signal));
      job.done();
    }
  }

  async #readChunk(snapshot: Snapshot, job: ChunkJob, lane: number, signal: AbortSignal): Promise<void> {
    const { topic } = this.#options;
    const { pending, table, chunk } = job;
    const about = { load: pending.load, table: pending.version.source, attempt: pending.attempt, chunk: chunk.index };
    const digest = new ChunkDigest();
    let rows = 0;
    let parts = 0;
    for await (const part of snapshot.read(table, pending.version, chunk, signal)) {
      digest.update(part.bytes);
      await topic.rows(lane, { kind: 'rows', ...about, seq: parts, rows: part.rows, bytes: part.bytes });
      rows += part.rows;
      parts += 1;
      crashPoint('load-rows');
    }
    const end: LoadEvent = {
      kind: 'chunk-ended',
      ...about,
      parts,
      rows,
      digest: digest.hex,
      asOf: snapshot.position,
      keys: chunk.keys,
    };
    await topic.rows(lane, end);
    await topic.control(end);
    pending.ended.add(chunk.index);
    this.#snapshotsLost = 0;
    this.#options.onChunk({ table: pending.version.source, load: pending.load, index: chunk.index, rows });
  }
}

/** Nothing more is read in the attempt under way. */
function isOver({ finished, restart, failure }: PendingLoad): boolean {
  return finished || restart || failure !== null;
}

/** Reads of one table; what goes wrong with that table alone ends its attempt and no other's. */
async function noteFailure(pending: PendingLoad, reading: () => Promise<void>): Promise<void> {
  try {
    await reading();
  } catch (error) {
    if (!concernsOneTable(error)) throw error;
    pending.failure ??= error;
    pending.restart ||= error.code === 'TABLE_REWRITTEN';
  }
}
