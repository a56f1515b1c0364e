import type { JournalPlace } from '@millrace/apply/change-log.js';
import type { SchemaChange } from '@millrace/contract/events.js';
import type { ErrorPolicy } from '@millrace/contract/sink.js';
import type { TableVersion } from '@millrace/contract/table.js';
import type { Connection } from 'mysql2/promise';
import type { SinkSession } from './session.js';
import type { TaskState } from './state.js';
import type { TargetTable } from './target-table.js';

/** A target table and whether the task has set it aside. */
export interface KnownTarget {
  readonly table: TargetTable;
  /** The table is in state error: its changes are passed over until it is loaded again. */
  readonly suspended: boolean;
}

/** What a Schema event asks of the target that no transaction can hold. */
export interface Definition {
  /** In the transaction before it: the record of what is about to be done. */
  readonly announce: (connection: Connection) => Promise<void>;
  /** Outside of transactions, alone for the task, and safe to repeat. */
  readonly define: (connection: Connection) => Promise<void>;
}

/** What applying a group needs from the sink around it. */
export interface ApplyContext {
  readonly task: string;
  /** This sink's claim: the guard fails once a newer sink has raised it. */
  readonly generation: bigint;
  readonly policy: ErrorPolicy;
  readonly state: TaskState;
  /** How far behind the checkpoint the target is already; null: it stands at the checkpoint. */
  part: JournalPlace | null;
  /** The session that groups are applied in; a new one where the last was discarded. @throws MillraceError ENDPOINT_* */
  session(signal: AbortSignal): Promise<SinkSession>;
  /** The session is lost or in an unknown state: close it. */
  discardSession(): Promise<void>;
  /** The target table as it is now, asked for where it is not known; undefined: not there. */
  targetTable(connection: Connection, version: TableVersion): Promise<KnownTarget | undefined>;
  /** What a Schema event needs to be defined; null: nothing, `record` is all. */
  definitionFor(connection: Connection, version: TableVersion, change: SchemaChange): Promise<Definition | null>;
  /** Within a transaction: what the Schema event changes in Millrace's own tables, once its definition is there. */
  record(connection: Connection, version: TableVersion, change: SchemaChange): Promise<void>;
  /** Within a transaction: the table cannot go on. */
  setAside(
    connection: Connection,
    version: TableVersion,
    error: { readonly code: string; readonly message: string },
  ): Promise<void>;
  /** A transaction was rolled back, or a table defined: what was looked up may not hold. */
  forgetTables(): void;
}
