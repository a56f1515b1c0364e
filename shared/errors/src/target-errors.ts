import type { ErrorDefinition } from './definition.js';

export const targetErrors = {
  TARGET_CONNECTION_LOST: {
    class: 'retry',
    message: 'The connection to the target was lost while {doing}: {reason}.',
    cause: 'The server restarted, ended the session, or the network broke. The target rolled back whatever was not committed.',
    remedy: 'Nothing: it is tried again from the checkpoint in the target. If it stays so, check the target server and the network.',
  },
  TARGET_BUSY: {
    class: 'retry',
    message: 'The target could not finish {doing}: {reason} (SQLSTATE {state}).',
    cause: 'A deadlock, a lock or statement time-out, or a lack of memory or connections in the target. The transaction was rolled back.',
    remedy: 'Nothing: it is tried again. If it stays so, look in pg_stat_activity and pg_locks of the target for what holds the lock.',
  },
  TARGET_READ_ONLY: {
    class: 'operator',
    message: 'The target is read-only: {reason}.',
    cause: 'It is a standby, or default_transaction_read_only is on. After a failover the old address may lead to a standby.',
    remedy: 'Give the address of the primary in --target, or make the server writable, and start the task again; it resumes exactly.',
  },
  TARGET_RIGHTS: {
    class: 'operator',
    message: 'The target refused a right while {doing}: {reason}.',
    cause: 'The role lacks a privilege on a table of the task or on the schema millrace, or a row-level security policy stops it.',
    remedy: 'Grant what the message names (deploy/grants/postgres-target.sql grants everything Millrace needs) and start the task again.',
  },
  TARGET_DISK_FULL: {
    class: 'operator',
    message: 'The target has no disk space left while {doing}: {reason}.',
    cause: 'The disk of the data, the WAL or temporary files is full. The transaction was rolled back, nothing is lost.',
    remedy: 'Make room on the target and start the task again; it resumes exactly.',
  },
  TARGET_STATEMENT_FAILED: {
    class: 'operator',
    message: 'The target refused a statement while {doing}: {reason} (SQLSTATE {state}).',
    cause: 'The server did not accept what Millrace asked. The transaction was rolled back.',
    remedy: 'Correct what the message names and start the task again; if nothing is wrong there, report it with the log at --log-level debug.',
  },
  SINK_FENCED: {
    class: 'fatal',
    message: 'Another sink of task "{task}" has taken over the target: it expected {expected} and the checkpoint is {found}.',
    cause: 'The task was started a second time, here or elsewhere. The newer sink goes on from the same checkpoint; this one wrote nothing more.',
    remedy: 'Nothing, if the other one is wanted. Otherwise stop the other one and start this task again.',
  },
  APPLY_REFUSED: {
    class: 'operator',
    message: 'The target refused {kind} of {table} with {key} at {position}: {reason}',
    cause: 'The task settings say STOP_TASK for this kind of conflict. The whole group was rolled back: the target stands at the transaction before it.',
    remedy: 'Put the row in the target right, or choose another action in ErrorBehavior of the task settings (LOG_ERROR sets such rows aside), and start the task again.',
  },
  APPLY_ROW_MISSING: {
    class: 'operator',
    message: 'The row is not in the target.',
    cause: 'The target was written by something else than Millrace, or an earlier change of the row was set aside.',
    remedy: '`millrace verify` shows the rows that differ; reload the table to put it right.',
  },
  APPLY_ROW_INCOMPLETE: {
    class: 'operator',
    message: 'The row is not in the target, and the change does not carry its unchanged columns, so it cannot be inserted whole.',
    cause: 'The source\'s log leaves out large values that an update did not touch.',
    remedy: 'Reload the table, or set REPLICA IDENTITY FULL on it in the source so that such rows can be inserted.',
  },
  APPLY_DUPLICATE_ROW: {
    class: 'operator',
    message: '{reason}',
    cause: 'A row with this key, or with this value of another unique constraint, is in the target already.',
    remedy: 'Remove the row that something else than Millrace wrote, or choose UPDATE_RECORD in ErrorBehavior; `millrace verify` shows the rows that differ.',
  },
  APPLY_ROW_REFUSED: {
    class: 'operator',
    message: '{reason}',
    cause: 'A value does not fit the target\'s column, or a constraint, trigger or domain of the target refuses it.',
    remedy: 'Change the target\'s column or constraint, then reload the table.',
  },
  APPLY_TABLE_CHANGED: {
    class: 'operator',
    message: 'The target table no longer takes the changes of {table}: {reason}',
    cause: 'The table was dropped or altered in the target by something else than Millrace.',
    remedy: 'Undo that change or drop the target table, then reload the table.',
  },
  COVERAGE_NEEDS_REREAD: {
    class: 'operator',
    message: 'A row of {table} moved into a key range that was loaded in a later snapshot, and the log does not carry all its values.',
    cause: 'The load was interrupted and went on in a second snapshot; the unchanged large values of this row are in neither.',
    remedy: 'Load the table again: `millrace run … --reload` for it.',
  },
  LOAD_RESTART_NOT_EMPTY: {
    class: 'operator',
    message: 'The load of {table} has to start again, and the target table held rows of its own before it.',
    cause: 'The source snapshot was lost, the table has no key by which its chunks could be read again, and removing what was loaded could remove rows that are not ours.',
    remedy: 'Empty the target table, or choose TRUNCATE_BEFORE_LOAD or DROP_AND_CREATE, remove the task and start it again.',
  },
} as const satisfies Record<string, ErrorDefinition>;
