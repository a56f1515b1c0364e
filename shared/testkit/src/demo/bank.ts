import { setTimeout as delay } from 'node:timers/promises';
import type { BankDatabase } from './bank-database.js';

/** Makes the bank anew: 10 tellers and 100,000 accounts a branch, as TPC-B has them. */
export async function createBank(bank: BankDatabase, accounts: number): Promise<void> {
  await bank.create({ accounts, branches: branchesOf(accounts) });
}

function branchesOf(accounts: number): number {
  return Math.max(1, Math.ceil(accounts / 100_000));
}

export interface TransferLoad {
  readonly accounts: number;
  readonly perSecond: number;
  readonly connections: number;
}

/**
 * Transfers money at a steady rate until the signal: each transfer one transaction over the four tables. Resolves with the
 * number of committed transfers.
 */
export async function transferMoney(
  bank: BankDatabase,
  { accounts, perSecond, connections }: TransferLoad,
  signal: AbortSignal,
): Promise<number> {
  const branches = branchesOf(accounts);
  let committed = 0;
  const teller = async (): Promise<void> => {
    const everyMs = (1_000 * connections) / perSecond;
    for (let next = performance.now(); !signal.aborted; next += everyMs) {
      const waitMs = next - performance.now();
      if (waitMs > 0) await delay(waitMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      await bank.transfer({
        account: random(accounts),
        teller: random(branches * 10),
        branch: random(branches),
        amount: random(10_000) - 5_000,
      });
      committed += 1;
    }
  };
  await Promise.all(Array.from({ length: connections }, teller));
  return committed;
}

function random(max: number): number {
  return 1 + Math.floor(Math.random() * max);
}
