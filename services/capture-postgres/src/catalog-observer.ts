import { tableKey } from '@millrace/codec/table-key.js';
import type { TableSelector } from '@millrace/contract/capture.js';
import type { TableId } from '@millrace/contract/table.js';
import type { MillraceError } from '@millrace/errors/millrace-error.js';
import { sqlStateOf } from '@millrace/postgres/connect-error.js';
import type { Client } from 'pg';
import type { CatalogSession } from './catalog-session.js';
import { type CatalogState, readCatalogState, readLogEnd, type TableState } from './catalog-state.js';
import type { LsnKey } from './lsn.js';
import type { PublishedTables } from './published-tables.js';
import { queryError } from './query-error.js';
import { readTablesByOid, type StoredTable } from './stored-tables.js';

export interface ObservedTable extends StoredTable {
  readonly state: TableState;
  /** Why the source does not let it be published; null: it is. */
  readonly refused: MillraceError | null;
}

/**
 * What the catalogue said at one exact place of the log: two readings with that place between them were the same. The catalogue rows'
 * transaction ids are in the comparison, so a change there and back shows.
 */
export interface Observation {
  readonly at: LsnKey;
  readonly state: CatalogState;
  /** The tables whose state differs from the one asked to be compared with, but for those that cannot be published just now. */
  readonly changed: ReadonlyMap<number, ObservedTable>;
  /** Count of relation messages taken when the first reading began: later ones may tell of newer states. */
  readonly messagesBefore: number;
}

const MAX_READINGS = 10;

/** Watches the catalogue beside the stream, without a lock on anybody's table and without a trigger. */
export class CatalogObserver {
  constructor(
    private readonly session: CatalogSession,
    private readonly selector: TableSelector,
    private readonly published: PublishedTables,
  ) {}

  /**
   * Compares the catalogue with the last state taken over. Where something changed: lets the publications follow, and observes until
   * a place in the log is known that the state holds at. Null: nothing changed, or it changed all the time (look again later).
   */
  observe(applied: ReadonlyMap<number, string>, appliedTypes: string, messages: () => number): Promise<Observation | null> {
    return this.session.run(async (client) => {
      let messagesBefore = messages();
      let before = await readCatalogState(client, this.selector);
      for (let reading = 0; reading < MAX_READINGS; reading++) {
        const oids = changedTables(before, applied, appliedTypes);
        const removed = [...applied.keys()].some((oid) => !before.tables.has(oid));
        if (oids.length === 0 && !removed) return null;
        const stored = await readTablesByOid(client, oids, this.published.publications);
        const refused = await this.published.align(
          client,
          [...before.tables.values()].map(({ id }) => id),
          identities(stored),
        );
        const at = await readLogEnd(client);
        const messagesNow = messages();
        const after = await readCatalogState(client, this.selector);
        if (after.stamp === before.stamp && stored.length === oids.length) {
          const changed = observedTables(after, stored, refused);
          const nothingYet = changed.size === 0 && !removed && after.typesStamp === appliedTypes;
          return nothingYet ? null : { at, state: after, changed, messagesBefore };
        }
        before = after;
        messagesBefore = messagesNow;
      }
      return null;
    });
  }
}

/** Writes a few bytes of log, so that the stream passes what was observed also where nothing else happens. */
export async function nudge(client: Client): Promise<void> {
  try {
    await client.query(`SELECT pg_logical_emit_message(true, 'millrace', '')`);
  } catch (error) {
    // A standby's log moves with its primary's.
    if (sqlStateOf(error) !== '25006' && sqlStateOf(error) !== '55000') throw queryError(error, 'watching the catalogue');
  }
}

function observedTables(
  state: CatalogState,
  stored: readonly StoredTable[],
  refused: ReadonlyMap<string, MillraceError>,
): ReadonlyMap<number, ObservedTable> {
  const observed = new Map<number, ObservedTable>();
  for (const table of stored) {
    const own = state.tables.get(table.oid);
    if (own === undefined) continue;
    const reason = refused.get(tableKey(own.id)) ?? null;
    // A lock on it goes by: left out, it still differs at the next look.
    if (reason?.class !== 'retry') observed.set(table.oid, { ...table, state: own, refused: reason });
  }
  return observed;
}

function changedTables(state: CatalogState, applied: ReadonlyMap<number, string>, appliedTypes: string): readonly number[] {
  // A changed enum or domain may be any table's.
  if (state.typesStamp !== appliedTypes) return [...state.tables.keys()];
  return [...state.tables.values()].filter(({ oid, stamp }) => applied.get(oid) !== stamp).map(({ oid }) => oid);
}

function identities(stored: readonly StoredTable[]): readonly { readonly id: TableId; readonly nameable: boolean }[] {
  return stored.map(({ schema }) => ({ id: schema.id, nameable: schema.replicaIdentity !== 'nothing' }));
}
