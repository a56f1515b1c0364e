import type { Client } from 'pg';

/**
 * Millrace's own tables in the target. Counts and positions change with the data, in its transactions; `table_state.applied`
 * is the target-side schema that the table has now, from which the next one is reached.
 */
const STATE_SCHEMA = `
CREATE SCHEMA IF NOT EXISTS millrace;
CREATE TABLE IF NOT EXISTS millrace.checkpoint (
  task text PRIMARY KEY,
  definition text NOT NULL,
  generation bigint NOT NULL,
  run text,
  journal text, epoch bigint, seq bigint, next_offset bigint,
  position_source text, position_timeline bigint, position_key text,
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE IF NOT EXISTS millrace.table_state (
  task text NOT NULL, source_schema text NOT NULL, source_table text NOT NULL,
  target_schema text NOT NULL, target_table text NOT NULL,
  state text NOT NULL,
  load text, prepared_attempt int NOT NULL DEFAULT 0, was_empty boolean NOT NULL DEFAULT false,
  as_of_source text, as_of_timeline bigint, as_of_key text,
  rows_loaded bigint NOT NULL DEFAULT 0, inserts bigint NOT NULL DEFAULT 0, updates bigint NOT NULL DEFAULT 0, deletes bigint NOT NULL DEFAULT 0,
  truncates bigint NOT NULL DEFAULT 0, ddls bigint NOT NULL DEFAULT 0, errors bigint NOT NULL DEFAULT 0,
  error_code text, error_message text,
  applied jsonb,
  PRIMARY KEY (task, source_schema, source_table)
);
CREATE TABLE IF NOT EXISTS millrace.load_chunk (
  task text NOT NULL, source_schema text NOT NULL, source_table text NOT NULL,
  load text NOT NULL, chunk int NOT NULL, attempt int NOT NULL,
  as_of_source text NOT NULL, as_of_timeline bigint NOT NULL, as_of_key text NOT NULL,
  keys jsonb,
  rows bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (task, source_schema, source_table, load, chunk)
);
CREATE TABLE IF NOT EXISTS millrace.dead_letter (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  task text NOT NULL, source_schema text NOT NULL, source_table text NOT NULL,
  position_source text NOT NULL, position_timeline bigint NOT NULL, position_key text NOT NULL,
  ordinal int NOT NULL, kind text NOT NULL, code text NOT NULL, message text NOT NULL,
  before text, after text,
  written_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS dead_letter_by_task ON millrace.dead_letter (task, id);`;

/** Any constant: two sinks that start at once make the tables one after the other (IF NOT EXISTS alone races on the catalogue's keys). */
const STATE_LOCK = 7_203_114_551;

export async function createStateSchema(client: Client): Promise<void> {
  if (await stateSchemaExists(client)) return;
  await client.query('BEGIN');
  try {
    await client.query('SELECT pg_advisory_xact_lock($1)', [STATE_LOCK]);
    await client.query(STATE_SCHEMA);
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

export async function stateSchemaExists(client: Client): Promise<boolean> {
  const { rows } = await client.query<{ there: boolean }>(`SELECT to_regclass('millrace.dead_letter') IS NOT NULL AS there`);
  return rows[0]?.there === true;
}
