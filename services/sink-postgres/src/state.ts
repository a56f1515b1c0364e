import { byLoad, chunkRow, loadedRows, toAppliedChunk } from '@millrace/apply/applied-chunks.js';
import { displayTable } from '@millrace/codec/table-key.js';
import type { LoadChunk } from '@millrace/contract/load.js';
import type { Checkpoint, Position } from '@millrace/contract/position.js';
import type { DeadLetter, LoadedRows, SinkState, TableProgress, TableState } from '@millrace/contract/sink.js';
import type { TableId, TableSchema, TableVersion } from '@millrace/contract/table.js';
import type { Claimant } from '@millrace/contract/task.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import type { Client } from 'pg';
import { z } from 'zod';
import { stateSchemaExists } from './state-schema.js';

/** Advisory lock of a task, $1: shared by the sink in force while it loads, exclusive while a sink claims. The seed keeps it apart from others' locks. */
const CLAIM_KEY = 'hashtextextended($1, 7203114551)';

const bigintText = z.string().transform((text) => BigInt(text));

const checkpointRow = z.object({
  definition: z.string(),
  generation: bigintText,
  journal: z.string().nullable(),
  epoch: bigintText.nullable(),
  seq: bigintText.nullable(),
  next_offset: bigintText.nullable(),
  position_source: z.string().nullable(),
  position_timeline: z.string().nullable(),
  position_key: z.string().nullable(),
});

const tableRow = z.object({
  source_schema: z.string(),
  source_table: z.string(),
  target_schema: z.string(),
  target_table: z.string(),
  state: z.enum(['before load', 'full load', 'completed', 'cancelled', 'error', 'being reloaded']),
  load: z.string().nullable(),
  as_of_source: z.string().nullable(),
  as_of_timeline: z.string().nullable(),
  as_of_key: z.string().nullable(),
  rows_loaded: bigintText,
  inserts: bigintText,
  updates: bigintText,
  deletes: bigintText,
  truncates: bigintText,
  ddls: bigintText,
  errors: bigintText,
  error_code: z.string().nullable(),
  error_message: z.string().nullable(),
});

/** A sink of no run in particular: it takes the claim whoever has it. */
const ANYBODY: Claimant = { run: '', held: false };

/** A task's rows in Millrace's own tables: read, claimed, and moved. Statements that move data with them are the apply's. */
export class TaskState {
  constructor(private readonly task: string) {}

  /** Reads only; a target that Millrace never wrote to has no state. */
  async read(client: Client): Promise<SinkState> {
    if (!(await stateSchemaExists(client))) return { checkpoint: null, tables: [], definition: null };
    const checkpoints = await client.query(
      'SELECT definition, generation, journal, epoch, seq, next_offset, position_source, position_timeline, position_key FROM millrace.checkpoint WHERE task = $1',
      [this.task],
    );
    const [first] = z.array(checkpointRow).parse(checkpoints.rows);
    if (first === undefined) return { checkpoint: null, tables: [], definition: null };
    const tables = await client.query('SELECT * FROM millrace.table_state WHERE task = $1 ORDER BY source_schema, source_table', [
      this.task,
    ]);
    const chunks = await client.query('SELECT * FROM millrace.load_chunk WHERE task = $1 ORDER BY chunk', [this.task]);
    const appliedOf = byLoad(z.array(chunkRow).parse(chunks.rows));
    return {
      checkpoint: toCheckpoint(first),
      tables: z
        .array(tableRow)
        .parse(tables.rows)
        .map((row) => toProgress(row, appliedOf(row))),
      definition: first.definition,
    };
  }

  /**
   * Takes the task over: waits for the chunks that an older sink is committing, and from here on every older sink's guard fails.
   * Returns this sink's generation.
   * @throws MillraceError TASK_CHANGED where the task was started with another definition; the sink in force stays so.
   */
  async claim(client: Client, definition: string, claimant: Claimant = ANYBODY): Promise<bigint> {
    const { rows } = await client.query(
      `WITH alone AS MATERIALIZED (SELECT pg_advisory_xact_lock(${CLAIM_KEY}))
       INSERT INTO millrace.checkpoint (task, definition, generation, run) SELECT $1, $2, 1, $3 FROM alone
       ON CONFLICT (task) DO UPDATE SET generation = checkpoint.generation + 1, run = excluded.run, updated_at = now()
         WHERE checkpoint.definition = excluded.definition AND (NOT $4::boolean OR checkpoint.run = excluded.run) RETURNING generation`,
      [this.task, definition, claimant.run, claimant.held],
    );
    const [row] = z.array(z.object({ generation: bigintText })).parse(rows);
    if (row === undefined && claimant.held) throw await this.#taken(client, claimant);
    if (row === undefined)
      throw new MillraceError('TASK_CHANGED', { name: this.task, what: 'its table mappings or its migration type differ' });
    return row.generation;
  }

