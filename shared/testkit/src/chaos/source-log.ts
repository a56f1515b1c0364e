import { withClient } from '../servers.js';

/** What the source may free its log up to, of the one slot in this database; -1 where there is none. */
export const slotPosition = (url: string): Promise<bigint> =>
  withClient(url, async (client) => {
    const { rows } = await client.query<{ at: string }>(
      `SELECT (confirmed_flush_lsn - '0/0')::text AS at FROM pg_replication_slots WHERE database = current_database()`,
    );
    return BigInt(rows[0]?.at ?? -1);
  });

export const endOfLog = (url: string): Promise<bigint> =>
  withClient(url, async (client) => {
    const { rows } = await client.query<{ at: string }>(`SELECT (pg_current_wal_insert_lsn() - '0/0')::text AS at`);
    return BigInt(rows[0]?.at ?? -1);
  });
