import { MillraceError } from '@millrace/errors/millrace-error.js';
import type pg from 'pg';

/** The tables of schema `transfers`. */
export const TRANSFERS_TABLES = ['checking', 'savings', 'moves'] as const;

/** One statement that moves money once, in one transaction. */
export const TRANSFER = { text: 'SELECT transfers.transfer()', values: [] } as const;

const OPENING_BALANCE = 1_000;
const EXAMPLES = 5;

/**
 * Makes schema `transfers` anew: `accounts` accounts in each of two tables. A transfer moves a random amount from a random account of
 * one to a random account of the other and writes it down, and so conflicts with other sessions' transfers at random. At every moment
 * of the source the total is constant and each balance is the opening balance with the moves that name it.
 */
export async function createTransfers(client: pg.Client, accounts: number): Promise<void> {
  await client.query(`
    DROP SCHEMA IF EXISTS transfers CASCADE;
    CREATE SCHEMA transfers;
    CREATE TABLE transfers.checking (id int PRIMARY KEY, balance bigint NOT NULL);
    CREATE TABLE transfers.savings (id int PRIMARY KEY, balance bigint NOT NULL);
    CREATE TABLE transfers.moves (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, debited int NOT NULL, credited int NOT NULL, amount bigint NOT NULL);
    INSERT INTO transfers.checking SELECT i, ${OPENING_BALANCE} FROM generate_series(1, ${accounts}) i;
    INSERT INTO transfers.savings SELECT i, ${OPENING_BALANCE} FROM generate_series(1, ${accounts}) i;
    CREATE FUNCTION transfers.transfer() RETURNS void LANGUAGE plpgsql AS $$
    DECLARE
      poorer int := 1 + floor(random() * ${accounts});
      richer int := 1 + floor(random() * ${accounts});
      moved bigint := floor(random() * 200) - 100;
    BEGIN
      UPDATE transfers.checking SET balance = balance - moved WHERE id = poorer;
      UPDATE transfers.savings SET balance = balance + moved WHERE id = richer;
      INSERT INTO transfers.moves (debited, credited, amount) VALUES (poorer, richer, moved);
    END $$;`);
}

export interface TransfersReading {
  readonly moves: number;
  readonly accounts: number;
  /** In words, the first few of each kind; empty where every sum holds. */
  readonly differences: readonly string[];
}

/** Reads the whole of `transfers` in one statement, so in one snapshot, and compares every sum; `accounts` as given to `createTransfers`. */
export async function readTransfers(client: pg.Client, accounts: number): Promise<TransfersReading> {
  const { rows } = await client.query<{ moves: number; repeated: number; accounts: number; total: number; off: string[] }>(
    READING,
  );
  const [row] = rows;
  if (row === undefined) throw new MillraceError('INTERNAL', { what: 'the transfers came back empty' });
  const expected = 2 * accounts;
  const differences: string[] = [];
  if (row.accounts !== expected) differences.push(`${row.accounts} accounts instead of ${expected}`);
  if (row.repeated !== 0) differences.push(`${row.repeated} moves more than once`);
  if (row.total !== expected * OPENING_BALANCE)
    differences.push(`a total of ${row.total} instead of ${expected * OPENING_BALANCE}`);
  return { moves: row.moves, accounts: row.accounts, differences: [...differences, ...row.off] };
}

const READING = `
  WITH due AS (
    SELECT account, sum(amount) AS moved
    FROM (SELECT 'checking ' || debited AS account, -amount AS amount FROM transfers.moves UNION ALL SELECT 'savings ' || credited, amount FROM transfers.moves) named
    GROUP BY account),
  held AS (SELECT 'checking ' || id AS account, balance FROM transfers.checking UNION ALL SELECT 'savings ' || id, balance FROM transfers.savings),
  off AS (
    SELECT format('%s holds %s, its moves say %s', account, balance, ${OPENING_BALANCE} + coalesce(moved, 0)) AS what
    FROM held LEFT JOIN due USING (account) WHERE balance <> ${OPENING_BALANCE} + coalesce(moved, 0) ORDER BY account LIMIT ${EXAMPLES})
  SELECT (SELECT count(*) FROM transfers.moves)::int AS moves, (SELECT count(*) - count(DISTINCT id) FROM transfers.moves)::int AS repeated,
         (SELECT count(*) FROM held)::int AS accounts, (SELECT coalesce(sum(balance), 0) FROM held)::int AS total,
         (SELECT coalesce(array_agg(what), '{}') FROM off) AS off`;