  async #taken(client: Client, { run }: Claimant): Promise<MillraceError> {
    const { rows } = await client.query<{ run: string | null }>('SELECT run FROM millrace.checkpoint WHERE task = $1', [
      this.task,
    ]);
    return new MillraceError('SINK_FENCED', {
      task: this.task,
      expected: `run ${run}`,
      found: `of run ${rows[0]?.run ?? 'unknown'}`,
    });
  }

  async initialize(client: Client, generation: bigint, checkpoint: Checkpoint): Promise<void> {
    const { position } = checkpoint;
    const { rowCount } = await client.query(
      `UPDATE millrace.checkpoint SET journal = $3, epoch = $4, seq = $5, next_offset = $6,
         position_source = $7, position_timeline = $8, position_key = $9, updated_at = now()
       WHERE task = $1 AND generation = $2 AND journal IS NULL`,
      [
        this.task,
        generation,
        checkpoint.journal,
        checkpoint.epoch,
        checkpoint.seq,
        checkpoint.nextOffset,
        position?.source ?? null,
        position?.timeline ?? null,
        position?.key ?? null,
      ],
    );
    if (rowCount !== 1) throw await this.#fenced(client, generation);
  }

  /**
   * Keeps the task this sink's until the transaction ends; a newer sink waits for it or ends it. Not a lock of the checkpoint's
   * row: a group moves that one while chunks are loaded.
   */
  async hold(client: Client, generation: bigint): Promise<void> {
    await client.query(`SELECT pg_advisory_xact_lock_shared(${CLAIM_KEY})`, [this.task]);
    // A statement of its own: its snapshot is taken after the lock was granted.
    const { rowCount } = await client.query('SELECT 1 FROM millrace.checkpoint WHERE task = $1 AND generation = $2', [
      this.task,
      generation,
    ]);
    if (rowCount !== 1) throw await this.#fenced(client, generation);
  }

  async #fenced(client: Client, generation: bigint): Promise<MillraceError> {
    const { rows } = await client.query<{ generation: string }>('SELECT generation FROM millrace.checkpoint WHERE task = $1', [
      this.task,
    ]);
    const found = rows[0]?.generation;
    return new MillraceError('SINK_FENCED', {
      task: this.task,
      expected: `generation ${generation}`,
      found: found === undefined ? 'gone' : `of generation ${found}`,
    });
  }

  /** A Schema event names a load: the table waits for its rows from here on; its counts begin anew. Chunks of an earlier load end first. */
  async awaitLoad(client: Client, source: TableId, table: TableSchema, load: string): Promise<void> {
    await this.waitForChunks(client, source);
    await client.query(
      `INSERT INTO millrace.table_state (task, source_schema, source_table, target_schema, target_table, state, load) VALUES ($1, $2, $3, $4, $5, 'before load', $6)
       ON CONFLICT (task, source_schema, source_table) DO UPDATE SET target_schema = excluded.target_schema, target_table = excluded.target_table,
         state = 'being reloaded', load = excluded.load, prepared_attempt = 0, as_of_source = NULL, as_of_timeline = NULL, as_of_key = NULL,
         rows_loaded = 0, inserts = 0, updates = 0, deletes = 0, truncates = 0, ddls = 0, errors = 0, error_code = NULL, error_message = NULL`,
      [this.task, source.schema, source.table, table.id.schema, table.id.table, load],
    );
    await client.query('DELETE FROM millrace.load_chunk WHERE task = $1 AND source_schema = $2 AND source_table = $3', [
      this.task,
      source.schema,
      source.table,
    ]);
  }

  /** The schema that the target table has now; null where the task never made or altered it. */
  async applied(
    client: Client,
    source: TableId,
  ): Promise<{
    readonly state: TableState;
    readonly load: string | null;
    readonly preparedAttempt: number;
    readonly wasEmpty: boolean;
    readonly applied: unknown;
  } | null> {
    const { rows } = await client.query(
      'SELECT state, load, prepared_attempt, was_empty, applied FROM millrace.table_state WHERE task = $1 AND source_schema = $2 AND source_table = $3',
      [this.task, source.schema, source.table],
    );
    const shape = z.object({
      state: tableRow.shape.state,
      load: z.string().nullable(),
      prepared_attempt: z.int(),
      was_empty: z.boolean(),
      applied: z.unknown(),
    });
    const [row] = z.array(shape).parse(rows);
    return row === undefined
      ? null
      : {
          state: row.state,
          load: row.load,
          preparedAttempt: row.prepared_attempt,
          wasEmpty: row.was_empty,
          applied: row.applied,
        };
  }

  /** Waits until no chunk of the table is being loaded; none begins before the transaction ends. */
  async waitForChunks(client: Client, source: TableId): Promise<void> {
    await client.query(
      'SELECT 1 FROM millrace.table_state WHERE task = $1 AND source_schema = $2 AND source_table = $3 FOR UPDATE',
      [this.task, source.schema, source.table],
    );
  }

  async setApplied(client: Client, source: TableId, table: TableSchema): Promise<void> {
    await client.query(
      `INSERT INTO millrace.table_state (task, source_schema, source_table, target_schema, target_table, state, applied) VALUES ($1, $2, $3, $4, $5, 'completed', $6)
       ON CONFLICT (task, source_schema, source_table) DO UPDATE SET target_schema = excluded.target_schema, target_table = excluded.target_table, applied = excluded.applied`,
      [this.task, source.schema, source.table, table.id.schema, table.id.table, JSON.stringify(table)],
    );
  }

  /** A table that Millrace made, or found without rows, may be emptied for a reload. */
  async setWasEmpty(client: Client, source: TableId, wasEmpty: boolean): Promise<void> {
    await client.query(
      'UPDATE millrace.table_state SET was_empty = $4 WHERE task = $1 AND source_schema = $2 AND source_table = $3',
      [this.task, source.schema, source.table, wasEmpty],
    );
  }

  async countDdl(client: Client, source: TableId): Promise<void> {
    await client.query(
      'UPDATE millrace.table_state SET ddls = ddls + 1 WHERE task = $1 AND source_schema = $2 AND source_table = $3',
      [this.task, source.schema, source.table],
    );
  }

  async prepared(
    client: Client,
    source: TableId,
    options: { readonly load: string; readonly attempt: number; readonly wasEmpty: boolean },
  ): Promise<void> {
    await client.query(
      `UPDATE millrace.table_state SET state = 'full load', prepared_attempt = $5, was_empty = $6 WHERE task = $1 AND source_schema = $2 AND source_table = $3 AND load = $4`,
      [this.task, source.schema, source.table, options.load, options.attempt, options.wasEmpty],
    );
  }

  /** Sets a table aside whose rows this load was to bring. */
  async failLoad(
    client: Client,
    source: TableId,
    load: string,
    error: { readonly code: string; readonly message: string },
  ): Promise<void> {
    await client.query(
      `UPDATE millrace.table_state SET state = 'error', error_code = $5, error_message = $6
       WHERE task = $1 AND source_schema = $2 AND source_table = $3 AND load = $4`,
      [this.task, source.schema, source.table, load, error.code, error.message],
    );
  }

  /** Sets a table aside that may not have a row yet. */
  async failTable(
    client: Client,
    { source, schema }: TableVersion,
    error: { readonly code: string; readonly message: string },
  ): Promise<void> {
    await client.query(
      `INSERT INTO millrace.table_state (task, source_schema, source_table, target_schema, target_table, state, error_code, error_message) VALUES ($1, $2, $3, $4, $5, 'error', $6, $7)
       ON CONFLICT (task, source_schema, source_table) DO UPDATE SET state = 'error', error_code = excluded.error_code, error_message = excluded.error_message`,
      [this.task, source.schema, source.table, schema.id.schema, schema.id.table, error.code, error.message],
    );
  }

  /** Keeps a row of a chunk that the target refused, in the chunk's transaction. */
  async keepLoadedRow(
    client: Client,
    chunk: LoadChunk,
    row: { readonly ordinal: number; readonly after: string; readonly code: string; readonly message: string },
  ): Promise<void> {
    const { source } = chunk.table;
    await client.query(
      `INSERT INTO millrace.dead_letter (task, source_schema, source_table, position_source, position_timeline, position_key, ordinal, kind, code, message, before, after)
       VALUES ($1, $2, $3, $4, $5, $6, $7, 'load', $8, $9, NULL, $10)`,
      [
        this.task,
        source.schema,
        source.table,
        chunk.asOf.source,
        chunk.asOf.timeline,
        chunk.asOf.key,
        row.ordinal,
        row.code,
        row.message,
        row.after,
      ],
    );
    await client.query(
      'UPDATE millrace.table_state SET errors = errors + 1 WHERE task = $1 AND source_schema = $2 AND source_table = $3',
      [this.task, source.schema, source.table],
    );
  }

  async drop(client: Client, source: TableId): Promise<void> {
    await client.query('DELETE FROM millrace.load_chunk WHERE task = $1 AND source_schema = $2 AND source_table = $3', [
      this.task,
      source.schema,
      source.table,
    ]);
    await client.query('DELETE FROM millrace.table_state WHERE task = $1 AND source_schema = $2 AND source_table = $3', [
      this.task,
      source.schema,
      source.table,
    ]);
  }

  /**
   * False where the chunk is in already, or its load or attempt no longer counts. First in the chunk's transaction, so that two sinks
   * cannot both load it, and the table cannot be emptied for another load or attempt until it ends.
   */
  async markChunk(
    client: Client,
    source: TableId,
    chunk: Pick<LoadChunk, 'load' | 'index' | 'attempt' | 'asOf' | 'keys'>,
  ): Promise<boolean> {
    const counts = await client.query(
      'SELECT 1 FROM millrace.table_state WHERE task = $1 AND source_schema = $2 AND source_table = $3 AND load = $4 AND prepared_attempt BETWEEN 1 AND $5 FOR KEY SHARE',
      [this.task, source.schema, source.table, chunk.load, chunk.attempt],
    );
    if (counts.rowCount !== 1) return false;
    const { rowCount } = await client.query(
      `INSERT INTO millrace.load_chunk (task, source_schema, source_table, load, chunk, attempt, as_of_source, as_of_timeline, as_of_key, keys)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING`,
      [
        this.task,
        source.schema,
        source.table,
        chunk.load,
        chunk.index,
        chunk.attempt,
        chunk.asOf.source,
        chunk.asOf.timeline,
        chunk.asOf.key,
        chunk.keys === null ? null : JSON.stringify(chunk.keys),
      ],
    );
    return rowCount === 1;
  }

  async countChunk(
    client: Client,
    source: TableId,
    chunk: { readonly load: string; readonly index: number },
    rows: bigint,
  ): Promise<void> {
    await client.query(
      'UPDATE millrace.load_chunk SET rows = $6 WHERE task = $1 AND source_schema = $2 AND source_table = $3 AND load = $4 AND chunk = $5',
      [this.task, source.schema, source.table, chunk.load, chunk.index, rows],
    );
    await client.query(
      'UPDATE millrace.table_state SET rows_loaded = rows_loaded + $4 WHERE task = $1 AND source_schema = $2 AND source_table = $3',
      [this.task, source.schema, source.table, rows],
    );
  }

  /** Chunks of the load that are in. */
  async chunksOf(client: Client, source: TableId, load: string): Promise<readonly number[]> {
    const { rows } = await client.query<{ chunk: number }>(
      'SELECT chunk FROM millrace.load_chunk WHERE task = $1 AND source_schema = $2 AND source_table = $3 AND load = $4',
      [this.task, source.schema, source.table, load],
    );
    return rows.map(({ chunk }) => chunk);
  }

  async forgetChunks(client: Client, source: TableId): Promise<void> {
    await client.query('DELETE FROM millrace.load_chunk WHERE task = $1 AND source_schema = $2 AND source_table = $3', [
      this.task,
      source.schema,
      source.table,
    ]);
    await client.query(
      'UPDATE millrace.table_state SET rows_loaded = 0 WHERE task = $1 AND source_schema = $2 AND source_table = $3',
      [this.task, source.schema, source.table],
    );
  }

  /** Once all chunks are in: changes up to their snapshots are in the rows. @throws MillraceError INTERNAL as loadedRows */
  async finishLoad(client: Client, source: TableId, load: string): Promise<LoadedRows> {
    const mine = [this.task, source.schema, source.table, load];
    const { rows } = await client.query(
      'SELECT * FROM millrace.load_chunk WHERE task = $1 AND source_schema = $2 AND source_table = $3 AND load = $4 ORDER BY chunk',
      mine,
    );
    const loaded = loadedRows(displayTable(source), z.array(chunkRow).parse(rows).map(toAppliedChunk));
    const { asOf } = loaded;
    await client.query(
      `UPDATE millrace.table_state SET state = 'completed', as_of_source = $5, as_of_timeline = $6, as_of_key = $7
       WHERE task = $1 AND source_schema = $2 AND source_table = $3 AND load = $4`,
      [...mine, asOf?.source ?? null, asOf?.timeline ?? null, asOf?.key ?? null],
    );
    return loaded;
  }

  async deadLetters(client: Client, limit: number): Promise<readonly DeadLetter[]> {
    const { rows } = await client.query('SELECT * FROM millrace.dead_letter WHERE task = $1 ORDER BY id LIMIT $2', [
      this.task,
      limit,
    ]);
    return z.array(deadLetterRow).parse(rows).map(toDeadLetter);
  }

  async deadLettersPublished(client: Client, ids: readonly bigint[]): Promise<void> {
    await client.query('DELETE FROM millrace.dead_letter WHERE task = $1 AND id = ANY ($2::int8[])', [this.task, ids]);
  }

  /** Drops the task's rows, and the schema with its last task. Returns what was there, in words. */
  async remove(client: Client): Promise<readonly string[]> {
    if (!(await stateSchemaExists(client))) return [];
    // Another task that is claimed meanwhile must be seen below, or wait until its table is gone.
    await client.query('LOCK TABLE millrace.checkpoint IN ACCESS EXCLUSIVE MODE');
    const removed: string[] = [];
    for (const table of ['dead_letter', 'load_chunk', 'table_state', 'checkpoint']) {
      const { rowCount } = await client.query(`DELETE FROM millrace.${table} WHERE task = $1`, [this.task]);
      if ((rowCount ?? 0) > 0) removed.push(`${rowCount ?? 0} row(s) of millrace.${table}`);
    }
    const { rowCount } = await client.query('SELECT 1 FROM millrace.checkpoint LIMIT 1');
    if (rowCount === 0) {
      await client.query('DROP TABLE millrace.dead_letter, millrace.load_chunk, millrace.table_state, millrace.checkpoint');
      await client.query('DROP SCHEMA millrace');
      removed.push('schema millrace in the target');
    }
    return removed;
  }
}

