import type { ErrorDefinition } from './definition.js';

export const targetErrors = {
  TARGET_CONNECTION_LOST: {
    class: 'retry',
    message: 'The connection to the target was lost while {doing}: {reason}.',
    cause: 'The server restarted, ended the session, or the network broke. The target rolled back whatever was not committed.',
    remedy:
      'Nothing: it is tried again from the checkpoint in the target. If it stays so, check the target server and the network.',
  },
  TARGET_BUSY: {
    class: 'retry',
    message: 'The target could not finish {doing}: {reason} (SQLSTATE {state}).',
    cause:
      'A deadlock, a lock or statement time-out, or a lack of memory or connections in the target. The transaction was rolled back.',
    remedy:
      'Nothing: it is tried again. If it stays so, look in pg_stat_activity and pg_locks of the target for what holds the lock.',
  },
  TARGET_READ_ONLY: {
    class: 'operator',
    message: 'The target is read-only: {reason}.',
    cause: 'It is a standby, or default_transaction_read_only is on. After a failover the old address may lead to a standby.',
    remedy:
      'Give the address of the primary in --target, or make the server writable, and start the task again; it resumes exactly.',
  },
  TARGET_RIGHTS: {
    class: 'operator',
    message: 'The target refused a right while {doing}: {reason}.',
    cause:
      'The role lacks a privilege on a table of the task or on the schema millrace, or a row-level security policy stops it.',
    remedy:
      'Grant what the message names (deploy/grants/postgres-target.sql grants everything Millrace needs) and start the task again.',
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
    remedy:
      'Correct what the message names and start the task again; if nothing is wrong there, report it with the log at --log-level debug.',
  },
  SINK_FENCED: {
    class: 'fatal',
    message: 'Another sink of task "{task}" has taken over the target: it expected {expected} and the checkpoint is {found}.',
    cause:
      'The task was started a second time, here or elsewhere. The newer sink goes on from the same checkpoint; this one wrote nothing more.',
    remedy: 'Nothing, if the other one is wanted. Otherwise stop the other one and start this task again.',
  },
  APPLY_REFUSED: {
    class: 'operator',
    message: 'The target refused {kind} of {table} with {key} at {position}: {reason}',
    cause:
      'The task settings say STOP_TASK for this kind of conflict. The whole group was rolled back: the target stands at the transaction before it.',
    remedy:
      'Put the row in the target right, or choose another action in ErrorBehavior of the task settings (LOG_ERROR sets such rows aside), and start the task again.',
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
    cause: "The source's log leaves out large values that an update did not touch.",
    remedy: 'Reload the table, or set REPLICA IDENTITY FULL on it in the source so that such rows can be inserted.',
  },
  APPLY_DUPLICATE_ROW: {
    class: 'operator',
    message: '{reason}',
    cause: 'A row with this key, or with this value of another unique constraint, is in the target already.',
    remedy:
      'Remove the row that something else than Millrace wrote, or choose UPDATE_RECORD in ErrorBehavior; `millrace verify` shows the rows that differ.',
  },
  APPLY_ROW_REFUSED: {
    class: 'operator',
    message: '{reason}',
    cause: "A value does not fit the target's column, or a constraint, trigger or domain of the target refuses it.",
    remedy: "Change the target's column or constraint, then reload the table.",
  },
  APPLY_TABLE_CHANGED: {
    class: 'operator',
    message: 'The target table no longer takes the changes of {table}: {reason}',
    cause: 'The table was dropped or altered in the target by something else than Millrace.',
    remedy: 'Undo that change or drop the target table, then reload the table.',
  },
  COVERAGE_NEEDS_REREAD: {
    class: 'operator',
    message:
      'A row of {table} moved into a key range that was loaded in a later snapshot, and the log does not carry all its values.',
    cause: 'The load was interrupted and went on in a second snapshot; the unchanged large values of this row are in neither.',
    remedy:
      'The table is set aside and the others go on. Remove the task (`millrace remove`) and start it again to load it anew.',
  },
  LOAD_RESTART_NOT_EMPTY: {
    class: 'operator',
    message: 'The load of {table} has to start again, and the target table held rows of its own before it.',
    cause:
      'An ALTER TABLE rewrote its rows, or the snapshot was lost and it has no key by which the rest could be read; emptying the target table could remove rows that are not ours. The table is set aside, the others go on.',
    remedy:
      'Empty the target table, or choose TRUNCATE_BEFORE_LOAD or DROP_AND_CREATE; then remove the task (`millrace remove`) and start it again with a load.',
  },
  TARGET_NOT_A_TABLE: {
    class: 'operator',
    message: 'The target has {kind} where the table {table} should be.',
    cause: 'Rows can be written only to a table of that name.',
    remedy:
      'Drop or rename it in the target, or give the table another name with a rename rule in the table mappings, and start the task again.',
  },
  TARGET_TABLE_IN_USE: {
    class: 'operator',
    message: 'The target table {table} cannot be emptied or dropped: {reason}.',
    cause: 'A foreign key, a view or something else of the target depends on it, or the role may not truncate it.',
    remedy:
      'Drop what depends on it, or empty the table by hand and set TargetTablePrepMode to DO_NOTHING, and start the task again.',
  },
  TARGET_COLUMN_CONVERTED: {
    class: 'operator',
    message: 'Column "{column}" of {table} comes from another engine: {text}',
    cause: 'Types, defaults and expressions of two engines are not the same; docs/types.md has the whole table.',
    remedy:
      'Nothing, if this is what you want; else give the column another type by a rule change-data-type, or make the table yourself.',
  },
  TARGET_DEFAULT_LEFT_OUT: {
    class: 'operator',
    message: 'Column "{column}" of {table} has no default in the target: {expression} cannot be used there ({reason}).',
    cause:
      'The target lacks a function, sequence or type that the default names. Replicated rows bring their values, so none is missing.',
    remedy: 'Before applications write to the target, create what is missing there and set the default with ALTER TABLE.',
  },
  TARGET_COLLATION_MISSING: {
    class: 'operator',
    message: 'Column "{column}" of {table} has the database\'s own collation in the target, which lacks {collation}.',
    cause: 'The values are the same; only their order in sorts and indexes may differ.',
    remedy: 'To have the same order, create the collation in the target before the table is made.',
  },
  LOAD_KEY_REFUSED: {
    class: 'operator',
    message: 'The primary key ({columns}) of {table} cannot be built in the target: {reason}.',
    cause: 'The table held rows before the load, and some of them have a key of the loaded rows.',
    remedy: 'Remove those rows, or set TargetTablePrepMode to TRUNCATE_BEFORE_LOAD and reload the table.',
  },
  LOAD_ROW_REFUSED: {
    class: 'operator',
    message: 'The target refused row {row} of chunk {chunk} of the load of {table}: {reason} (SQLSTATE {state}).',
    cause: "A value does not fit the target's column, or a constraint of the target refuses the row.",
    remedy:
      "Change the target's column or constraint and reload the table, or let DataErrorPolicy LOG_ERROR in the task settings set such rows aside.",
  },
  LOAD_STOPPED: {
    class: 'operator',
    message: '{reason}',
    cause: 'The task settings say STOP_TASK for a row that the target cannot hold.',
    remedy:
      "Change the target's column or constraint, or choose another DataErrorPolicy in the task settings, and start the task again; the load resumes.",
  },
  LOAD_COUNT: {
    class: 'operator',
    message: 'The target took {taken} of {sent} rows of chunk {chunk} of the load of {table}.',
    cause: 'A trigger or rule of the target drops or adds rows, so the copy would not be exact.',
    remedy: 'Disable the trigger or rule (ALTER TABLE … DISABLE TRIGGER) and reload the table.',
  },
  ALTER_REFUSED: {
    class: 'operator',
    message: 'The target table {table} cannot follow a schema change of the source: {reason} (SQLSTATE {state}, {step}).',
    cause:
      'Something in the target depends on what changes (a view, a constraint, rows of its own), or the log does not tell what its rows hold.',
    remedy: 'Remove what stands in the way (the message names it), then reload the table.',
  },
  TARGET_TABLE_INCOMPATIBLE: {
    class: 'operator',
    message: 'Column "{column}" of the target table {table} cannot take the source\'s rows: {reason}.',
    cause: 'The table was there before the task, and DO_NOTHING uses it as it is.',
    remedy:
      "In the target, {remedy}; or drop the table, or set TargetTablePrepMode to DROP_AND_CREATE, so that it is made like the source's.",
  },
  TARGET_VERSION: {
    class: 'operator',
    message: 'The target is PostgreSQL {version}; Millrace is made for 13 to 18.',
    cause: 'Older versions lack what the apply needs; newer ones were not tested.',
    remedy: 'Use a target of PostgreSQL 13 to 18.',
  },
  TARGET_ENCODING: {
    class: 'operator',
    message: 'The target database has the encoding {encoding}.',
    cause:
      'Only UTF8 holds every character; a row with one that {encoding} lacks is refused under the data error policy, never changed.',
    remedy: "Create the target database with ENCODING 'UTF8'.",
  },
  TARGET_RIGHT_MISSING: {
    class: 'operator',
    message: 'The role of --target lacks {right} on {object}.',
    cause: 'Millrace needs it to make or write what the task selects.',
    remedy: 'Grant it (deploy/grants/postgres-target.sql grants everything Millrace needs) and start the task again.',
  },
  TARGET_ROW_SECURITY: {
    class: 'operator',
    message: 'A row-level security policy of the target table {table} applies to the role of --target.',
    cause: 'It would hide rows from the role or refuse them, so the copy would not be exact.',
    remedy:
      "ALTER ROLE … BYPASSRLS, make the role the table's owner without FORCE ROW LEVEL SECURITY, or disable row-level security on the table.",
  },
  TARGET_NOT_OWNER: {
    class: 'operator',
    message: 'The role of --target does not own {table}.',
    cause: 'Only an owner can alter a table: a schema change of the source cannot be followed there.',
    remedy: "Where the schema may change, ALTER TABLE … OWNER TO the role, or grant it the owner's role.",
  },
  TARGET_TRIGGERS_FIRE: {
    class: 'operator',
    message: 'Foreign keys or triggers of {table} fire for replicated rows: {triggers}.',
    cause:
      'The role may not set session_replication_role, or they are enabled as ALWAYS or REPLICA. A foreign key refuses rows that come before the ones they name.',
    remedy:
      'GRANT SET ON PARAMETER session_replication_role TO the role (PostgreSQL 15 and later), or disable them while the task runs.',
  },
  TARGET_KEY_DEFERRABLE: {
    class: 'operator',
    message: 'The constraint "{constraint}" of {table} is deferrable: nothing checks it for replicated rows.',
    cause:
      'PostgreSQL checks a deferrable unique constraint by a trigger, and triggers do not fire for replicated rows. A row that comes to one of the same key would go in beside it.',
    remedy:
      'Make it not deferrable in the target: ALTER TABLE … DROP CONSTRAINT …, then ADD PRIMARY KEY or UNIQUE with its columns. Or leave the table out of the target: Millrace makes it with a key that is not deferrable.',
  },
  TARGET_EXTENSION_MISSING: {
    class: 'operator',
    message: 'The target lacks the extension "{extension}", which {table} needs.',
    cause: "A column's type comes from it.",
    remedy:
      'CREATE EXTENSION "{extension}" in the target database, in the same schema as in the source, and start the task again.',
  },
  TARGET_TYPE_MISSING: {
    class: 'operator',
    message: 'The target lacks the type {type} of column "{column}" of {table}.',
    cause: 'It belongs to an extension that lies in another schema there, or to a table or library that Millrace does not copy.',
    remedy: 'Create the type under that name in the target and start the task again.',
  },
} as const satisfies Record<string, ErrorDefinition>;
