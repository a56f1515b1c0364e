import { MillraceError } from '@millrace/errors/millrace-error.js';
import type mysql from 'mysql2/promise';
import { z } from 'zod';
import { numbers } from './mysql-numbers.js';
import { BATCH_EVERY, BATCH_KEPT, batchRows, CELLS, type PrefixReading } from './prefix.js';
import { judgePrefix } from './prefix-judgement.js';

/** One statement that takes one step, and so one transaction, of `createMysqlPrefix`'s history. */
export const MYSQL_PREFIX_STEP = { text: 'CALL prefix.step()', values: [] } as const;

/**
 * Makes database `prefix` anew, with the tables and the history of PostgreSQL's `createPrefix`: the row lock on the counter is held until
 * the commit has its place in the log. The session must allow several statements at once.
 */
export async function createMysqlPrefix(session: mysql.Connection): Promise<void> {
  await session.query(`
    DROP DATABASE IF EXISTS prefix;
    CREATE DATABASE prefix CHARACTER SET utf8mb4;
    CREATE TABLE prefix.counter (id int PRIMARY KEY, n bigint NOT NULL);
    CREATE TABLE prefix.ledger_a (n bigint PRIMARY KEY, cell int NOT NULL, at timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6));
    CREATE TABLE prefix.ledger_b (n bigint PRIMARY KEY, note text NOT NULL);
    CREATE TABLE prefix.ledger_c (n bigint NOT NULL, note text);
    CREATE TABLE prefix.cells (cell int PRIMARY KEY, times bigint NOT NULL, last bigint NOT NULL, document text NOT NULL);
    CREATE TABLE prefix.batch (n bigint, i int, filler text, PRIMARY KEY (n, i));
    INSERT INTO prefix.counter VALUES (1, 0);
    INSERT INTO prefix.cells SELECT n - 1, 0, 0, REPEAT(CONCAT('document ', n - 1), 400) FROM ${numbers(2 * CELLS)};
    CREATE PROCEDURE prefix.step()
    BEGIN
      DECLARE k bigint;
      START TRANSACTION;
      UPDATE prefix.counter SET n = n + 1 WHERE id = 1;
      SELECT n INTO k FROM prefix.counter WHERE id = 1;
      INSERT INTO prefix.ledger_a VALUES (k, k % ${CELLS}, NOW(6));
      INSERT INTO prefix.ledger_b VALUES (k, CONCAT('step ', k));
      INSERT INTO prefix.ledger_c VALUES (k, NULLIF(k % 3, 0));
      UPDATE prefix.cells SET times = times + 1, last = k WHERE cell IN (k % ${CELLS}, ${CELLS} + (k * 7) % ${CELLS});
      IF k % ${BATCH_EVERY} = 0 THEN
        DELETE FROM prefix.batch WHERE n <= k - ${BATCH_KEPT};
        INSERT INTO prefix.batch SELECT k, numbers.n, REPEAT('x', 240) FROM ${numbers(6_000)} WHERE numbers.n <= ${batchRows('k')};
      END IF;
      COMMIT;
    END;`);
}

const whole = z.coerce.number().int();
const counterRow = z.object({ n: whole });
const stretchRow = z.object({ first: whole, last: whole, a: whole, b: whole, c: whole });
const cellRow = z.object({ cell: whole, times: whole, last: whole, whole: whole.transform((told) => told === 1) });
const batchRow = z.object({ n: whole, size: whole });

/**
 * Reads the whole of `prefix` as the session's snapshot shows it, and compares it with what the counter's step left. The session must
 * be in a REPEATABLE READ transaction: there are several statements.
 */
export async function readMysqlPrefix(session: mysql.Connection): Promise<PrefixReading> {
  const read = async <T>(statement: string, row: z.ZodType<T>): Promise<readonly T[]> => {
    const [rows] = await session.query<mysql.RowDataPacket[]>(statement);
    return row.array().parse(rows);
  };
  const [counter] = await read('SELECT n FROM prefix.counter WHERE id = 1', counterRow);
  if (counter === undefined) throw new MillraceError('INTERNAL', { what: 'prefix.counter has no row' });
  return judgePrefix({
    counter: counter.n,
    stretches: await read(STRETCHES, stretchRow),
    cells: await read(CELL_ROWS, cellRow),
    batches: await read('SELECT n, COUNT(*) AS size FROM prefix.batch GROUP BY n', batchRow),
  });
}

/** Consecutive steps differ from their place among those like them by the same number. */
const STRETCHES = `
  SELECT MIN(n) AS first, MAX(n) AS last, a, b, c
  FROM (
    SELECT n, a, b, c, n - CAST(ROW_NUMBER() OVER (PARTITION BY a, b, c ORDER BY n) AS SIGNED) AS stretch
    FROM (
      SELECT n, COUNT(CASE WHEN t = 'a' THEN 1 END) AS a, COUNT(CASE WHEN t = 'b' THEN 1 END) AS b, COUNT(CASE WHEN t = 'c' THEN 1 END) AS c
      FROM (SELECT n, 'a' AS t FROM prefix.ledger_a UNION ALL SELECT n, 'b' FROM prefix.ledger_b UNION ALL SELECT n, 'c' FROM prefix.ledger_c) all_copies
      GROUP BY n) copies) numbered
  GROUP BY a, b, c, stretch`;

/** As bytes, since a collation takes other letters for the same. */
const CELL_ROWS = `
  SELECT cell, times, last, CAST(document AS BINARY) = CAST(REPEAT(CONCAT('document ', cell), 400) AS BINARY) AS whole FROM prefix.cells`;
