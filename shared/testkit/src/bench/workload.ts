import { withClient } from '@millrace/local/postgres.js';

/** What a line replicates: its tables with their first rows, and the backlog that is written once everybody has a slot. */
export interface Workload {
  readonly schema: string;
  readonly tables: readonly string[];
  /** Rows and other changes of the backlog, the sentinel's left out. */
  readonly changes: number;
  readonly transactions: number;
  /** Makes schema and tables with the rows that are there before the backlog, the same in source and target. */
  readonly create: string;
  /** Empties the tables and fills them again with those rows. */
  readonly refill: string;
  /** Writes the backlog, one statement each, outside of a transaction. */
  readonly write: readonly string[];
}

/** A row that is written last: whoever has it has everything before it. */
const SENTINEL = 'CREATE TABLE bench.sentinel (id int PRIMARY KEY);';

/** About 245 bytes a row in COPY's text. */
export const EVENT_COLUMNS = `id bigint NOT NULL, customer integer NOT NULL, placed timestamptz NOT NULL, amount numeric(12,2) NOT NULL,
  ratio double precision NOT NULL, paid boolean NOT NULL, status text NOT NULL, note text NOT NULL`;

/** Rows `first` to `last` of the events table, as a query. */
export function eventRows(first: string, last: string): string {
  return `SELECT i, (i * 7919 % 100000)::int, timestamptz '2026-01-01 00:00+00' + i * interval '1.000001 s', (i % 1000000) / 100.0,
    i / 3.0, i % 3 = 0, (ARRAY['new', 'paid', 'sent', 'returned'])[1 + i % 4], repeat(md5(i::text), 5)
    FROM generate_series((${first})::bigint, (${last})::bigint) i`;
}

/** Inserts alone, in transactions of `perTransaction` rows. */
export function insertWorkload(rows: number, perTransaction = 1_000): Workload {
  const transactions = Math.ceil(rows / perTransaction);
  return {
    schema: 'bench',
    tables: ['events', 'sentinel'],
    changes: rows,
    transactions,
    create: `CREATE TABLE bench.events (${EVENT_COLUMNS}, PRIMARY KEY (id)); ${SENTINEL}`,
    refill: 'TRUNCATE bench.events, bench.sentinel;',
    write: [
      `DO $$ BEGIN FOR t IN 0 .. ${transactions - 1} LOOP
        INSERT INTO bench.events ${eventRows(`t::bigint * ${perTransaction} + 1`, `least((t + 1)::bigint * ${perTransaction}, ${rows})`)};
        COMMIT;
      END LOOP; END $$`,
    ],
  };
}

const SMALL_TABLES = ['orders', 'lines', 'payments', 'customers'] as const;
const UPDATED_KEYS = 20_000;
const DELETED_FROM = 10_000_000;
const INSERTED_FROM = 20_000_000;

/**
 * Small transactions of three changes over four tables: half updates, 30 % inserts, 20 % deletes. Change n goes to table n mod 4;
 * its kind follows from n as well, so that every run writes the same.
 */
