import { setTimeout as delay } from 'node:timers/promises';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { quoteIdentifier } from '@millrace/postgres/quote-identifier.js';
import { type Client, DatabaseError } from 'pg';
import { type LsnKey, parseLsn } from './lsn.js';
import { queryError } from './query-error.js';
import { judgeSlot, type SlotExpectation, type SlotState } from './slot-rules.js';
import { sourceClock } from './source-clock.js';

/** How long an ended walsender may take to let go of its slot: it may be in the middle of a write to a stopped client. */
const RELEASE_TIMEOUT_MS = 10_000;
const RELEASE_POLL_MS = 50;

interface SlotRow {
  readonly slot_type: string;
  readonly plugin: string | null;
  readonly database: string | null;
  readonly temporary: boolean;
  readonly restart_lsn: string | null;
  readonly confirmed_flush_lsn: string | null;
  readonly wal_status: string | null;
  readonly invalidation: string | null;
  readonly synced: boolean;
  readonly active_pid: number | null;
  readonly application: string | null;
}

/** The slot as it is now; null: there is none of this name. */
export async function readSlot(client: Client, name: string): Promise<SlotState | null> {
  // Newer servers' columns are read through the row as JSON: one statement for PostgreSQL 13 to 18.
  const { rows } = await client.query<SlotRow>(
    `SELECT s.slot_type, s.plugin::text, s.database::text, s.temporary, s.restart_lsn::text, s.confirmed_flush_lsn::text, s.wal_status,
            coalesce(nullif(to_jsonb(s) ->> 'invalidation_reason', ''), CASE WHEN (to_jsonb(s) ->> 'conflicting')::boolean THEN 'conflicting with recovery' END) AS invalidation,
            coalesce((to_jsonb(s) ->> 'synced')::boolean, false) AS synced,
            s.active_pid, a.application_name AS application
       FROM pg_catalog.pg_replication_slots s
       LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = s.active_pid
      WHERE s.slot_name = $1`,
    [name],
  );
  const [row] = rows;
  if (row === undefined) return null;
  return {
    name,
    type: row.slot_type === 'logical' ? 'logical' : 'physical',
    plugin: row.plugin,
    database: row.database,
    temporary: row.temporary,
    restartLsn: row.restart_lsn === null ? null : parseLsn(row.restart_lsn),
    confirmedFlush: row.confirmed_flush_lsn === null ? null : parseLsn(row.confirmed_flush_lsn),
    walStatus: row.wal_status,
    invalidation: row.invalidation,
    synced: row.synced,
    reader: row.active_pid === null ? null : { pid: row.active_pid, application: row.application ?? '' },
  };
}

/**
 * Makes the slot ready for this incarnation: ends an older one's walsender, then judges whether the stream can go on at `resume`.
 * @returns the slot's confirmed position: everything at or below it was acknowledged.
 * @throws MillraceError SLOT_MISSING, SLOT_FOREIGN, SLOT_IN_USE, SLOT_INVALIDATED, SLOT_AHEAD_OF_JOURNAL, SLOT_BUSY
 */
export async function takeSlot(client: Client, expected: SlotExpectation): Promise<LsnKey> {
  const deadline = performance.now() + RELEASE_TIMEOUT_MS;
  for (;;) {
    const slot = await readSlot(client, expected.slot);
    const decision = judgeSlot(slot, expected);
    switch (decision.do) {
      case 'refuse':
        throw new MillraceError(decision.code, decision.details);
      case 'stream':
        return slot?.confirmedFlush ?? expected.resume;
      case 'end-reader':
        if (performance.now() > deadline)
          throw new MillraceError('SLOT_BUSY', { reason: `process ${decision.pid} does not end` });
        await client.query('SELECT pg_catalog.pg_terminate_backend($1)', [decision.pid]);
        await delay(RELEASE_POLL_MS);
    }
  }
}

export interface CreatedSlot {
  readonly consistentPoint: LsnKey;
  /** Valid until the replication session runs its next command. */
  readonly snapshot: string;
  readonly takenAtMicros: bigint;
}

/**
 * Creates the slot on a replication session, with the snapshot of its consistent point exported from that session.
 * Waits until every transaction that is open now has ended: only then is there a consistent point.
 */
export async function createSlot(replication: Client, name: string): Promise<CreatedSlot> {
  try {
    const takenAtMicros = await sourceClock(replication);
    const { rows } = await replication.query<{ consistent_point: string; snapshot_name: string }>(
      `CREATE_REPLICATION_SLOT ${quoteIdentifier(name)} LOGICAL pgoutput EXPORT_SNAPSHOT`,
    );
    const [row] = rows;
    if (row === undefined) throw new MillraceError('SOURCE_PROTOCOL', { what: 'no answer to CREATE_REPLICATION_SLOT' });
    return { consistentPoint: parseLsn(row.consistent_point), snapshot: row.snapshot_name, takenAtMicros };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const state = cause instanceof DatabaseError ? cause.code : undefined;
    if (state === '53400') throw new MillraceError('SLOT_LIMIT', { reason }, { cause });
    if (state === '55000' && reason.includes('wal_level'))
      throw new MillraceError('SOURCE_WAL_LEVEL', { walLevel: 'lower' }, { cause });
    throw queryError(cause, `creating the replication slot "${name}"`);
  }
}

/**
 * Drops the slot where it is there, ending this task's own reader first; false: there was none.
 * @throws MillraceError SLOT_IN_USE where something else reads from it.
 */
export async function dropSlot(client: Client, name: string, applicationPrefix: string): Promise<boolean> {
  const deadline = performance.now() + RELEASE_TIMEOUT_MS;
  for (;;) {
    const slot = await readSlot(client, name);
    if (slot === null) return false;
    if (slot.reader === null) {
      await client.query('SELECT pg_catalog.pg_drop_replication_slot($1)', [name]);
      return true;
    }
    const { pid, application } = slot.reader;
    if (!application.startsWith(applicationPrefix)) throw new MillraceError('SLOT_IN_USE', { slot: name, pid, application });
    if (performance.now() > deadline) throw new MillraceError('SLOT_BUSY', { reason: `process ${pid} does not end` });
    await client.query('SELECT pg_catalog.pg_terminate_backend($1)', [pid]);
    await delay(RELEASE_POLL_MS);
  }
}
