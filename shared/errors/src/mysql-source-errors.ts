import type { ErrorDefinition } from './definition.js';

/** Errors that only a MySQL or MariaDB source has. */
export const mysqlSourceErrors = {
  SOURCE_BINLOG_PROTOCOL: {
    class: 'fatal',
    message: 'The source sent {what}, which the binary log does not have.',
    cause: 'A proxy between Millrace and the server, a server of another kind, or an error in Millrace.',
    remedy:
      'Connect to MySQL 5.7 to 8.4 or MariaDB 10.5 to 11 directly. If it is one, report this with the log at --log-level debug.',
  },
  SOURCE_BINLOG_CHECKSUM: {
    class: 'retry',
    message: 'An event at {place} of the binary log does not match its checksum.',
    cause: "It was damaged on the way, or on the source's disk.",
    remedy:
      'Nothing: it is read again. If it stays so, the log file is damaged: remove the task (`millrace remove`) and load again.',
  },
  SOURCE_BINLOG_UNSUPPORTED: {
    class: 'operator',
    message: 'The binary log holds {what}, which Millrace does not read. Nothing behind it was carried.',
    cause: 'A setting of the server or of one session writes the log in a form that cannot be carried exactly.',
    remedy: '{remedy} Then remove the task (`millrace remove`) and start it anew: its tables are loaded again.',
  },
  SOURCE_BINLOG_STATEMENT: {
    class: 'operator',
    message: 'The binary log holds a write as a statement ({verb} in database {database}): its rows are not in the log.',
    cause: 'A session has set binlog_format to STATEMENT or MIXED.',
    remedy:
      'Let every session write with binlog_format=ROW (who may change it: SUPER, SYSTEM_VARIABLES_ADMIN, BINLOG ADMIN), then remove the task (`millrace remove`) and start it anew: its tables are loaded again.',
  },
  SOURCE_ROW_IMAGE: {
    class: 'operator',
    message: 'A row of {table} is not whole in the binary log.',
    cause: 'binlog_row_image is not FULL, on the server or in the session that wrote the row.',
    remedy:
      'SET GLOBAL binlog_row_image = FULL (and no session may change it), then remove the task (`millrace remove`) and start it anew: its tables are loaded again.',
  },
  SOURCE_SCHEMA_UNPROVED: {
    class: 'operator',
    message: 'The columns of {table} changed, and the binary log does not say which columns its rows have since.',
    cause: 'Without binlog_row_metadata=FULL the log has no column names, and the catalogue may be ahead of the log.',
    remedy:
      'SET GLOBAL binlog_row_metadata = FULL where the server has it (MySQL 8.0, MariaDB 10.5); then remove the task (`millrace remove`) and start it anew.',
  },
  SOURCE_VALUE_FORMAT: {
    class: 'operator',
    message: 'The column {column} holds its values in a form that Millrace does not read (type {type} of the binary log).',
    cause: 'Date columns of a table older than MySQL 5.6, COMPRESSED columns of MariaDB, or a type of a later server.',
    remedy: "ALTER TABLE … FORCE renews old date columns; else change the column's type, or take the table out of the selection.",
  },
  SOURCE_CHARSET: {
    class: 'operator',
    message: 'A column has the character set {charset}, which Millrace does not read.',
    cause: 'Its characters take four bytes and more and are not Unicode.',
    remedy: 'Convert the table: ALTER TABLE … CONVERT TO CHARACTER SET utf8mb4; or take it out of the selection.',
  },
  SOURCE_TEXT_UNREADABLE: {
    class: 'operator',
    message: 'A text of character set {charset} holds bytes that are none of its characters: {bytes}.',
    cause: 'The server itself cannot turn them into Unicode; something wrote them past its checks.',
    remedy: 'Repair the value in the source, or make the column one of bytes (VARBINARY); then load the table again.',
  },
  SOURCE_COLUMN_TYPE: {
    class: 'operator',
    message: 'The column {column} of {table} has the type {type}, which is not carried.',
    cause: "Millrace does not know the type's values.",
    remedy: "Take the table out of the selection, or change the column's type.",
  },
  SOURCE_XA_PREPARED: {
    class: 'operator',
    message: 'The XA transaction {xid} is prepared or ends in the log, and Millrace does not carry prepared transactions.',
    cause: 'The log holds its rows where it was prepared, not where it commits.',
    remedy:
      'End it (XA RECOVER lists them; XA COMMIT, XA ROLLBACK), let XA commit in one phase, then remove the task and start it anew.',
  },
  SOURCE_LOG_PURGED: {
    class: 'operator',
    message: "The source's binary log does not reach back to {resume} any more: {reason}.",
    cause: 'Millrace was away for longer than the source keeps its log (binlog_expire_logs_seconds, expire_logs_days, PURGE).',
    remedy:
      'Let the source keep its log for longer, remove the task (`millrace remove`) and start it anew: its tables are loaded again.',
  },
  SOURCE_LOG_FOREIGN: {
    class: 'operator',
    message: "The source's binary log is not the one that the journal was written from: {reason}.",
    cause: 'RESET MASTER, a restored backup, another server, or a failover to a server that lacks the last transactions.',
    remedy:
      'Point --source at the server of before. If there is none, the target may have changes that the source lost: remove the task (`millrace remove`) and load again.',
  },
  SOURCE_LOG_OFF: {
    class: 'operator',
    message: 'The source writes no binary log (log_bin is OFF).',
    cause: 'Changes are read from the binary log, so there is nothing to read.',
    remedy: 'Set log_bin and restart the source. RDS and Aurora: switch automated backups on, or set binlog_format=ROW.',
  },
  SOURCE_READER_REPLACED: {
    class: 'retry',
    message: 'The source ended this reader of its log, since another with the server id {serverId} came: {reason}.',
    cause: 'A newer capture of the same task has begun, or a replica has the same server id.',
    remedy: 'Nothing, if a newer capture took over. If it repeats: SHOW SLAVE HOSTS (SHOW REPLICAS) shows who has the id.',
  },
  SOURCE_SERVER_ID_TAKEN: {
    class: 'operator',
    message: 'The server id {serverId} that Millrace would read the log with belongs to {owner}.',
    cause: 'The source ends one of two readers with the same id.',
    remedy: 'Give that replica, or the task (its name decides the id), another one.',
  },
  SOURCE_SETTING: {
    class: 'operator',
    message: "The source's {setting} is {value}; it must be {wanted}.",
    cause: '{why}',
    remedy: 'SET GLOBAL {setting} = {wanted} (RDS, Aurora: in the parameter group), and let open sessions connect anew.',
  },
  SOURCE_VERSION_MYSQL: {
    class: 'operator',
    message: 'The source is {version}; Millrace is made for MySQL 5.7 to 8.4 and MariaDB 10.5 to 11.',
    cause: 'Older servers lack what the stream needs; newer ones were not tried.',
    remedy: 'Upgrade the source, or Millrace where the source is newer.',
  },
  SOURCE_LOG_RETENTION: {
    class: 'operator',
    message: 'The source keeps its binary log for {hours} hours.',
    cause: 'A task that is stopped for longer than that has to load again.',
    remedy: 'Set binlog_expire_logs_seconds (expire_logs_days) above the longest stop that you expect.',
  },
  SOURCE_CASCADES: {
    class: 'operator',
    message: 'The foreign key {constraint} of {table} changes its rows by {action}, which the binary log does not show.',
    cause: 'InnoDB makes cascaded changes below the log.',
    remedy:
      'Make the same foreign key in the target, so that it cascades there; or change the rows by statements, without a cascade.',
  },
  SOURCE_TABLE_ENGINE: {
    class: 'operator',
    message: 'Table {table} is of the engine {engine}, which has no consistent snapshots.',
    cause: 'What is written while it is read would come twice, or not at all.',
    remedy: 'ALTER TABLE {table} ENGINE = InnoDB, or take it out of the selection.',
  },
  SOURCE_GRANT_MISSING: {
    class: 'operator',
    message: 'The user {user} lacks {right} in the source.',
    cause: 'Without it the load or the stream would fail.',
    remedy: '{grant}; deploy/grants/mysql-source.sql grants everything Millrace needs.',
  },
  SOURCE_SNAPSHOT_POSITION: {
    class: 'operator',
    message: 'No consistent snapshot could be taken: {reason}.',
    cause: 'The place of the snapshot in the log is known for certain only while writes stand still for a moment.',
    remedy: 'GRANT RELOAD (FLUSH TABLES WITH READ LOCK) or LOCK TABLES to the user: deploy/grants/mysql-source.sql.',
  },
} as const satisfies Record<string, ErrorDefinition>;
