import type { StackEngine } from '@millrace/local/stack.js';
import type { PrefixReading } from '../checkers/prefix.js';
import type { Statement } from '../checkers/steady-load.js';
import type { BankSums, Transfer } from '../demo/bank-database.js';

/** What an episode needs of the database at one of its ends, whatever its engine. It holds `bank` and `prefix`: schemas, or MySQL's databases. */
export interface BattleDatabase {
  readonly engine: StackEngine;
  readonly url: string;
  /** Makes the workload: a bank of so many accounts, and the prefix checker's history at its beginning. */
  createWorkload(accounts: number): Promise<void>;
  /** One step of that history. */
  readonly step: Statement;
  transferOf(transfer: Transfer): Statement;
  /** Number of the last step. */
  countSteps(): Promise<number>;
  /** A session to read the invariants in. Each of its calls fails within a time where the server does not answer. */
  openReader(): Promise<InvariantReader>;
}

export interface InvariantReader extends AsyncDisposable {
  /** All that `read` reads is of one snapshot. */
  inSnapshot(read: (snapshot: InvariantSnapshot) => Promise<void>): Promise<void>;
}

export interface InvariantSnapshot {
  /** Whether the task's state tables tell that so many tables are loaded and the checkpoint has passed the latest of their snapshots. */
  holdsFromHere(task: string, tables: number): Promise<boolean>;
  readPrefix(): Promise<PrefixReading>;
  readSums(): Promise<BankSums>;
}

/** How long a reading may wait for the server. */
export const READER_TIMEOUTS = { connectMs: 3_000, queryMs: 30_000 } as const;
