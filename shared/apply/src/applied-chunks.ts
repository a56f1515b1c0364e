import { comparePositions } from '@millrace/codec/position.js';
import type { Position } from '@millrace/contract/position.js';
import type { AppliedChunk, LoadedRows } from '@millrace/contract/sink.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { z } from 'zod';

const keyRange = z.strictObject({
  column: z.string(),
  order: z.enum(['integer', 'bytes']),
  from: z.string().nullable(),
  to: z.string().nullable(),
});

/** A row of millrace.load_chunk: the marker that a chunk's rows went in with. */
export const chunkRow = z.object({
  source_schema: z.string(),
  source_table: z.string(),
  load: z.string(),
  chunk: z.int(),
  as_of_source: z.string(),
  as_of_timeline: z.string(),
  as_of_key: z.string(),
  keys: keyRange.nullable(),
});

export function toAppliedChunk(row: z.infer<typeof chunkRow>): AppliedChunk {
  return {
    index: row.chunk,
    asOf: { source: row.as_of_source, timeline: Number(row.as_of_timeline), key: row.as_of_key },
    keys: row.keys,
  };
}

/**
 * What the chunks of a finished load hold together.
 * @throws MillraceError INTERNAL where they are of several snapshots and one cannot be told from another by its keys: changes would be
 * lost or doubled.
 */
export function loadedRows(table: string, chunksApplied: readonly AppliedChunk[]): LoadedRows {
  let asOf: Position | null = null;
  let several = false;
  for (const chunk of chunksApplied) {
    const order = asOf === null ? 0 : comparePositions(chunk.asOf, asOf);
    several ||= order !== 0;
    if (asOf === null || order > 0) asOf = chunk.asOf;
  }
  if (several && chunksApplied.some(({ keys }) => keys === null))
    throw new MillraceError('INTERNAL', { what: `the chunks of ${table} are of several snapshots and not all by keys` });
  return { chunksApplied, asOf };
}

interface OfLoad {
  readonly source_schema: string;
  readonly source_table: string;
  readonly load: string | null;
}

/** Finds the chunks of a table's load: there may be many tables, and many chunks. */
export function byLoad<T extends OfLoad>(chunks: readonly T[]): (table: OfLoad) => readonly T[] {
  const keyOf = (row: OfLoad): string => JSON.stringify([row.source_schema, row.source_table, row.load]);
  const byKey = new Map<string, T[]>();
  for (const chunk of chunks) {
    const key = keyOf(chunk);
    const known = byKey.get(key);
    if (known === undefined) byKey.set(key, [chunk]);
    else known.push(chunk);
  }
  return (table) => byKey.get(keyOf(table)) ?? [];
}
