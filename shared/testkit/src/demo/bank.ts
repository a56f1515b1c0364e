import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';

/** Branches, tellers and accounts as TPC-B relates them: 10 tellers and 100,000 accounts a branch. */
export interface BankSize {
  readonly accounts: number;
}

/** Makes the bank anew in schema `bank`: every balance 0, so that the sums of all four tables stay equal for ever. */
export async function createBank(url: string, { accounts }: BankSize): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const branches = branchesOf(accounts);
    await client.query(`
      DROP SCHEMA IF EXISTS bank CASCADE;
      CREATE SCHEMA bank;
      CREATE TABLE bank.branches (bid int PRIMARY KEY, bbalance bigint NOT NULL, filler text);
      CREATE TABLE bank.tellers (tid int PRIMARY KEY, bid int NOT NULL, tbalance bigint NOT NULL, filler text);
      CREATE TABLE bank.accounts (aid int PRIMARY KEY, bid int NOT NULL, abalance bigint NOT NULL, filler char(84));
      CREATE TABLE bank.history (hid bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tid int, bid int, aid int, delta bigint, mtime timestamptz);
      CREATE TABLE bank.probe (id int PRIMARY KEY, seq bigint NOT NULL);
      INSERT INTO bank.probe VALUES (1, 0);
      INSERT INTO bank.branches SELECT b, 0, 'branch ' || b FROM generate_series(1, ${branches}) b;
      INSERT INTO bank.tellers SELECT t, 1 + (t - 1) / 10, 0, 'teller ' || t FROM generate_series(1, ${branches * 10}) t;
      INSERT INTO bank.accounts SELECT a, 1 + (a - 1) % ${branches}, 0, 'account ' || a FROM generate_series(1, ${accounts}) a;
      CREATE FUNCTION bank.transfer(account int, teller int, branch int, amount bigint) RETURNS void LANGUAGE sql AS $$
        UPDATE bank.accounts SET abalance = abalance + amount WHERE aid = account;
        UPDATE bank.tellers SET tbalance = tbalance + amount WHERE tid = teller;
        UPDATE bank.branches SET bbalance = bbalance + amount WHERE bid = branch;
        INSERT INTO bank.history (tid, bid, aid, delta, mtime) VALUES (teller, branch, account, amount, now());
      $$;
      ANALYZE bank.accounts;`);
  } finally {
    await client.end();
  }
}

function branchesOf(accounts: number): number {
  return Math.max(1, Math.ceil(accounts / 100_000));
}

export interface TransferLoad {
  readonly url: string;
  readonly accounts: number;
  readonly perSecond: number;
  readonly connections: number;
}

/**
 * Transfers money at a steady rate until the signal: each transfer one transaction over the four tables. Resolves with the
 * number of committed transfers.
 */
export async function transferMoney(
  { url, accounts, perSecond, connections }: TransferLoad,
  signal: AbortSignal,
): Promise<number> {
  const branches = branchesOf(accounts);
  const pool = new pg.Pool({ connectionString: url, max: connections });
  let committed = 0;
  const teller = async (): Promise<void> => {
    const everyMs = (1_000 * connections) / perSecond;
    for (let next = performance.now(); !signal.aborted; next += everyMs) {
      const waitMs = next - performance.now();
      if (waitMs > 0) await delay(waitMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      const parameters = [random(accounts), random(branches * 10), random(branches), random(10_000) - 5_000];
      await pool.query({ name: 'transfer', text: 'SELECT bank.transfer($1, $2, $3, $4)', values: parameters });
      committed += 1;
    }
  };
  try {
    await Promise.all(Array.from({ length: connections }, teller));
  } finally {
    await pool.end();
  }
  return committed;
}

function random(max: number): number {
  return 1 + Math.floor(Math.random() * max);
}