export function smallWorkload(transactions: number): Workload {
  const changes = transactions * 3;
  // 7 and 10 have no common factor: every table meets every kind, and a transaction's changes are of different kinds.
  const kind = '(n / 4 * 7 + n % 4 * 3) % 10';
  const fill = SMALL_TABLES.map((name, index) => {
    const columns = `k, k % 977, k / 100.0, 'row ' || k, repeat(md5(k::text), 4)`;
    return `INSERT INTO bench.${name} SELECT ${columns} FROM generate_series(1, ${UPDATED_KEYS}) k;
      INSERT INTO bench.${name} SELECT ${columns} FROM (SELECT ${DELETED_FROM} + n AS k FROM generate_series(${index}, ${changes - 1}, 4) n WHERE ${kind} >= 8) d;`;
  }).join('\n');
  const branches = SMALL_TABLES.map(
    (name, index) => `WHEN ${index} THEN
          IF kind < 5 THEN UPDATE bench.${name} SET quantity = n, amount = n / 100.0, label = 'changed ' || n WHERE id = 1 + n * 7919 % ${UPDATED_KEYS};
          ELSIF kind < 8 THEN INSERT INTO bench.${name} VALUES (${INSERTED_FROM} + n, n, n / 100.0, 'new ' || n, repeat(md5(n::text), 4));
          ELSE DELETE FROM bench.${name} WHERE id = ${DELETED_FROM} + n; END IF;`,
  ).join('\n        ');
  return {
    schema: 'bench',
    tables: [...SMALL_TABLES, 'sentinel'],
    changes,
    transactions,
    create: `${SMALL_TABLES.map(
      (name) =>
        `CREATE TABLE bench.${name} (id bigint PRIMARY KEY, quantity bigint NOT NULL, amount numeric(14,2) NOT NULL, label text NOT NULL, note text);`,
    ).join('\n')} ${SENTINEL} ${fill}`,
    refill: `TRUNCATE ${SMALL_TABLES.map((name) => `bench.${name}`).join(', ')}, bench.sentinel; ${fill}`,
    write: [
      `DO $$ DECLARE n bigint := 0; kind bigint; BEGIN FOR t IN 1 .. ${transactions} LOOP
      FOR change IN 1 .. 3 LOOP
        kind := ${kind};
        CASE n % 4 ${branches}
        END CASE;
        n := n + 1;
      END LOOP; COMMIT;
      END LOOP; END $$`,
    ],
  };
}

/** Makes the workload's tables anew in both databases. */
export async function createWorkload(urls: readonly string[], workload: Workload): Promise<void> {
  for (const url of urls) {
    await withClient(url, async (client) => {
      await client.query('DROP SCHEMA IF EXISTS bench CASCADE');
      await client.query(`CREATE SCHEMA bench; ${workload.create}`);
    });
    await settle(url);
  }
}

/** The target as it was before the backlog, with nothing left to write or to vacuum from the run before. */
export async function refillTarget(url: string, workload: Workload): Promise<void> {
  await withClient(url, (client) => client.query(workload.refill));
  await settle(url);
}

export async function settle(url: string): Promise<void> {
  await withClient(url, async (client) => {
    await client.query('VACUUM ANALYZE');
    await client.query('CHECKPOINT');
  });
}

export interface Backlog {
  /** The log's end after everything but the sentinel: the sentinel's commit is the first position beyond it. */
  readonly beforeSentinel: bigint;
  /** The log's end after all of it. */
  readonly end: bigint;
}

/** Writes the backlog and the sentinel. What writes it is not measured, so it does not wait for its own commits. */
export async function writeBacklog(url: string, workload: Workload): Promise<Backlog> {
  const backlog = await withClient(url, async (client) => {
    await client.query('SET synchronous_commit = off');
    for (const statement of workload.write) await client.query(statement);
    const beforeSentinel = await logEnd(client);
    await client.query('SET synchronous_commit = on');
    await client.query('INSERT INTO bench.sentinel VALUES (1)');
    return { beforeSentinel, end: await logEnd(client) };
  });
  await settle(url);
  return backlog;
}

async function logEnd(client: { query(text: string): Promise<{ rows: { lsn: string }[] }> }): Promise<bigint> {
  const { rows } = await client.query("SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::text AS lsn");
  return BigInt(rows[0]?.lsn ?? '0');
}

/** PostgreSQL's way of writing a place in the log. */
export function formatLsn(lsn: bigint): string {
  return `${(lsn >> 32n).toString(16)}/${(lsn & 0xffff_ffffn).toString(16)}`.toUpperCase();
}

/** Row count and an order-free hash per table: a run counts only where the target holds what the source holds. */
export async function contents(url: string, workload: Pick<Workload, 'schema' | 'tables'>): Promise<string> {
  return withClient(url, async (client) => {
    const parts: string[] = [];
    for (const table of workload.tables) {
      const { rows } = await client.query<{ sum: string }>(
        `SELECT count(*) || ':' || coalesce(sum(hashtextextended(t::text, 0)), 0) AS sum FROM ${workload.schema}.${table} t`,
      );
      parts.push(`${table}=${rows[0]?.sum ?? ''}`);
    }
    return parts.join(' ');
  });
}
