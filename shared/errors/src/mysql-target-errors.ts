import type { ErrorDefinition } from './definition.js';

/** Targets of MySQL and MariaDB, beside what all targets share. */
export const mysqlTargetErrors = {
  TARGET_NOT_TRANSACTIONAL: {
    class: 'operator',
    message: 'The target table {table} is stored by {engine}, which cannot roll back.',
    cause: 'Rows and the checkpoint have to be committed together; only InnoDB does that.',
    remedy:
      'ALTER TABLE {table} ENGINE=InnoDB in the target, or give the table another name with a rename rule in the table mappings.',
  },
  TARGET_MYSQL_VERSION: {
    class: 'operator',
    message: 'The target is {version}; Millrace is made for MySQL 8.0 and later and MariaDB 10.5 and later.',
    cause: 'Older versions lack what the apply needs.',
    remedy: 'Use a newer server as the target.',
  },
  TARGET_BINLOG_STATEMENTS: {
    class: 'operator',
    message: "The target's binlog_format is STATEMENT.",
    cause: 'InnoDB refuses to write in READ COMMITTED under it, which is how Millrace writes.',
    remedy: 'SET GLOBAL binlog_format = ROW on the target, or turn its binary log off.',
  },
  TARGET_PACKET_SMALL: {
    class: 'operator',
    message: "The target's max_allowed_packet is {bytes} bytes.",
    cause: 'A row that is longer as a statement stops the task, and small packets make changes slow.',
    remedy: 'SET GLOBAL max_allowed_packet = 67108864 on the target.',
  },
  TARGET_ROW_BEYOND_PACKET: {
    class: 'operator',
    message: "A row of {table} makes a statement of {bytes} bytes, and the target's max_allowed_packet is {limit}.",
    cause:
      'The server takes no longer statement, neither for the row itself nor to keep it as a dead letter. Nothing of its transaction was written.',
    remedy:
      'SET GLOBAL max_allowed_packet to twice as many bytes on the target (at most 1073741824) and start the task again; it resumes exactly.',
  },
  TARGET_LOCAL_INFILE_OFF: {
    class: 'operator',
    message: "The target's local_infile is off.",
    cause: 'Rows of a load then go by INSERT, which takes longer.',
    remedy:
      'SET GLOBAL local_infile = ON on the target while the load runs. Millrace sends rows from memory alone, never a file.',
  },
  TARGET_TABLE_TRIGGERS: {
    class: 'operator',
    message: 'Triggers of {table} fire for replicated rows: {triggers}.',
    cause: 'MySQL and MariaDB have no session without triggers. What they write comes on top of what the source sends.',
    remedy: 'Drop them in the target while the task runs, unless they do nothing to replicated tables.',
  },
  TARGET_KEY_COLLATION: {
    class: 'operator',
    message: 'The key column "{column}" of {table} has the collation {target} in the target and {source} in the source.',
    cause:
      "Two keys that the source tells apart may be one for the target's collation; the second is then refused as a duplicate, not lost.",
    remedy: "Give the target's column the source's collation, or utf8mb4_bin, which tells all keys apart.",
  },
  DEFINITION_IN_LARGE_TRANSACTION: {
    class: 'operator',
    message: 'The definition of {table} changes within a transaction too large to be held.',
    cause:
      'MySQL and MariaDB commit whatever is open when a table is defined, and such a transaction may yet be abandoned. The table is set aside, the others go on.',
    remedy: 'Remove the task (`millrace remove`) and start it again to load the table anew.',
  },
} as const satisfies Record<string, ErrorDefinition>;
