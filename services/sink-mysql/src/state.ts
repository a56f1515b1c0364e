import { loadedRows } from '@millrace/apply/applied-chunks.js';
import { displayTable } from '@millrace/codec/table-key.js';
import type { LoadChunk } from '@millrace/contract/load.js';
import type { Checkpoint } from '@millrace/contract/position.js';
import type { DeadLetter, LoadedRows, SinkState, TableState } from '@millrace/contract/sink.js';
import type { TableId, TableSchema, TableVersion } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { queryRows } from '@millrace/mysql/server.js';
import type { Connection } from 'mysql2/promise';
import { z } from 'zod';
import { serverFailureOf } from './server-failure.js';
import {
  appliedChunk,
  appliedRow,
  CHECKPOINT_COLUMNS,
  type ChunkRow,
  checkpointRow,
  chunkRow,
  deadLetterRow,
  type StoredCheckpoint,
  sourceText,
  tableRow,
  toProgress,
} from './state-rows.js';
import { stateSchemaExists } from './state-schema.js';
import { write } from './statements.js';

const ER_DUP_ENTRY = 1062;
const CHUNK_COLUMNS = 'source, `load`, chunk, as_of_source, as_of_timeline, as_of_key, `keys`, `rows`, errors';

/** What the target knows of a table of the task, beside its counts. */
export interface KnownTable {
  readonly state: TableState;
  readonly load: string | null;
  readonly preparedAttempt: number;
  readonly wasEmpty: boolean;
  /** Schema, as JSON's value, that the target table has now; null where the task never made or altered it. */
  readonly applied: unknown;
  /** An alteration that was begun and not yet recorded as done; null: none. */
  readonly intent: unknown;
}

export interface TableError {
  readonly code: string;
  readonly message: string;
}

/** A task's rows in Millrace's own tables: read, and moved. Statements that move data with them are the apply's. */
export class TaskState {
  constructor(private readonly task: string) {}

  /** Reads only; a target that Millrace never wrote to has no state. */
  async read(connection: Connection): Promise<SinkState> {
    const nothing: SinkState = { checkpoint: null, tables: [], definition: null };
    if (!(await stateSchemaExists(connection))) return nothing;
    const [claim] = await queryRows(
      connection,
      'SELECT definition FROM millrace.claim WHERE task = ?',
      [this.task],
      definitionRow,
    );
    const stored = await this.checkpoint(connection);
    if (claim === undefined || stored === undefined) return nothing;
    const tables = await queryRows(
      connection,
      `SELECT t.source, t.target_schema, t.target_table, t.state, l.\`load\`, t.as_of_source, t.as_of_timeline, t.as_of_key, t.inserts, t.updates,
              t.deletes, t.truncates, t.ddls, t.errors, t.error_code, t.error_message
       FROM millrace.table_state t LEFT JOIN millrace.load_state l ON l.task = t.task AND l.source = t.source
       WHERE t.task = ? ORDER BY t.source`,
      [this.task],
      tableRow,
    );
    const chunks = await queryRows(
      connection,
      `SELECT ${CHUNK_COLUMNS} FROM millrace.load_chunk WHERE task = ? ORDER BY chunk`,
      [this.task],
      chunkRow,
    );
    const chunksOf = new Map<string, ChunkRow[]>();
    for (const chunk of chunks) {
      const { source_schema: schema, source_table: table, load } = chunk.marker;
      const key = JSON.stringify([schema, table, load]);
      const known = chunksOf.get(key);
      if (known === undefined) chunksOf.set(key, [chunk]);
      else known.push(chunk);
    }
    return {
      checkpoint: stored.checkpoint,
      tables: tables.map((row) =>
        toProgress(row, chunksOf.get(JSON.stringify([row.source.schema, row.source.table, row.load])) ?? []),
      ),
      definition: claim.definition,
    };
  }

  async checkpoint(connection: Connection, lock: '' | ' FOR UPDATE' = ''): Promise<StoredCheckpoint | undefined> {
    const [row] = await queryRows(
      connection,
      `SELECT ${CHECKPOINT_COLUMNS} FROM millrace.checkpoint WHERE task = ?${lock}`,
      [this.task],
      checkpointRow,
    );
    return row;
  }

