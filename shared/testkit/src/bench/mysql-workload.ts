import { withConnection } from '@millrace/local/mysql.js';
import { withClient } from '@millrace/local/postgres.js';
import type { Connection, RowDataPacket } from 'mysql2/promise';
import { z } from 'zod';
import { settle } from './workload.js';

// The rows of the PostgreSQL lines' inserts (workload.ts), written by MariaDB.

/** The source's table, whose database is the target's schema. */
export const MYSQL_EVENT_COLUMNS = `id bigint NOT NULL, customer int NOT NULL, placed datetime(6) NOT NULL, amount decimal(12,2) NOT NULL,
  ratio double NOT NULL, paid tinyint(1) NOT NULL, status varchar(16) NOT NULL, note text NOT NULL`;
/** The types that they become in PostgreSQL (docs/types.md). */
const POSTGRES_EVENT_COLUMNS = `id bigint NOT NULL, customer integer NOT NULL, placed timestamp(6) NOT NULL, amount numeric(12,2) NOT NULL,
  ratio double precision NOT NULL, paid smallint NOT NULL, status varchar(16) NOT NULL, note text NOT NULL`;
const PER_TRANSACTION = 1_000;

/** Row number `i` of the events table, as a select list. */
const EVENT_ROW = `i, i * 7919 % 100000, TIMESTAMP'2026-01-01 00:00:00' + INTERVAL i * 1000001 MICROSECOND, i % 1000000 / 100,
  i / 3e0, i % 3 = 0, ELT(1 + i % 4, 'new', 'paid', 'sent', 'returned'), REPEAT(MD5(i), 5)`;

/** Makes the source's tables anew, empty. */
export async function createMysqlTables(url: string): Promise<void> {
  await withConnection(url, async (connection) => {
    await connection.query('DROP DATABASE IF EXISTS bench');
    await connection.query('CREATE DATABASE bench CHARACTER SET utf8mb4');
    await connection.query(`CREATE TABLE bench.events (${MYSQL_EVENT_COLUMNS}, PRIMARY KEY (id))`);
    await connection.query('CREATE TABLE bench.sentinel (id int PRIMARY KEY)');
  });
}

/** Makes the tables anew, empty, where PostgreSQL gets them from MariaDB. */
export async function createPostgresTables(url: string): Promise<void> {
  await withClient(url, async (client) => {
    await client.query('DROP SCHEMA IF EXISTS bench CASCADE');
    await client.query(`CREATE SCHEMA bench; CREATE TABLE bench.events (${POSTGRES_EVENT_COLUMNS}, PRIMARY KEY (id));
      CREATE TABLE bench.sentinel (id int PRIMARY KEY)`);
  });
  await settle(url);
}

/** A place in the binary log, between two transactions. */
export interface LogPlace {
  readonly file: string;
  readonly offset: number;
}

export interface MysqlBacklog {
  readonly rows: number;
  /** Where every reader begins. */
  readonly begin: LogPlace;
  /** The log's end after everything but the sentinel. */
  readonly beforeSentinel: LogPlace;
  /** Files that hold it, oldest first. */
  readonly files: readonly string[];
  readonly bytes: number;
}

/** Inserts rows 1 to `rows` in transactions of 1,000, and the sentinel. */
export async function writeMysqlBacklog(url: string, rows: number): Promise<MysqlBacklog> {
  return withConnection(url, async (connection) => {
    const begin = await logEnd(connection);
    await insertEvents(connection, rows);
    const beforeSentinel = await logEnd(connection);
    await connection.query('INSERT INTO bench.sentinel VALUES (1)');
    const files = (await readRows(connection, 'SHOW BINARY LOGS', logFileRow)).filter(({ name }) => name >= begin.file);
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0) - begin.offset;
    return { rows, begin, beforeSentinel, files: files.map(({ name }) => name), bytes };
  });
}

/** Inserts rows 1 to `rows` in transactions of 1,000, in a statement that loops in the server. */
export async function insertEvents(connection: Connection, rows: number): Promise<void> {
  await connection.query(
    `BEGIN NOT ATOMIC DECLARE first bigint DEFAULT 1; WHILE first <= ? DO
       INSERT INTO bench.events SELECT ${EVENT_ROW} FROM (SELECT first + seq AS i FROM bench.seq_0_to_${PER_TRANSACTION - 1}) numbers WHERE i <= ?;
       SET first = first + ${PER_TRANSACTION};
     END WHILE; END`,
    [rows, rows],
  );
}

const statusRow = z.object({ File: z.string(), Position: z.coerce.number() });
const logFileRow = z
  .object({ Log_name: z.string(), File_size: z.coerce.number() })
  .transform(({ Log_name, File_size }) => ({ name: Log_name, bytes: File_size }));

async function logEnd(connection: Connection): Promise<LogPlace> {
  const [row] = await readRows(connection, 'SHOW MASTER STATUS', statusRow);
  if (row === undefined) throw new Error('the source writes no binary log');
  return { file: row.File, offset: row.Position };
}

/** Rows of a query, checked. */
export async function readRows<T>(connection: Connection, sql: string, row: z.ZodType<T>): Promise<readonly T[]> {
  const [rows] = await connection.query<RowDataPacket[]>(sql);
  return z.array(row).parse(rows);
}

const VALUES = 'id, customer, placed, amount, ratio, paid, status, note';
const sumRow = z.object({ events: z.string(), sentinels: z.coerce.number() });

/** Row count and an order-free hash of the source's rows: a run counts only where the target gives the same text. */
export async function mysqlContents(url: string): Promise<string> {
  return withConnection(url, async (connection) => {
    const [row] = await readRows(
      connection,
      `SELECT CONCAT(COUNT(*), ':', COALESCE(SUM(CAST(CONV(LEFT(MD5(CONCAT_WS('|', ${VALUES})), 12), 16, 10) AS UNSIGNED)), 0)) AS events,
         (SELECT COUNT(*) FROM bench.sentinel) AS sentinels FROM bench.events`,
      sumRow,
    );
    return told(row);
  });
}

/** The same of PostgreSQL's rows, each written as MariaDB writes it. */
export async function postgresContents(url: string): Promise<string> {
  return withClient(url, async (client) => {
    const values = VALUES.replace('placed', "to_char(placed, 'YYYY-MM-DD HH24:MI:SS.US')");
    const { rows } = await client.query(
      `SELECT count(*) || ':' || coalesce(sum(('x' || left(md5(concat_ws('|', ${values})), 12))::bit(48)::bigint), 0) AS events,
         (SELECT count(*)::int FROM bench.sentinel) AS sentinels FROM bench.events`,
    );
    return told(z.array(sumRow).parse(rows)[0]);
  });
}

function told(row: z.infer<typeof sumRow> | undefined): string {
  return `events=${row?.events ?? ''} sentinels=${row?.sentinels ?? ''}`;
}
