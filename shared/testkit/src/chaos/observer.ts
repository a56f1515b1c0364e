import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { isPrefix, type PrefixReading, readPrefix } from '../checkers/prefix.js';
import { type BankSums, sumsAgree } from '../demo/bank-database.js';
import { readSums } from '../demo/postgres-bank.js';

const LOOK_EVERY_MS = 250;

export interface Observation {
  readonly prefix: PrefixReading;
  readonly sums: BankSums;
}

export interface ObserverTally {
  checks: number;
  lost: number;
  duplicated: number;
  torn: number;
}

/**
 * Reads the invariants in the target again and again, each time in one snapshot. They hold from the moment at which every table
 * is loaded and the checkpoint has passed the latest of their snapshots (Protocol, invariant 1); the target's own state tables say
 * when that is, in the same snapshot. From then on every reading counts.
 */
export class Observer {
  readonly tally: ObserverTally = { checks: 0, lost: 0, duplicated: 0, torn: 0 };
  last: Observation | null = null;
  /** The first reading that did not hold, or the history went back. */
  violation: string | null = null;

  constructor(
    private readonly url: string,
    private readonly task: string,
    private readonly tables: number,
  ) {}

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const client = new pg.Client({ connectionString: this.url, connectionTimeoutMillis: 3_000, query_timeout: 30_000 });
      client.on('error', () => undefined);
      try {
        await client.connect();
        while (!signal.aborted) {
          await this.look(client);
          await delay(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
        }
      } catch {
        // The target is away, as it is meant to be now and then.
        await delay(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
      } finally {
        await client.end().catch(() => undefined);
      }
    }
  }

  async look(client: pg.Client): Promise<void> {
    await client.query('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY');
    try {
      if (this.last !== null || (await this.#holdsFromHere(client)))
        this.#judge({ prefix: await readPrefix(client), sums: await readSums(client) });
    } finally {
      await client.query('COMMIT');
    }
  }

  async #holdsFromHere(client: pg.Client): Promise<boolean> {
    const { rows: found } = await client.query<{ there: boolean }>(
      `SELECT to_regclass('millrace.dead_letter') IS NOT NULL AS there`,
    );
    if (found[0]?.there !== true) return false;
    const { rows } = await client.query<{ holds: boolean | null }>(
      `SELECT count(*) = $2 AND bool_and(t.state = 'completed') AND max(t.as_of_key COLLATE "C") <= max(c.position_key COLLATE "C") AS holds
       FROM millrace.table_state t JOIN millrace.checkpoint c USING (task) WHERE t.task = $1`,
      [this.task, this.tables],
    );
    return rows[0]?.holds === true;
  }

  #judge(observation: Observation): void {
    const { prefix, sums } = observation;
    this.tally.checks += 1;
    this.tally.lost += prefix.lost;
    this.tally.duplicated += prefix.duplicated;
    this.tally.torn += prefix.torn + (sumsAgree(sums) ? 0 : 1);
    if (!isPrefix(prefix)) this.violation ??= `at step ${prefix.counter}: ${prefix.differences.join('. ')}`;
    if (!sumsAgree(sums))
      this.violation ??= `the bank's sums differ: accounts ${sums.accounts}, tellers ${sums.tellers}, branches ${sums.branches}, history ${sums.history} after ${sums.transfers} transfers`;
    if (this.last !== null && this.last.prefix.counter > prefix.counter)
      this.violation ??= `the target went back from step ${this.last.prefix.counter} to ${prefix.counter}`;
    this.last = observation;
  }
}
