import type { Client } from 'pg';

/** What the walsender of a slot is doing, as the server shows it: whether silence means that it works or that nothing arrives. */
export async function walsenderWorks(client: Client, slot: string): Promise<boolean> {
  const { rows } = await client.query<{ wait_event_type: string | null }>(
    `SELECT a.wait_event_type FROM pg_catalog.pg_replication_slots s
       JOIN pg_catalog.pg_stat_activity a ON a.pid = s.active_pid WHERE s.slot_name = $1`,
    [slot],
  );
  const [row] = rows;
  // Client and Activity: it waits for us or for new log, and would have answered. Anything else: it reads and decodes.
  return row !== undefined && row.wait_event_type !== 'Client' && row.wait_event_type !== 'Activity';
}

/** Milliseconds after which the server gives up a silent client; 0: never. */
export async function walsenderTimeoutMs(client: Client): Promise<number> {
  const { rows } = await client.query<{ setting: string }>(
    `SELECT setting FROM pg_catalog.pg_settings WHERE name = 'wal_sender_timeout'`,
  );
  return Number(rows[0]?.setting ?? 0);
}

/** Bytes of log that the server keeps for the slot. */
export async function retainedLogBytes(client: Client, slot: string): Promise<number> {
  const { rows } = await client.query<{ bytes: string | null }>(
    `SELECT pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END, restart_lsn)::text AS bytes
       FROM pg_catalog.pg_replication_slots WHERE slot_name = $1`,
    [slot],
  );
  return Number(rows[0]?.bytes ?? 0);
}