const deadLetterRow = z.object({
  id: bigintText,
  source_schema: z.string(),
  source_table: z.string(),
  position_source: z.string(),
  position_timeline: z.string(),
  position_key: z.string(),
  ordinal: z.int(),
  kind: z.enum(['insert', 'update', 'delete', 'load']),
  code: z.string(),
  message: z.string(),
  before: z.string().nullable(),
  after: z.string().nullable(),
});

function toDeadLetter(row: z.infer<typeof deadLetterRow>): DeadLetter {
  const { id, ordinal, kind, code, message, before, after } = row;
  const position = { source: row.position_source, timeline: Number(row.position_timeline), key: row.position_key };
  return {
    id,
    table: { schema: row.source_schema, table: row.source_table },
    position,
    ordinal,
    kind,
    code,
    message,
    before,
    after,
  };
}

function toCheckpoint(row: z.infer<typeof checkpointRow>): Checkpoint | null {
  const { journal, epoch, seq, next_offset: nextOffset } = row;
  if (journal === null || epoch === null || seq === null || nextOffset === null) return null;
  return { journal, epoch, seq, nextOffset, position: toPosition(row.position_source, row.position_timeline, row.position_key) };
}

function toPosition(source: string | null, timeline: string | null, key: string | null): Position | null {
  return source === null || timeline === null || key === null ? null : { source, timeline: Number(timeline), key };
}

/** `chunks`: of the table's load. */
function toProgress(row: z.infer<typeof tableRow>, chunks: readonly z.infer<typeof chunkRow>[]): TableProgress {
  const { state, load, inserts, updates, deletes, truncates, ddls, errors } = row;
  return {
    source: { schema: row.source_schema, table: row.source_table },
    target: { schema: row.target_schema, table: row.target_table },
    state,
    counts: { rowsLoaded: row.rows_loaded, inserts, updates, deletes, truncates, ddls, errors },
    load,
    chunksApplied: chunks.map(toAppliedChunk),
    asOf: toPosition(row.as_of_source, row.as_of_timeline, row.as_of_key),
    error: row.error_code === null ? null : { code: row.error_code, message: row.error_message ?? '' },
  };
}