  /** Keeps the task this sink's until the transaction ends: a newer sink waits for it, or ends it. */
  async hold(connection: Connection, generation: bigint): Promise<void> {
    const [row] = await queryRows(
      connection,
      'SELECT generation FROM millrace.claim WHERE task = ? LOCK IN SHARE MODE',
      [this.task],
      generationRow,
    );
    if (row?.generation !== generation) throw this.#fenced(generation, row?.generation);
  }

  async initialize(connection: Connection, generation: bigint, checkpoint: Checkpoint): Promise<void> {
    const { position } = checkpoint;
    const { rows } = await write(
      connection,
      `UPDATE millrace.checkpoint SET journal = ?, epoch = ?, seq = ?, next_offset = ?, position_source = ?, position_timeline = ?, position_key = ?
       WHERE task = ? AND generation = ? AND journal IS NULL`,
      [
        checkpoint.journal,
        checkpoint.epoch,
        checkpoint.seq,
        checkpoint.nextOffset,
        position?.source ?? null,
        position?.timeline ?? null,
        position?.key ?? null,
        this.task,
        generation,
      ],
    );
    if (rows !== 1) throw this.#fenced(generation, (await this.checkpoint(connection))?.generation);
  }

  #fenced(generation: bigint, found: bigint | undefined): MillraceError {
    return new MillraceError('SINK_FENCED', {
      task: this.task,
      expected: `generation ${generation}`,
      found: found === undefined ? 'gone' : `of generation ${found}`,
    });
  }

  async known(connection: Connection, source: TableId): Promise<KnownTable | null> {
    const [row] = await queryRows(
      connection,
      `SELECT t.state, l.\`load\`, l.prepared_attempt, l.was_empty, t.applied, t.intent
       FROM millrace.table_state t LEFT JOIN millrace.load_state l ON l.task = t.task AND l.source = t.source WHERE t.task = ? AND t.source = ?`,
      this.#mine(source),
      appliedRow,
    );
    if (row === undefined) return null;
    return {
      state: row.state,
      load: row.load,
      preparedAttempt: row.prepared_attempt ?? 0,
      wasEmpty: row.was_empty === 1,
      applied: row.applied === null ? null : JSON.parse(row.applied),
      intent: row.intent === null ? null : JSON.parse(row.intent),
    };
  }

  /** A Schema event names a load: the table waits for its rows from here on; its counts begin anew. Chunks of an earlier load end first. */
  async awaitLoad(connection: Connection, source: TableId, table: TableSchema, load: string): Promise<void> {
    await write(
      connection,
      `INSERT INTO millrace.load_state (task, source, \`load\`) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE \`load\` = ?, prepared_attempt = 0`,
      [...this.#mine(source), load, load],
    );
    const target = [table.id.schema, table.id.table];
    await write(
      connection,
      `INSERT INTO millrace.table_state (task, source, target_schema, target_table, state) VALUES (?, ?, ?, ?, 'before load')
       ON DUPLICATE KEY UPDATE target_schema = ?, target_table = ?, state = 'being reloaded', as_of_source = NULL, as_of_timeline = NULL, as_of_key = NULL,
         inserts = 0, updates = 0, deletes = 0, truncates = 0, ddls = 0, errors = 0, error_code = NULL, error_message = NULL`,
      [...this.#mine(source), ...target, ...target],
    );
    await this.#forgetChunks(connection, source);
  }

  /**
   * Waits until no chunk of the table is being loaded, and takes back that it is prepared: none begins until it is again, whatever
   * becomes of its rows meanwhile. Chunks that are in are forgotten.
   */
  async unprepare(connection: Connection, source: TableId): Promise<void> {
    await write(
      connection,
      'UPDATE millrace.load_state SET prepared_attempt = 0 WHERE task = ? AND source = ?',
      this.#mine(source),
    );
    await this.#forgetChunks(connection, source);
  }

  async #forgetChunks(connection: Connection, source: TableId): Promise<void> {
    await write(connection, 'DELETE FROM millrace.load_chunk WHERE task = ? AND source = ?', this.#mine(source));
  }

  async prepared(
    connection: Connection,
    source: TableId,
    { load, attempt, wasEmpty }: { readonly load: string; readonly attempt: number; readonly wasEmpty: boolean },
  ): Promise<void> {
    await write(
      connection,
      'UPDATE millrace.load_state SET prepared_attempt = ?, was_empty = ? WHERE task = ? AND source = ? AND `load` = ?',
      [attempt, wasEmpty ? 1 : 0, ...this.#mine(source), load],
    );
    await write(
      connection,
      `UPDATE millrace.table_state SET state = 'full load' WHERE task = ? AND source = ?`,
      this.#mine(source),
    );
  }

  /** The target table has this schema now; an alteration that was begun is done. */
  async setApplied(connection: Connection, source: TableId, table: TableSchema): Promise<void> {
    const values = [table.id.schema, table.id.table, JSON.stringify(table)];
    await write(
      connection,
      `INSERT INTO millrace.table_state (task, source, target_schema, target_table, applied, state) VALUES (?, ?, ?, ?, ?, 'completed')
       ON DUPLICATE KEY UPDATE target_schema = ?, target_table = ?, applied = ?, intent = NULL`,
      [...this.#mine(source), ...values, ...values],
    );
  }

  async setIntent(connection: Connection, source: TableId, intent: unknown): Promise<void> {
    await write(connection, 'UPDATE millrace.table_state SET intent = ? WHERE task = ? AND source = ?', [
      intent === null ? null : JSON.stringify(intent),
      ...this.#mine(source),
    ]);
  }

  async setWasEmpty(connection: Connection, source: TableId, wasEmpty: boolean): Promise<void> {
    const empty = wasEmpty ? 1 : 0;
    await write(
      connection,
      'INSERT INTO millrace.load_state (task, source, was_empty) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE was_empty = ?',
      [...this.#mine(source), empty, empty],
    );
  }

  async countDdl(connection: Connection, source: TableId): Promise<void> {
    await write(connection, 'UPDATE millrace.table_state SET ddls = ddls + 1 WHERE task = ? AND source = ?', this.#mine(source));
  }

  /** Sets a table aside whose rows this load was to bring; no other load's. */
  async failLoad(connection: Connection, source: TableId, load: string, error: TableError): Promise<void> {
    await write(
      connection,
      `UPDATE millrace.table_state SET state = 'error', error_code = ?, error_message = ? WHERE task = ? AND source = ?
         AND EXISTS (SELECT 1 FROM millrace.load_state l WHERE l.task = ? AND l.source = ? AND l.\`load\` = ?)`,
      [error.code, error.message, ...this.#mine(source), ...this.#mine(source), load],
    );
  }

  /** Sets a table aside that may not have a row yet. */
  async failTable(connection: Connection, { source, schema }: TableVersion, error: TableError): Promise<void> {
    await write(
      connection,
      `INSERT INTO millrace.table_state (task, source, target_schema, target_table, state, error_code, error_message) VALUES (?, ?, ?, ?, 'error', ?, ?)
       ON DUPLICATE KEY UPDATE state = 'error', error_code = ?, error_message = ?, intent = NULL`,
      [...this.#mine(source), schema.id.schema, schema.id.table, error.code, error.message, error.code, error.message],
    );
  }

  async drop(connection: Connection, source: TableId): Promise<void> {
    for (const table of ['load_chunk', 'load_state', 'table_state'])
      await write(connection, `DELETE FROM millrace.${table} WHERE task = ? AND source = ?`, this.#mine(source));
  }

  /**
   * False where the chunk is in already, or its load or attempt no longer counts. First in the chunk's transaction, so that two sinks
   * cannot both load it, and the table cannot be emptied for another load or attempt until it ends.
   */
  async markChunk(
    connection: Connection,
    source: TableId,
    chunk: Pick<LoadChunk, 'load' | 'index' | 'attempt' | 'asOf' | 'keys'>,
  ): Promise<boolean> {
    const counts = await queryRows(
      connection,
      'SELECT 1 AS there FROM millrace.load_state WHERE task = ? AND source = ? AND `load` = ? AND prepared_attempt BETWEEN 1 AND ? LOCK IN SHARE MODE',
      [...this.#mine(source), chunk.load, chunk.attempt],
      z.object({}),
    );
    if (counts.length !== 1) return false;
    const { asOf, keys } = chunk;
    try {
      await write(
        connection,
        `INSERT INTO millrace.load_chunk (task, source, \`load\`, chunk, attempt, as_of_source, as_of_timeline, as_of_key, \`keys\`)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        [
          ...this.#mine(source),
          chunk.load,
          chunk.index,
          chunk.attempt,
          asOf.source,
          asOf.timeline,
          asOf.key,
          keys === null ? null : JSON.stringify(keys),
        ],
      );
      return true;
    } catch (error) {
      if (serverFailureOf(error)?.number === ER_DUP_ENTRY) return false;
      throw error;
    }
  }

  async countChunk(
    connection: Connection,
    source: TableId,
    chunk: { readonly load: string; readonly index: number },
    { rows, refused }: { readonly rows: number; readonly refused: number },
  ): Promise<void> {
    await write(
      connection,
      'UPDATE millrace.load_chunk SET `rows` = ?, errors = ? WHERE task = ? AND source = ? AND `load` = ? AND chunk = ?',
      [rows, refused, ...this.#mine(source), chunk.load, chunk.index],
    );
  }

  /** Chunks of the load that are in. */
  async chunksOf(connection: Connection, source: TableId, load: string): Promise<readonly number[]> {
    return (await this.#chunks(connection, source, load)).map(({ marker }) => marker.chunk);
  }

  #chunks(connection: Connection, source: TableId, load: string): Promise<readonly ChunkRow[]> {
    return queryRows(
      connection,
      `SELECT ${CHUNK_COLUMNS} FROM millrace.load_chunk WHERE task = ? AND source = ? AND \`load\` = ? ORDER BY chunk`,
      [...this.#mine(source), load],
      chunkRow,
    );
  }

  /** Once all chunks are in: changes up to their snapshots are in the rows. @throws MillraceError INTERNAL as loadedRows */
  async finishLoad(connection: Connection, source: TableId, load: string): Promise<LoadedRows> {
    const loaded = loadedRows(displayTable(source), (await this.#chunks(connection, source, load)).map(appliedChunk));
    const { asOf } = loaded;
    await write(
      connection,
      `UPDATE millrace.table_state SET state = 'completed', as_of_source = ?, as_of_timeline = ?, as_of_key = ? WHERE task = ? AND source = ?
         AND EXISTS (SELECT 1 FROM millrace.load_state l WHERE l.task = ? AND l.source = ? AND l.\`load\` = ?)`,
      [asOf?.source ?? null, asOf?.timeline ?? null, asOf?.key ?? null, ...this.#mine(source), ...this.#mine(source), load],
    );
    return loaded;
  }

  deadLetters(connection: Connection, limit: number): Promise<readonly DeadLetter[]> {
    return queryRows(
      connection,
      `SELECT id, source, position_source, position_timeline, position_key, ordinal, kind, code, message, \`before\`, \`after\`
       FROM millrace.dead_letter WHERE task = ? ORDER BY id LIMIT ${Math.trunc(limit)}`,
      [this.task],
      deadLetterRow,
    );
  }

  async deadLettersPublished(connection: Connection, ids: readonly bigint[]): Promise<void> {
    if (ids.length === 0) return;
    await write(connection, `DELETE FROM millrace.dead_letter WHERE task = ? AND id IN (${ids.join(', ')})`, [this.task]);
  }

  /** Drops the task's rows; the tables stay, since another task may be about to use them. Returns what was there, in words. */
  async remove(connection: Connection): Promise<readonly string[]> {
    if (!(await stateSchemaExists(connection))) return [];
    const removed: string[] = [];
    for (const table of ['dead_letter', 'load_chunk', 'load_state', 'table_state', 'checkpoint', 'claim']) {
      const { rows } = await write(connection, `DELETE FROM millrace.${table} WHERE task = ?`, [this.task]);
      if (rows > 0) removed.push(`${rows} row(s) of millrace.${table}`);
    }
    return removed;
  }

  #mine(source: TableId): [string, string] {
    return [this.task, sourceText(source)];
  }
}

const definitionRow = z.object({ definition: z.string() });
const generationRow = z.object({ generation: z.union([z.string(), z.number()]).transform((value) => BigInt(value)) });
