import mysql from 'mysql2/promise';
import { numbers } from '../checkers/mysql-numbers.js';
import { type BankDatabase, type BankSums, SUMS, sumsOf, type Transfer } from './bank-database.js';

const CONNECTIONS = 6;

/** The four sums as the session's snapshot shows them. */
export async function readMysqlSums(session: mysql.Connection | mysql.Pool): Promise<BankSums> {
  const [rows] = await session.query<mysql.RowDataPacket[]>(SUMS);
  return sumsOf(rows[0]);
}

export function openMysqlBank(url: string): BankDatabase {
  return new MysqlBank(url);
}

class MysqlBank implements BankDatabase {
  readonly #pool: mysql.Pool;

  constructor(url: string) {
    this.#pool = mysql.createPool({
      uri: url.replace(/^mariadb:/, 'mysql:'),
      connectionLimit: CONNECTIONS,
      multipleStatements: true,
      supportBigNumbers: true,
      bigNumberStrings: true,
    });
  }

  async create({ accounts, branches }: { readonly accounts: number; readonly branches: number }): Promise<void> {
    await this.#pool.query(`
      DROP DATABASE IF EXISTS bank;
      CREATE DATABASE bank CHARACTER SET utf8mb4;
      CREATE TABLE bank.branches (bid int PRIMARY KEY, bbalance bigint NOT NULL, filler text);
      CREATE TABLE bank.tellers (tid int PRIMARY KEY, bid int NOT NULL, tbalance bigint NOT NULL, filler text);
      CREATE TABLE bank.accounts (aid int PRIMARY KEY, bid int NOT NULL, abalance bigint NOT NULL, filler char(84));
      CREATE TABLE bank.history (hid bigint AUTO_INCREMENT PRIMARY KEY, tid int, bid int, aid int, delta bigint, mtime timestamp(6) NULL);
      CREATE TABLE bank.probe (id int PRIMARY KEY, seq bigint NOT NULL);
      INSERT INTO bank.probe VALUES (1, 0);
      INSERT INTO bank.branches SELECT n, 0, CONCAT('branch ', n) FROM ${numbers(branches)};
      INSERT INTO bank.tellers SELECT n, 1 + (n - 1) DIV 10, 0, CONCAT('teller ', n) FROM ${numbers(branches * 10)};
      CREATE PROCEDURE bank.transfer(account int, teller int, branch int, amount bigint)
      BEGIN
        START TRANSACTION;
        UPDATE bank.accounts SET abalance = abalance + amount WHERE aid = account;
        UPDATE bank.tellers SET tbalance = tbalance + amount WHERE tid = teller;
        UPDATE bank.branches SET bbalance = bbalance + amount WHERE bid = branch;
        INSERT INTO bank.history (tid, bid, aid, delta, mtime) VALUES (teller, branch, account, amount, now(6));
        COMMIT;
      END;`);
    const range = 1_000_000;
    for (let from = 0; from < accounts; from += range) {
      const count = Math.min(range, accounts - from);
      await this.#pool.query(
        `INSERT INTO bank.accounts SELECT ${from} + n, 1 + (${from} + n - 1) % ${branches}, 0, CONCAT('account ', ${from} + n) FROM ${numbers(count)}`,
      );
    }
  }

  async transfer({ account, teller, branch, amount }: Transfer): Promise<void> {
    await this.#pool.query('CALL bank.transfer(?, ?, ?, ?)', [account, teller, branch, amount]);
  }

  readSums(): Promise<BankSums> {
    return readMysqlSums(this.#pool);
  }

  async writeProbe(seq: number): Promise<void> {
    await this.#pool.query('UPDATE bank.probe SET seq = ? WHERE id = 1', [seq]);
  }

  async readProbe(): Promise<number> {
    const [rows] = await this.#pool.query<mysql.RowDataPacket[]>('SELECT seq FROM bank.probe WHERE id = 1');
    return Number(rows[0]?.['seq'] ?? 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool.end();
  }
}
