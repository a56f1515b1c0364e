import type { SchemaChange } from '@millrace/contract/events.js';
import type { ErrorPolicy } from '@millrace/contract/sink.js';
import type { TableVersion } from '@millrace/contract/table.js';
import type { Client } from 'pg';
import type { TargetTable } from './target-column.js';

/** What applying a group needs from the sink around it. */
export interface ApplyContext {
  readonly task: string;
  /** This sink's claim: the guard fails once a newer sink has raised it. */
  readonly generation: bigint;
  readonly policy: ErrorPolicy;
  /** The session that groups are applied in; a new one where the last was discarded. @throws MillraceError ENDPOINT_* */
  session(signal: AbortSignal): Promise<ApplySession>;
  /** The session is lost or in an unknown state: close it. */
  discardSession(): Promise<void>;
  /** The target table as it is now, within the session's transaction, which is asked for where it is not known; undefined: not there. */
  targetTable(client: () => Promise<Client>, version: TableVersion): Promise<TargetTable | undefined>;
  /** Follows a Schema event in the session's transaction; the target tables it touches are looked up anew afterwards. */
  alterTable(client: Client, version: TableVersion, change: SchemaChange): Promise<void>;
  /** A transaction was rolled back: what was looked up within it may not hold. */
  forgetTables(): void;
}

export interface ApplySession {
  readonly client: Client;
  /** session_replication_role is replica: no trigger and no foreign key of the target fires. */
  readonly triggersOff: boolean;
}
