import { setTimeout as delay } from 'node:timers/promises';
import { isPrefix, type PrefixReading } from '../checkers/prefix.js';
import { type BankSums, sumsAgree } from '../demo/bank-database.js';
import type { BattleDatabase, InvariantReader } from './battle-database.js';

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
    private readonly target: BattleDatabase,
    private readonly task: string,
    private readonly tables: number,
  ) {}

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await using reader = await this.target.openReader();
        while (!signal.aborted) {
          await this.#look(reader);
          await delay(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
        }
      } catch {
        // The target is away, as it is meant to be now and then.
        await delay(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  /** One reading more; the target must be there. */
  async lookOnce(): Promise<void> {
    await using reader = await this.target.openReader();
    await this.#look(reader);
  }

  async #look(reader: InvariantReader): Promise<void> {
    await reader.inSnapshot(async (snapshot) => {
      if (this.last !== null || (await snapshot.holdsFromHere(this.task, this.tables)))
        this.#judge({ prefix: await snapshot.readPrefix(), sums: await snapshot.readSums() });
    });
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
