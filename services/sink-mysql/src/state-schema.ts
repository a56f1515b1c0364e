import { queryRows } from '@millrace/mysql/server.js';
import type { Connection } from 'mysql2/promise';
import { z } from 'zod';
import { write } from './statements.js';

/**
 * Millrace's own tables in the target. Rows of different writers are apart, so that none waits for another's transaction: `claim` is
 * held by chunks under way and raised by a new sink, `checkpoint` moves with each group, `load_state` holds a table's load still while a
 * chunk goes in. A source's table is a JSON array of its schema and name: exact, whatever the collation does with spaces at an end.
 * `table_state.applied` is the target-side schema that the table has now, `intent` an alteration that was begun.
 */
const STATE_TABLES: readonly string[] = [
  `claim (
    task varchar(255) NOT NULL PRIMARY KEY, definition longtext NOT NULL, generation bigint NOT NULL, run varchar(255) NULL)`,
  `checkpoint (
    task varchar(255) NOT NULL PRIMARY KEY, generation bigint NOT NULL,
    journal varchar(255) NULL, epoch bigint NULL, seq bigint NULL, next_offset bigint NULL,
    position_source text NULL, position_timeline bigint NULL, position_key longtext NULL,
    part_offset bigint NULL, part_event int NULL,
    updated_at timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6))`,
  `table_state (
    task varchar(255) NOT NULL, source varchar(400) NOT NULL,
    target_schema varchar(128) NOT NULL, target_table varchar(128) NOT NULL, state varchar(32) NOT NULL,
    as_of_source text NULL, as_of_timeline bigint NULL, as_of_key longtext NULL,
    inserts bigint NOT NULL DEFAULT 0, updates bigint NOT NULL DEFAULT 0, deletes bigint NOT NULL DEFAULT 0,
    truncates bigint NOT NULL DEFAULT 0, ddls bigint NOT NULL DEFAULT 0, errors bigint NOT NULL DEFAULT 0,
    error_code varchar(64) NULL, error_message longtext NULL,
    applied longtext NULL, intent longtext NULL,
    PRIMARY KEY (task, source))`,
  `load_state (
    task varchar(255) NOT NULL, source varchar(400) NOT NULL,
    \`load\` varchar(64) NULL, prepared_attempt int NOT NULL DEFAULT 0, was_empty tinyint NOT NULL DEFAULT 0,
    PRIMARY KEY (task, source))`,
  `load_chunk (
    task varchar(255) NOT NULL, source varchar(400) NOT NULL, \`load\` varchar(64) NOT NULL, chunk int NOT NULL, attempt int NOT NULL,
    as_of_source text NOT NULL, as_of_timeline bigint NOT NULL, as_of_key longtext NOT NULL, \`keys\` longtext NULL,
    \`rows\` bigint NOT NULL DEFAULT 0, errors bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (task, source, \`load\`, chunk))`,
  `dead_letter (
    id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
    task varchar(255) NOT NULL, source varchar(400) NOT NULL,
    position_source text NOT NULL, position_timeline bigint NOT NULL, position_key longtext NOT NULL,
    ordinal int NOT NULL, kind varchar(16) NOT NULL, code varchar(64) NOT NULL, message longtext NOT NULL,
    \`before\` longtext NULL, \`after\` longtext NULL,
    written_at timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    KEY dead_letter_by_task (task, id))`,
];

/** Each statement is safe to repeat, so that two sinks that start at once, or one that was killed, do no harm. */
export async function createStateSchema(connection: Connection): Promise<void> {
  if (await stateSchemaExists(connection)) return;
  await write(connection, 'CREATE DATABASE IF NOT EXISTS millrace CHARACTER SET utf8mb4 COLLATE utf8mb4_bin');
  for (const table of STATE_TABLES)
    await write(
      connection,
      `CREATE TABLE IF NOT EXISTS millrace.${table} ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARACTER SET utf8mb4 COLLATE utf8mb4_bin`,
    );
}

const countRow = z.object({ tables: z.coerce.number().int() });

/** All of them are there. */
export async function stateSchemaExists(connection: Connection): Promise<boolean> {
  const [row] = await queryRows(
    connection,
    `SELECT COUNT(*) AS tables FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'millrace'
       AND TABLE_NAME IN ('claim', 'checkpoint', 'table_state', 'load_state', 'load_chunk', 'dead_letter')`,
    [],
    countRow,
  );
  return row?.tables === STATE_TABLES.length;
}
