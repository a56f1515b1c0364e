import pg from 'pg';
import { type BankDatabase, type BankSums, SUMS, sumsOf, type Transfer } from './bank-database.js';

const CONNECTIONS = 6;

/** The four sums as the session's snapshot shows them. */
export async function readSums(client: pg.Client | pg.Pool): Promise<BankSums> {
  const { rows } = await client.query<Record<string, unknown>>(SUMS);
  return sumsOf(rows[0]);
}

export function openPostgresBank(url: string): BankDatabase {
  return new PostgresBank(url);
}

class PostgresBank implements BankDatabase {
  readonly #pool: pg.Pool;

  constructor(url: string) {
    this.#pool = new pg.Pool({ connectionString: url, max: CONNECTIONS });
  }

  async create({ accounts, branches }: { readonly accounts: number; readonly branches: number }): Promise<void> {
    await this.#pool.query(`
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
  }

  async transfer({ account, teller, branch, amount }: Transfer): Promise<void> {
    const values = [account, teller, branch, amount];
    await this.#pool.query({ name: 'transfer', text: 'SELECT bank.transfer($1, $2, $3, $4)', values });
  }

  readSums(): Promise<BankSums> {
    return readSums(this.#pool);
  }

  async writeProbe(seq: number): Promise<void> {
    await this.#pool.query('UPDATE bank.probe SET seq = $1 WHERE id = 1', [seq]);
  }

  async readProbe(): Promise<number> {
    const { rows } = await this.#pool.query<{ seq: string }>('SELECT seq FROM bank.probe WHERE id = 1');
    return Number(rows[0]?.seq ?? 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool.end();
  }
}
