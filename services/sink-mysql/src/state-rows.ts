import { chunkRow as sharedChunkRow, toAppliedChunk } from '@millrace/apply/applied-chunks.js';
import type { JournalPlace } from '@millrace/apply/change-log.js';
import type { Checkpoint, Position } from '@millrace/contract/position.js';
import type { AppliedChunk, DeadLetter, TableProgress } from '@millrace/contract/sink.js';
import type { TableId } from '@millrace/contract/table.js';
import { z } from 'zod';

/** The driver gives wide integers as texts and narrow ones as numbers. */
const bigintText = z.union([z.string(), z.number()]).transform((value) => BigInt(value));
const integer = z.coerce.number().int();

/** How a source's table is written in Millrace's own tables. */
export function sourceText({ schema, table }: TableId): string {
  return JSON.stringify([schema, table]);
}

const source = z
  .string()
  .transform((text): unknown => JSON.parse(text))
  .pipe(z.tuple([z.string(), z.string()]))
  .transform(([schema, table]): TableId => ({ schema, table }));

const tableStates = z.enum(['before load', 'full load', 'completed', 'cancelled', 'error', 'being reloaded']);

const checkpointShape = z.object({
  generation: bigintText,
  journal: z.string().nullable(),
  epoch: bigintText.nullable(),
  seq: bigintText.nullable(),
  next_offset: bigintText.nullable(),
  position_source: z.string().nullable(),
  position_timeline: bigintText.nullable(),
  position_key: z.string().nullable(),
  part_offset: bigintText.nullable(),
  part_event: integer.nullable(),
});

export const CHECKPOINT_COLUMNS =
  'generation, journal, epoch, seq, next_offset, position_source, position_timeline, position_key, part_offset, part_event';

/** A checkpoint as it is stored: with the claim that moves it, and how far into its next group the target is. */
export interface StoredCheckpoint {
  readonly generation: bigint;
  readonly checkpoint: Checkpoint | null;
  /** Events of the journal before it are applied, where it lies behind the checkpoint; null: none but the checkpoint's. */
  readonly part: JournalPlace | null;
}

export const checkpointRow = checkpointShape.transform((row): StoredCheckpoint => {
  const { journal, epoch, seq, next_offset: nextOffset } = row;
  const position = toPosition(row.position_source, row.position_timeline, row.position_key);
  return {
    generation: row.generation,
    checkpoint:
      journal === null || epoch === null || seq === null || nextOffset === null
        ? null
        : { journal, epoch, seq, nextOffset, position },
    part: row.part_offset === null || row.part_event === null ? null : { offset: row.part_offset, event: row.part_event },
  };
});

function toPosition(from: string | null, timeline: bigint | null, key: string | null): Position | null {
  return from === null || timeline === null || key === null ? null : { source: from, timeline: Number(timeline), key };
}

export const appliedRow = z.object({
  state: tableStates,
  load: z.string().nullable(),
  prepared_attempt: integer.nullable(),
  was_empty: integer.nullable(),
  applied: z.string().nullable(),
  intent: z.string().nullable(),
});

export const tableRow = z.object({
  source,
  target_schema: z.string(),
  target_table: z.string(),
  state: tableStates,
  load: z.string().nullable(),
  as_of_source: z.string().nullable(),
  as_of_timeline: bigintText.nullable(),
  as_of_key: z.string().nullable(),
  inserts: bigintText,
  updates: bigintText,
  deletes: bigintText,
  truncates: bigintText,
  ddls: bigintText,
  errors: bigintText,
  error_code: z.string().nullable(),
  error_message: z.string().nullable(),
});

/** A row of millrace.load_chunk, beside what the sinks share of it. */
export const chunkRow = z
  .object({
    source,
    load: z.string(),
    chunk: integer,
    as_of_source: z.string(),
    as_of_timeline: bigintText,
    as_of_key: z.string(),
    keys: z.string().nullable(),
    rows: bigintText,
    errors: bigintText,
  })
  .transform(({ source: of, keys, as_of_timeline: timeline, rows, errors, ...rest }) => ({
    rows,
    errors,
    marker: sharedChunkRow.parse({
      ...rest,
      source_schema: of.schema,
      source_table: of.table,
      as_of_timeline: String(timeline),
      keys: keys === null ? null : JSON.parse(keys),
    }),
  }));

export type ChunkRow = z.output<typeof chunkRow>;

export function appliedChunk({ marker }: ChunkRow): AppliedChunk {
  return toAppliedChunk(marker);
}

/** `chunks`: of the table's load. */
export function toProgress(row: z.output<typeof tableRow>, chunks: readonly ChunkRow[]): TableProgress {
  const { state, load, inserts, updates, deletes, truncates, ddls } = row;
  const sum = (counts: readonly bigint[]): bigint => counts.reduce((total, count) => total + count, 0n);
  return {
    source: row.source,
    target: { schema: row.target_schema, table: row.target_table },
    state,
    counts: {
      rowsLoaded: sum(chunks.map(({ rows }) => rows)),
      inserts,
      updates,
      deletes,
      truncates,
      ddls,
      errors: row.errors + sum(chunks.map(({ errors }) => errors)),
    },
    load,
    chunksApplied: chunks.map(appliedChunk),
    asOf: toPosition(row.as_of_source, row.as_of_timeline, row.as_of_key),
    error: row.error_code === null ? null : { code: row.error_code, message: row.error_message ?? '' },
  };
}

export const deadLetterRow = z
  .object({
    id: bigintText,
    source,
    position_source: z.string(),
    position_timeline: bigintText,
    position_key: z.string(),
    ordinal: integer,
    kind: z.enum(['insert', 'update', 'delete', 'load']),
    code: z.string(),
    message: z.string(),
    before: z.string().nullable(),
    after: z.string().nullable(),
  })
  .transform(
    ({ source: table, position_source, position_timeline, position_key, ...rest }): DeadLetter => ({
      ...rest,
      table,
      position: { source: position_source, timeline: Number(position_timeline), key: position_key },
    }),
  );
