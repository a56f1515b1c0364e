import type { ErrorDefinition } from './definition.js';

export const taskErrors = {
  INTERNAL: {
    class: 'fatal',
    message: 'Internal error: {what}.',
    cause: 'A rule that Millrace relies on did not hold. Nothing was written after it was noticed.',
    remedy: 'Start the task again; it resumes exactly. If it comes back, report it with the log at --log-level debug.',
  },
  USAGE_OPTION_MISSING: {
    class: 'operator',
    message: '{option} is missing ({help}).',
    cause: 'The command cannot do without it.',
    remedy: 'Give {option}, or set {env}.',
  },
  USAGE_OPTION_VALUE: {
    class: 'operator',
    message: '{where}: {value} is not possible: {problem}.',
    cause: 'The flag takes other words.',
    remedy: 'Correct the flag; `millrace help` lists what each takes.',
  },
  USAGE_UNKNOWN: {
    class: 'operator',
    message: '{problem}',
    cause: 'The command line has a word that this command does not know.',
    remedy: '`millrace help` lists commands and flags.',
  },
  CONFIG_VALUE: {
    class: 'operator',
    message: '{where}: {value} is not possible: {problem}.',
    cause: 'The setting takes other values.',
    remedy: 'Correct it there, or give the flag, which wins.',
  },
  CONFIG_FILE: {
    class: 'operator',
    message: 'The file {path}: {problem}.',
    cause: 'It is missing, may not be read, or does not hold what it is given for.',
    remedy: "Correct path or file; the keys of a task file are the flags' names without the dashes.",
  },
  TASK_SETTINGS_INVALID: {
    class: 'operator',
    message: 'Task settings {path}: {problem}.',
    cause: 'The file is not task settings as AWS DMS writes them.',
    remedy: 'Correct the named setting.',
  },
  ENDPOINT_UNSUPPORTED: {
    class: 'operator',
    message: 'No connector takes "{scheme}" as a {end}.',
    cause: "The URL's scheme names the engine.",
    remedy: 'Use a URL that begins with one of: {known}.',
  },
  TASK_CHANGED: {
    class: 'operator',
    message: 'Task "{name}" was started with another definition: {what}.',
    cause: 'Resuming under other mappings or another migration type could leave the target between the two.',
    remedy: 'Start with the earlier definition, choose another --name, or `millrace remove --name {name}` and load again.',
  },
  START_TIMEOUT: {
    class: 'operator',
    message: 'No answer from {who} within {seconds} s of the start.',
    cause: 'The server takes connections but does not answer, or a firewall swallows what is sent to it.',
    remedy: 'Look at that server and at the network between; nothing was started.',
  },
  METRICS_PORT: {
    class: 'operator',
    message: '--metrics-port {port} cannot be served: {reason}.',
    cause: 'Something else listens on this port, or the user may not.',
    remedy: 'Choose a free port of 1024 or more.',
  },
  LOAD_ABANDONED: {
    class: 'retry',
    message: 'Attempt {attempt} of chunk {chunk} of {table} ended before its last row.',
    cause: 'The capture that read it died; the next one reads the chunk again.',
    remedy: 'Nothing: it goes on by itself.',
  },
  LOAD_SESSION_ENDED: {
    class: 'retry',
    message: 'The sink stopped before a chunk was whole.',
    cause: "It was asked to stop, or something else failed; the chunk's transaction was rolled back.",
    remedy: 'Nothing: the chunk is loaded again.',
  },
  LOAD_CORRUPT: {
    class: 'fatal',
    message: 'The load topic does not hold what was written: {what}.',
    cause: 'Records were lost, changed or written by something else.',
    remedy: "Check the topic and the brokers' disks, then remove the task and load again.",
  },
  LOAD_GIVEN_UP: {
    class: 'operator',
    message: 'Table {table} could not be loaded in {attempts} attempts, the last of which failed so: {reason}',
    cause:
      'Each time it was rewritten while it was read, or the source broke the reading off. The table is set aside, the others go on.',
    remedy:
      'Keep VACUUM FULL, CLUSTER, TRUNCATE, rewriting ALTER TABLEs and statement_timeout away from it during the load; then remove the task (`millrace remove`) and start it again to load it anew.',
  },
  TRANSACTION_ABANDONED: {
    class: 'retry',
    message: 'The large transaction that begins at journal offset {offset} was not finished by the capture that began it.',
    cause: 'That capture died or was fenced; its successor sends the transaction whole.',
    remedy: 'Nothing: it goes on by itself.',
  },
  WORKER_SILENT: {
    class: 'retry',
    message: 'The {role} has said nothing for {seconds} s.',
    cause: 'It hangs, or the machine is overloaded.',
    remedy: 'Nothing: it is ended and started again.',
  },
  WORKER_DIES: {
    class: 'operator',
    message: 'The {role} dies again and again ({cause}).',
    cause: 'Its process ends without a word each time it is started: too little memory, or a crash of the runtime.',
    remedy: 'Look at the log before each end, and at the kernel log for the out-of-memory killer.',
  },
  CONFIG_SELECTION_TWICE: {
    class: 'operator',
    message: '--table-mappings and --include or --exclude were both given.',
    cause: 'Each of them says which tables to take.',
    remedy: 'Keep the selection in the table mappings, or leave the file out.',
  },
  CONFIG_SASL_INCOMPLETE: {
    class: 'operator',
    message: 'Kafka SASL {mechanism} needs a user name and a password.',
    cause: 'KAFKA_SASL_MECHANISM is set without the two.',
    remedy: 'Set KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD as well.',
  },
  VERIFY_UNREADABLE: {
    class: 'operator',
    message: 'Table {table} of the {end} {where} cannot be read: {reason}.',
    cause: "Comparing needs the table with the task's columns at both ends, and the right to SELECT from it.",
    remedy: 'Load the table first, or grant SELECT on it.',
  },
  VERIFY_ENGINES: {
    class: 'operator',
    message: 'Two engines cannot be compared here: {reason}.',
    cause: 'Rows are matched in the order of their keys, or of all their texts, which must be the same at both ends.',
    remedy: 'Compare this table with a query of your own at both ends.',
  },
  VERIFY_TRANSFORMED: {
    class: 'operator',
    message: '{table}: a mapping rule changes its rows.',
    cause: "Its values in the target are meant to differ from the source's.",
    remedy: 'Compare it by a query of your own.',
  },
} as const satisfies Record<string, ErrorDefinition>;
