import type { StackEngine } from '@millrace/local/stack.js';
import { openMysqlBank } from './mysql-bank.js';
import { openPostgresBank } from './postgres-bank.js';

/** One transfer: money from nowhere to a branch, one of its tellers and an account, written down in the history. */
export interface Transfer {
  readonly account: number;
  readonly teller: number;
  readonly branch: number;
  readonly amount: number;
}

export interface BankSums {
  readonly accounts: bigint;
  readonly tellers: bigint;
  readonly branches: bigint;
  readonly history: bigint;
  readonly transfers: bigint;
}

/** TPC-B's tables on one server, in the schema (MySQL: the database) `bank`. Each call uses a session of its own, kept until the end. */
export interface BankDatabase extends AsyncDisposable {
  /** Makes the tables anew: every balance 0, so that the sums of all four stay equal for ever. */
  create(size: { readonly accounts: number; readonly branches: number }): Promise<void>;
  /** One transaction over the four tables. */
  transfer(transfer: Transfer): Promise<void>;
  /** The four sums, read in one snapshot: equal at every moment of the source, so at every moment of an exact copy. */
  readSums(): Promise<BankSums>;
  writeProbe(seq: number): Promise<void>;
  /** 0 where there is none yet. */
  readProbe(): Promise<number>;
}

export function openBank(engine: StackEngine, url: string): BankDatabase {
  return engine === 'postgres' ? openPostgresBank(url) : openMysqlBank(url);
}

export function sumsAgree({ accounts, tellers, branches, history }: BankSums): boolean {
  return accounts === tellers && tellers === branches && branches === history;
}

/** The sums as one row of texts, in any engine. */
export const SUMS = `
  SELECT (SELECT coalesce(sum(abalance), 0) FROM bank.accounts) AS accounts, (SELECT coalesce(sum(tbalance), 0) FROM bank.tellers) AS tellers,
         (SELECT coalesce(sum(bbalance), 0) FROM bank.branches) AS branches, (SELECT coalesce(sum(delta), 0) FROM bank.history) AS history,
         (SELECT count(*) FROM bank.history) AS transfers`;

export function sumsOf(row: Readonly<Record<string, unknown>> | undefined): BankSums {
  const sum = (name: keyof BankSums): bigint => BigInt(String(row?.[name]));
  return {
    accounts: sum('accounts'),
    tellers: sum('tellers'),
    branches: sum('branches'),
    history: sum('history'),
    transfers: sum('transfers'),
  };
}
