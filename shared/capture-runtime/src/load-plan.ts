import type { LoadRecord } from '@millrace/codec/load-record.js';
import { comparePositions } from '@millrace/codec/position.js';
import { tableKey } from '@millrace/codec/table-key.js';
import type { ChunkSpec } from '@millrace/contract/load.js';
import type { Position } from '@millrace/contract/position.js';
import type { TableVersion } from '@millrace/contract/table.js';
import type { MillraceError } from '@millrace/errors/millrace-error.js';

/** A table's load as the control partition of the load topic tells it: what is still to be read after a restart. */
export interface PendingLoad {
  readonly load: string;
  /** As the load was requested; from the last attempt on that began with another, that one. */
  version: TableVersion;
  /** The last attempt begun; the next one is a number higher. */
  attempt: number;
  /** Snapshot of the last attempt; null before the first. */
  asOf: Position | null;
  /** Chunks begun, by index: a later attempt reads the ones not ended again, over the same keys. */
  readonly begun: ChunkSpec[];
  readonly ended: Set<number>;
  /** Told of by the control partition alone: an earlier capture may be writing of it until a record of this one fences it. */
  inherited: boolean;
  /** Ended, cancelled, or superseded by a later load of the same table. */
  finished: boolean;
  /** The table was rewritten under its last snapshot: every chunk is read anew. */
  restart: boolean;
  /** What ended the attempt under way; null: nothing has. */
  failure: MillraceError | null;
  /** Attempts that this process has seen fail. */
  failures: number;
  /** Times in a row that the source did not have the table: what becomes of it the stream tells. */
  absences: number;
  /** By performance.now(): not attempted before. */
  dueAtMs: number;
}

export function newPendingLoad(load: string, version: TableVersion): PendingLoad {
  return {
    load,
    version,
    attempt: 0,
    asOf: null,
    begun: [],
    ended: new Set(),
    inherited: false,
    finished: false,
    restart: false,
    failure: null,
    failures: 0,
    absences: 0,
    dueAtMs: 0,
  };
}

/** Gives the table version of a registry id. */
export type ResolveVersion = (registryId: number) => Promise<TableVersion>;

/** Folds the control partition into the loads that are not ended. A table that was requested again replaces its earlier load. */
export async function pendingLoads(records: AsyncIterable<LoadRecord>, resolve: ResolveVersion): Promise<PendingLoad[]> {
  const pending = new Map<string, PendingLoad>();
  for await (const record of records) {
    const key = tableKey(record.table);
    if (record.kind === 'requested') {
      pending.set(key, { ...newPendingLoad(record.load, await resolve(record.registryId)), inherited: true });
      continue;
    }
    const load = pending.get(key);
    if (load?.load !== record.load) continue;
    if (record.kind === 'ended' || record.kind === 'cancelled') pending.delete(key);
    else await follow(load, record, resolve);
  }
  return [...pending.values()];
}

/**
 * Tables whose last load, ended or not, was read at a place that the journal has not reached, by table key. On another timeline that place
 * may lie beyond the fork: their rows may never have been in the source as it goes on.
 */
export async function loadedBeyond(records: AsyncIterable<LoadRecord>, journal: Position): Promise<ReadonlySet<string>> {
  const beyond = new Set<string>();
  for await (const record of records) {
    const key = tableKey(record.table);
    if (record.kind === 'requested') beyond.delete(key);
    else if (record.kind === 'began' && comparePositions(record.asOf, journal) > 0) beyond.add(key);
  }
  return beyond;
}

/**
 * Reads anew which chunks were begun and ended, after this capture's own record of the attempt has fenced the earlier captures: now
 * that is definite. Where one of them had begun an attempt of the same number meanwhile, the table starts again.
 */
export async function readAgain(load: PendingLoad, records: AsyncIterable<LoadRecord>, resolve: ResolveVersion): Promise<void> {
  const { attempt } = load;
  let begins = 0;
  load.begun.length = 0;
  load.ended.clear();
  for await (const record of records) {
    if (record.load !== load.load) continue;
    if (record.kind === 'began' && record.attempt >= attempt) begins += 1;
    await follow(load, record, resolve);
  }
  load.inherited = false;
  load.restart = begins > 1;
}

async function follow(load: PendingLoad, record: LoadRecord, resolve: ResolveVersion): Promise<void> {
  switch (record.kind) {
    case 'began':
      load.attempt = record.attempt;
      load.asOf = record.asOf;
      load.version = await resolve(record.registryId);
      if (!record.restart) break;
      load.begun.length = 0;
      load.ended.clear();
      break;
    case 'chunk-began':
      // A later attempt begins the same chunk again, over the same keys.
      if (record.chunk.index === load.begun.length) load.begun.push(record.chunk);
      break;
    case 'chunk-ended':
      load.ended.add(record.chunk);
      break;
    default:
  }
}

/**
 * Whether the chunks that ended may stay while the others are read in another snapshot, at `now`, of the table in version
 * `current`: each chunk must hold a range of keys, every change of such a key must tell the old one, and the rows must have been
 * stored in one way all the time (a TRUNCATE or a rewrite between the snapshots shows in the version).
 */
export function canContinue(load: PendingLoad, now: Position, current: TableVersion | undefined): boolean {
  const { asOf, version } = load;
  if (load.restart || load.begun.length === 0 || asOf === null || current?.fingerprint !== version.fingerprint) return false;
  if (asOf.source !== now.source || asOf.timeline !== now.timeline) return false;
  return load.begun.every(({ keys }) => keys !== null && version.schema.identityColumns.includes(keys.column));
}
