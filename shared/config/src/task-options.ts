import { z } from 'zod';

/** Where an option's value may come from; the same line makes its flag, its variable, its key in the file, its help and its docs. */
export interface OptionDefinition {
  /** As commander reads it; null: set once for an installation, in the file or the environment. */
  readonly flag: string | null;
  readonly env: string | null;
  readonly help: string;
  /** Holds a password: shown masked, kept out of argv by the examples. */
  readonly secret?: true;
}

const brokers = z
  .string()
  .min(1)
  .regex(/^[^\s,:]+:\d+(,[^\s,:]+:\d+)*$/, 'must be HOST:PORT[,HOST:PORT…]');

const patterns = z.array(z.string().min(1));

/** A task's name is part of topic, slot and publication names in Kafka and PostgreSQL, so it keeps to what all of them take. */
export const taskName = z
  .string()
  .regex(/^[a-z][a-z0-9_-]{0,29}$/, 'must be 1 to 30 of a-z, 0-9, _ and -, beginning with a letter');

export const taskConfigSchema = z.strictObject({
  name: taskName,
  source: z.string().min(1),
  target: z.string().min(1),
  migrationType: z.enum(['full-load', 'cdc', 'full-load-and-cdc']).default('full-load-and-cdc'),
  tableMappings: z.string().min(1).optional(),
  taskSettings: z.string().min(1).optional(),
  include: patterns.default([]),
  exclude: patterns.default([]),
  kafka: brokers,
  registry: z.url({ protocol: /^https?$/, error: 'must be an http or https URL' }),
  until: z.enum(['loaded', 'caught-up']).optional(),
  json: z.boolean().default(false),
  metricsPort: z.int().min(1).max(65_535).optional(),
  logLevel: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace']).default('info'),
  publication: z.string().min(1).optional(),
  outageMinutes: z.number().positive().max(1_440).default(10),
  journalRetentionHours: z.number().min(0).max(87_600).default(24),
  kafkaTls: z.boolean().default(false),
  kafkaSasl: z.enum(['plain', 'scram-sha-256', 'scram-sha-512']).optional(),
  kafkaUsername: z.string().min(1).optional(),
  kafkaPassword: z.string().min(1).optional(),
});

/** Everything `millrace run` needs to know of one task. */
export type TaskConfig = z.infer<typeof taskConfigSchema>;
export type TaskOption = keyof TaskConfig;

export const TASK_OPTIONS = {
  name: { flag: '--name <name>', env: 'MILLRACE_NAME', help: 'name of the task; the same name resumes it' },
  source: {
    flag: '--source <url>',
    env: 'SOURCE_URL',
    help: 'database to read from, e.g. postgresql://user@host:5432/db or mysql://user@host:3306/',
    secret: true,
  },
  target: { flag: '--target <url>', env: 'TARGET_URL', help: 'database to write to', secret: true },
  migrationType: { flag: '--migration-type <type>', env: 'MILLRACE_MIGRATION_TYPE', help: 'full-load, cdc or full-load-and-cdc' },
  tableMappings: { flag: '--table-mappings <file>', env: 'MILLRACE_TABLE_MAPPINGS', help: 'table mappings in AWS DMS JSON' },
  taskSettings: { flag: '--task-settings <file>', env: 'MILLRACE_TASK_SETTINGS', help: 'task settings in AWS DMS JSON' },
  include: { flag: '--include <schema.table>', env: null, help: 'table to take, % and _ as wildcards (repeatable)' },
  exclude: { flag: '--exclude <schema.table>', env: null, help: 'table to leave out (repeatable)' },
  kafka: { flag: '--kafka <host:port,…>', env: 'KAFKA_BROKERS', help: 'Kafka brokers' },
  registry: { flag: '--registry <url>', env: 'SCHEMA_REGISTRY_URL', help: 'schema registry (Confluent API)' },
  until: { flag: '--until <moment>', env: 'MILLRACE_UNTIL', help: 'end when loaded, or when caught-up with the source' },
  json: { flag: '--json', env: null, help: 'one JSON object a line on stdout' },
  metricsPort: { flag: '--metrics-port <port>', env: 'MILLRACE_METRICS_PORT', help: 'serve Prometheus metrics on this port' },
  logLevel: { flag: '--log-level <level>', env: 'MILLRACE_LOG_LEVEL', help: 'fatal, error, warn, info, debug or trace' },
  publication: {
    flag: null,
    env: 'MILLRACE_PUBLICATION',
    help: 'PostgreSQL publication made beforehand, used instead of an own one',
  },
  outageMinutes: {
    flag: null,
    env: 'MILLRACE_OUTAGE_MINUTES',
    help: 'how long a server that went away is tried again before the run fails',
  },
  journalRetentionHours: {
    flag: null,
    env: 'MILLRACE_JOURNAL_RETENTION_HOURS',
    help: 'how long changes stay in the journal, for `millrace journal`, once the target has them',
  },
  kafkaTls: { flag: null, env: 'KAFKA_TLS', help: 'true: TLS to the brokers' },
  kafkaSasl: { flag: null, env: 'KAFKA_SASL_MECHANISM', help: 'plain, scram-sha-256 or scram-sha-512' },
  kafkaUsername: { flag: null, env: 'KAFKA_SASL_USERNAME', help: 'user name for SASL' },
  kafkaPassword: { flag: null, env: 'KAFKA_SASL_PASSWORD', help: 'password for SASL', secret: true },
} as const satisfies Record<TaskOption, OptionDefinition>;
