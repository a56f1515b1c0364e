import type { ErrorDefinition } from './definition.js';

export const codecErrors = {
  JOURNAL_CORRUPT: {
    class: 'fatal',
    message: 'The record at {where} is damaged: {what}.',
    cause:
      'The bytes that Kafka returned are not the ones that Millrace wrote: a failing disk, a topic that was edited, or a bug. Nothing of the record was applied.',
    remedy:
      "Check the brokers' disks and read the record from another replica. If no intact replica is left, start the task anew: `millrace remove --name …`, then `millrace run …` with a full load.",
  },
  RECORD_FOREIGN: {
    class: 'operator',
    message: 'The record at {where} was not written by Millrace: {what}.',
    cause:
      'Something else writes into a topic that belongs to Millrace, or the topic name given was one that was in use already.',
    remedy:
      'Stop the other writer and give the task topics of its own (another --name), then load anew. Millrace never skips a record that it does not understand.',
  },
  RECORD_TOO_LARGE: {
    class: 'operator',
    message: '{what} takes {bytes} bytes; the limit is {limit}.',
    cause: 'A block is decoded whole, so its size is limited to keep every process within its memory.',
    remedy:
      'Limit large objects in the task settings (LobMaxSize with LimitedSizeLobMode), or leave the column out by a remove-column rule.',
  },
  POSITION_INCOMPARABLE: {
    class: 'operator',
    message: 'Position {left} and position {right} lie in different histories of the source and have no order.',
    cause: 'The source was restored, replaced or promoted, so its log is not the one that the journal was written from.',
    remedy:
      'Point the task at the original source, or load anew: `millrace remove --name …`, then `millrace run …` with a full load.',
  },
  SCHEMA_UNREADABLE: {
    class: 'operator',
    message: 'The schema that the registry holds for {where} cannot be read: {what}.',
    cause: 'It was written by a newer Millrace or by another program, or it was changed in the registry.',
    remedy:
      'Run every service of the task in the same version of Millrace. If the registry was changed by hand, restore it from its backup.',
  },
  ROW_IMAGE_CORRUPT: {
    class: 'fatal',
    message: 'A row image of {table} does not fit its schema: {what}.',
    cause: 'The row was written by another table version than the one that its block names, or the bytes were changed.',
    remedy:
      'Nothing of the transaction was applied. Report it with the log at --log-level debug; loading the table anew gets the task going again.',
  },
  VALUE_UNENCODABLE: {
    class: 'operator',
    message: 'A value of column "{column}" of {table} cannot be carried as {wire}: {what}.',
    cause:
      "The value does not fit the type that the table's schema gives the column: a mapping rule that yields another type, or a text that is not valid Unicode.",
    remedy:
      'Correct the mapping rule for this column (change-data-type, or an expression that yields the declared type), or the value in the source.',
  },
} as const satisfies Record<string, ErrorDefinition>;
