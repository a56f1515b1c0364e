import type pg from 'pg';

export interface BankSums {
  readonly accounts: bigint;
  readonly tellers: bigint;
  readonly branches: bigint;
  readonly history: bigint;
  readonly transfers: bigint;
}

/** TPC-B's four sums, read in one snapshot: equal at every moment of the source, so at every moment of an exact copy. */
export async function readSums(client: pg.Client): Promise<BankSums> {
  const { rows } = await client.query<Record<keyof BankSums, string>>(`
    SELECT (SELECT coalesce(sum(abalance), 0) FROM bank.accounts)::text AS accounts, (SELECT coalesce(sum(tbalance), 0) FROM bank.tellers)::text AS tellers,
           (SELECT coalesce(sum(bbalance), 0) FROM bank.branches)::text AS branches, (SELECT coalesce(sum(delta), 0) FROM bank.history)::text AS history,
           (SELECT count(*) FROM bank.history)::text AS transfers`);
  const [row] = rows;
  if (row === undefined) throw new Error('the sums came back empty');
  return {
    accounts: BigInt(row.accounts),
    tellers: BigInt(row.tellers),
    branches: BigInt(row.branches),
    history: BigInt(row.history),
    transfers: BigInt(row.transfers),
  };
}

export function sumsAgree({ accounts, tellers, branches, history }: BankSums): boolean {
  return accounts === tellers && tellers === branches && branches === history;
}
