import type { ErrorDefinition } from './definition.js';

export const sourceErrors = {
  SOURCE_CONNECTION_LOST: {
    class: 'retry',
    message: 'The connection to the source was lost while {doing}: {reason}.',
    cause: 'The server restarted, ended the session, or the network broke.',
    remedy: 'Nothing: it is tried again.',
  },
  SOURCE_DISK_FULL: {
    class: 'retry',
    message: 'The source has no disk space left while {doing}: {reason}.',
    cause:
      'The disk of the data, the log or the slots is full. Log that is kept for a task which cannot get on may be what fills it. Nothing is lost.',
    remedy: 'Make room on the source; it is tried again. If the task cannot get on because of Kafka, mend that first.',
  },
  SOURCE_RIGHTS: {
    class: 'operator',
    message: 'The source refused a right while {doing}: {reason}.',
    cause: 'The role lacks a privilege, or a row-level security policy would hide rows from it.',
    remedy: 'Grant what the message names (deploy/grants/postgres-source.sql grants everything Millrace needs), or BYPASSRLS.',
  },
  SOURCE_QUERY_FAILED: {
    class: 'operator',
    message: 'The source refused a statement while {doing}: {reason} (SQLSTATE {state}).',
    cause: 'The server did not accept what Millrace asked.',
    remedy: 'Correct what the message names; if nothing is wrong there, report it with the log at --log-level debug.',
  },
  SOURCE_TABLE_LOCKED: {
    class: 'retry',
    message: 'A lock on a table of the source stood in the way while {doing}: {reason}.',
    cause: 'A VACUUM, an index build or an open transaction holds a lock that the statement conflicts with.',
    remedy: 'Nothing: it is tried again. Who holds it: SELECT * FROM pg_locks WHERE granted AND relation IS NOT NULL.',
  },
  // The stream: slot, publication, timeline, protocol.
  SOURCE_PROTOCOL: {
    class: 'fatal',
    message: 'The source sent {what}, which its replication protocol does not know.',
    cause: 'A proxy between Millrace and PostgreSQL, a server of another kind, or an error in Millrace.',
    remedy: 'Connect to PostgreSQL 13 to 18 directly. If it is one, report this with the log at --log-level debug.',
  },
  SOURCE_SILENT: {
    class: 'retry',
    message: 'The source has sent nothing for {silentSeconds} s and does not answer.',
    cause: 'The network lost the connection without ending it, or the server hangs.',
    remedy: 'Nothing: the connection is made anew. If it stays so, look at the network between here and the source.',
  },
  SOURCE_CHANGED: {
    class: 'operator',
    message: 'The source is {found}, but the journal was written from {expected}.',
    cause:
      'The source URL leads to another server or database now, or the server was made anew; log positions mean nothing there.',
    remedy: 'Point --source back at the original, or remove the task (`millrace remove`) and start it anew.',
  },
  SOURCE_MOVED: {
    class: 'retry',
    message: 'A further connection to the source reached {found}, where {expected} was attached to.',
    cause: 'The source failed over, or its address leads to another server now.',
    remedy: 'Nothing: the capture attaches anew, and says so if it cannot go on there.',
  },
  SOURCE_IN_RECOVERY: {
    class: 'operator',
    message: 'The source is a standby, and Millrace cannot write its publication there.',
    cause: 'A publication is made on the primary; --source leads to a server in recovery.',
    remedy: 'Point --source at the primary.',
  },
  TIMELINE_FORKED: {
    class: 'operator',
    message: 'The journal holds changes up to {resume} of timeline {timeline}, but the source left that timeline at {fork}.',
    cause: 'A failover or a restore: the new primary never had the last changes that the journal holds.',
    remedy: 'The target may have changes that the source lost. Remove the task (`millrace remove`) and load again.',
  },
  SLOT_MISSING: {
    class: 'operator',
    message: 'The replication slot "{slot}" is not there any more.',
    cause: 'It was dropped, or the source failed over to a server without it. Changes since {resume} may be gone from the log.',
    remedy: 'Remove the task (`millrace remove`) and start it anew: its tables are loaded again.',
  },
  SLOT_INVALIDATED: {
    class: 'operator',
    message: 'The source has given up the log of the replication slot: {reason}.',
    cause: "Millrace was away or behind for longer than max_slot_wal_keep_size or the server's rules allow.",
    remedy: 'Raise max_slot_wal_keep_size on the source, remove the task (`millrace remove`) and start it anew.',
  },
  SLOT_FOREIGN: {
    class: 'operator',
    message: 'The replication slot "{slot}" is not this task\'s: {reason}.',
    cause: 'Something else made a slot of this name.',
    remedy: "Rename the task, or drop that slot if nobody needs it: SELECT pg_drop_replication_slot('{slot}').",
  },
  SLOT_IN_USE: {
    class: 'operator',
    message: 'The replication slot "{slot}" is in use by process {pid} ("{application}") on the source.',
    cause: "Something other than this task reads from it, and two readers would lose each other's changes.",
    remedy: 'End that reader, or on the source: SELECT pg_terminate_backend({pid}).',
  },
  SLOT_BUSY: {
    class: 'retry',
    message: 'The replication slot is still held by an earlier connection: {reason}.',
    cause: 'The server has not noticed yet that the earlier connection ended.',
    remedy: 'Nothing: it is tried again.',
  },
  SLOT_AHEAD_OF_JOURNAL: {
    class: 'operator',
    message: 'Replication slot "{slot}" stands at {confirmed}, past {resume}, the last change that the journal holds.',
    cause: 'Something else advanced or recreated the slot, so the changes in between are gone from it.',
    remedy: 'Remove the task (`millrace remove`) and start it anew, or restore the slot from a backup of the source.',
  },
  SLOT_LIMIT: {
    class: 'operator',
    message: 'The source has no replication slot left: {reason}.',
    cause: 'max_replication_slots slots exist already.',
    remedy:
      'Drop slots that nobody reads (SELECT slot_name, active FROM pg_replication_slots), or raise max_replication_slots and restart.',
  },
  SOURCE_WAL_LEVEL: {
    class: 'operator',
    message: 'The source does not write a log that changes can be read from: wal_level is {walLevel}, it must be logical.',
    cause: 'PostgreSQL logs whole rows only with wal_level=logical (RDS: rds.logical_replication=1).',
    remedy: 'ALTER SYSTEM SET wal_level = logical; then restart the source.',
  },
  PUBLICATION_MISSING: {
    class: 'operator',
    message: 'A publication that the stream needs is not there: {reason}.',
    cause: 'It was dropped, or the name in the settings is misspelt. Without it the source refuses to send changes.',
    remedy:
      'Create the publication that the settings name; one that Millrace made itself was dropped: remove the task and start it anew.',
  },
  PUBLICATION_INCOMPLETE: {
    class: 'operator',
    message: 'The publication "{publication}" does not publish {missing}.',
    cause: 'A publication that the settings name is used as it is; Millrace does not change it.',
    remedy: 'ALTER PUBLICATION so that it publishes them, or leave publicationName out: Millrace makes its own.',
  },
  PUBLICATION_FOREIGN: {
    class: 'operator',
    message: 'There is a publication "{publication}" already, and Millrace did not make it.',
    cause: "The task's own publication would bear that name; somebody else's is neither changed nor dropped.",
    remedy: 'Give the task another name, or rename the publication: ALTER PUBLICATION … RENAME TO …',
  },
  SOURCE_SCHEMA_UNSETTLED: {
    class: 'retry',
    message: 'Table {table} changed in the source while its change was being read.',
    cause: 'The change is in the log but was not visible in the catalogue yet. Nothing of it was written.',
    remedy: 'Nothing: the stream is read again from the last change that the journal holds.',
  },
  TABLE_WITHOUT_IDENTITY: {
    class: 'operator',
    message: 'Table {table} has neither a primary key nor REPLICA IDENTITY FULL.',
    cause: 'The log would not say which row an update or delete changed, and publishing it would make the source refuse them.',
    remedy: 'Add a primary key, or: ALTER TABLE {table} REPLICA IDENTITY FULL;',
  },
  SNAPSHOT_LOST: {
    class: 'retry',
    message: 'The snapshot that the tables are read in is gone: {reason}.',
    cause: 'The session that held it ended: the server restarted, an administrator ended it, or the network broke.',
    remedy: 'Nothing: the rest of the load is read in a new snapshot.',
  },
  TABLE_REWRITTEN: {
    class: 'retry',
    message: 'Table {table} changed while it was read: {change}.',
    cause: 'An old snapshot reads a rewritten or truncated table as empty, and a renamed one as something else.',
    remedy: 'Nothing: the table is read again in a new snapshot. Avoid TRUNCATE and rewriting ALTER TABLE during the load.',
  },
  TABLE_BUSY: {
    class: 'retry',
    message: 'The source broke the reading of table {table} off: {reason} (SQLSTATE {state}).',
    cause: 'A statement or lock time-out, a cancelled query, or a lack of memory or connections in the source.',
    remedy: 'Nothing: it is read again after a pause. If it stays so, see to what the message names.',
  },
  TABLE_UNREADABLE: {
    class: 'operator',
    message: 'Table {table} cannot be read: {reason} (SQLSTATE {state}).',
    cause:
      'The role lacks SELECT on it, a row-level security policy would hide rows, or the table or an index of it is damaged. It is set aside, the others go on.',
    remedy:
      'GRANT SELECT (deploy/grants/postgres-source.sql) or BYPASSRLS, or repair what the message names (REINDEX TABLE); then remove the task (`millrace remove`) and start it again to load it anew.',
  },
  TABLE_NOT_CARRIED: {
    class: 'operator',
    message: 'Something else than a table that can be carried has the name {table} now.',
    cause:
      'The table was dropped or renamed, and a view, a foreign or an unlogged table has taken its name: the log tells no changes of it.',
    remedy: 'Nothing, if that was meant: the copy stays as it is. Else make it an ordinary table again; it is loaded anew then.',
  },
  SOURCE_CHUNK_UNREADABLE: {
    class: 'fatal',
    message: 'A chunk of the load cannot be found again: "{locator}".',
    cause: 'The load topic holds a place that this version of Millrace did not write.',
    remedy: 'Load the table again.',
  },
  SOURCE_FILTER_COLUMN: {
    class: 'operator',
    message: 'A filter names the column {column}, which {table} does not have.',
    cause: 'Column names match case-sensitively.',
    remedy: 'Correct the column name in the table mappings.',
  },
  // Assessment of the source.
  SOURCE_VERSION: {
    class: 'operator',
    message: 'The source is PostgreSQL {version}; Millrace is made for 13 to 18.',
    cause: 'Older servers lack what the load and the stream need; newer ones were not tried.',
    remedy: 'Upgrade the source, or Millrace where the source is newer.',
  },
  SOURCE_ENCODING: {
    class: 'operator',
    message: 'The database {database} has the encoding SQL_ASCII.',
    cause: 'Its texts may be in any encoding, and nobody says which: they cannot be carried as UTF-8 without guessing.',
    remedy: 'Dump it and restore it into a database with its true encoding.',
  },
  SOURCE_LARGE_OBJECTS: {
    class: 'operator',
    message: 'The database {database} holds large objects, which are not carried.',
    cause: 'PostgreSQL does not put large objects (pg_largeobject) into the logical stream; oid columns arrive as numbers.',
    remedy: 'Move them with pg_dump --large-objects, or into bytea columns.',
  },
  SOURCE_WAL_LEVEL_RDS: {
    class: 'operator',
    message: 'The source does not write a log that changes can be read from: wal_level is {walLevel}, it must be logical.',
    cause: 'On RDS and Aurora the parameter rds.logical_replication decides it.',
    remedy: 'Set rds.logical_replication = 1 in the parameter group of the instance or cluster and reboot the writer.',
  },
  SOURCE_SENDERS_EXHAUSTED: {
    class: 'operator',
    message: 'The source has no WAL sender left: {used} of max_wal_senders = {limit} are in use.',
    cause: 'Each replication connection takes one: standbys, backups, other tasks.',
    remedy:
      'End replication connections that nobody needs (SELECT * FROM pg_stat_replication), or raise max_wal_senders and restart.',
  },
  SOURCE_WAL_UNLIMITED: {
    class: 'operator',
    message: 'max_slot_wal_keep_size is not set: while a task is stopped, the source keeps all its log since.',
    cause: 'A replication slot holds the log until it is read; without a limit it can fill the disk.',
    remedy: 'Watch the disk while a task is stopped, `millrace remove` tasks for good, or set max_slot_wal_keep_size.',
  },
  SOURCE_WAL_LIMITED: {
    class: 'operator',
    message: 'The source gives up a slot that is more than {megabytes} MB of log behind (max_slot_wal_keep_size).',
    cause: 'The limit protects its disk; a task that is stopped for longer than that has to load again.',
    remedy: 'Set it above what the source writes during the longest stop that you expect.',
  },
  SOURCE_SLOT_TIMEOUT: {
    class: 'operator',
    message: 'The source gives up a slot that nobody has read for {seconds} s (idle_replication_slot_timeout).',
    cause: 'A task that is stopped for longer than that has to load again.',
    remedy: 'Set idle_replication_slot_timeout above the longest stop that you expect, or 0.',
  },
  SOURCE_RIGHT_MISSING: {
    class: 'operator',
    message: 'The role {role} lacks {right} in the source.',
    cause: 'Without it the load or the stream would fail.',
    remedy: '{grant}; deploy/grants/postgres-source.sql grants everything Millrace needs.',
  },
  SOURCE_READ_ONLY: {
    class: 'operator',
    message: 'Sessions of the role {role} are read-only in the source (default_transaction_read_only).',
    cause: 'Millrace writes one thing there: its publication.',
    remedy: 'ALTER ROLE {role} SET default_transaction_read_only = off, or name a publication that is there already.',
  },
  SOURCE_ROW_SECURITY: {
    class: 'operator',
    message: 'Row-level security policies of {table} apply to the role {role}.',
    cause: 'They would hide rows from the load, while the stream carries all of them.',
    remedy: 'ALTER ROLE {role} BYPASSRLS, or connect as the owner of the table.',
  },
  SOURCE_PARTITION_UNCARRIED: {
    class: 'operator',
    message: 'The {kind} partition {relation} of {table} cannot be carried.',
    cause: 'Changes of unlogged and foreign tables are not in the log.',
    remedy: 'Make it an ordinary table (ALTER TABLE … SET LOGGED), detach it, or take {table} out of the selection.',
  },
  SOURCE_GENERATED_IDENTITY: {
    class: 'operator',
    message: 'The generated column {column} belongs to the replica identity of {table}.',
    cause: 'PostgreSQL leaves generated columns out of the stream, so an old row could not be told from others.',
    remedy: 'ALTER TABLE {table} REPLICA IDENTITY FULL, or an index of ordinary columns: REPLICA IDENTITY USING INDEX ….',
  },
  SOURCE_FILTER_REFUSED: {
    class: 'operator',
    message: 'The source does not take the filter on {table}: {reason}.',
    cause: 'A column is missing, or a value is none of its type.',
    remedy: 'Correct the filter in the table mappings.',
  },
} as const satisfies Record<string, ErrorDefinition>;
