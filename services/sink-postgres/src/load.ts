import { Buffer } from 'node:buffer';
import { displayTable } from '@millrace/codec/table-key.js';
import type { LoadChunk } from '@millrace/contract/load.js';
import type { ColumnSchema } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { quoteIdentifier, quoteTable } from '@millrace/postgres/quote-identifier.js';
import type { Client } from 'pg';
import { copyIn } from './copy-binary.js';
import { CopyTextEncoder } from './copy-text-encode.js';
import { copyTextRowJson, lineStarts } from './copy-text-row.js';
import { inSavepoint } from './savepoint.js';
import { isRefusedRow, type ServerFailure, serverFailureOf } from './sql-state.js';

/** Rows go in so many bytes at a time; they are kept until the server has them, so that a refused row can be found. */
const RUN_BYTES = 4 * 1024 * 1024;

/** A row of a chunk that the target does not take. */
export interface RefusedRow {
  /** Number of the row in the chunk, from 0. */
  readonly ordinal: number;
  /** Its values as JSON text, exact. */
  readonly after: string;
  /** LOAD_ROW_REFUSED with the server's words: to be thrown, or kept with the row. */
  readonly error: MillraceError;
}

export type RefuseRow = (row: RefusedRow) => Promise<void>;

function stop({ error }: RefusedRow): Promise<void> {
  return Promise.reject(error);
}

export interface CopiedChunk {
  /** Rows that are in the target with the caller's commit. */
  readonly rows: bigint;
  readonly refused: number;
}

/**
 * Copies a chunk's rows into its table inside the caller's transaction. A row that the target refuses (a value, a constraint) is
 * found by halving and handed to `refuse`, which throws, or keeps it in the same transaction; the others go in.
 * @throws MillraceError LOAD_COUNT where the server took another number of rows than were sent; what `refuse` and `chunk.parts` throw
 */
export async function copyChunk(client: Client, chunk: LoadChunk, refuse: RefuseRow = stop): Promise<CopiedChunk> {
  // A constraint that waits for the commit would be found when its row cannot be told any more.
  await client.query('SET CONSTRAINTS ALL IMMEDIATE');
  const copy = new ChunkCopy(client, chunk, refuse);
  for await (const run of runsOf(chunk)) await copy.run(run);
  return { rows: BigInt(copy.rows), refused: copy.refused };
}

interface Run {
  readonly parts: readonly Uint8Array[];
  readonly rows: number;
}

/** The chunk as COPY text, in runs of bounded size. */
async function* runsOf(chunk: LoadChunk): AsyncGenerator<Run> {
  const encoder = chunk.encoding === 'rows' ? new CopyTextEncoder(chunk.table) : null;
  let parts: Uint8Array[] = [];
  let bytes = 0;
  let rows = 0;
  for await (const part of chunk.parts) {
    const text = encoder === null ? part.bytes : encoder.encode(part);
    parts.push(text);
    bytes += text.length;
    rows += part.rows;
    if (bytes < RUN_BYTES) continue;
    yield { parts, rows };
    parts = [];
    bytes = 0;
    rows = 0;
  }
  if (rows > 0) yield { parts, rows };
}

class ChunkCopy {
  rows = 0;
  refused = 0;
  private readonly columns: readonly ColumnSchema[];
  private readonly relation: string;
  private readonly statement: string;

  constructor(
    private readonly client: Client,
    private readonly chunk: LoadChunk,
    private readonly refuse: RefuseRow,
  ) {
    const { id, columns } = chunk.table.schema;
    this.columns = columns.filter((column) => column.generated === null);
    this.relation = quoteTable(id);
    this.statement = `COPY ${this.relation} (${this.columns.map(({ name }) => quoteIdentifier(name)).join(', ')}) FROM STDIN`;
  }

  async run({ parts, rows }: Run): Promise<void> {
    const failure = await this.tryCopy(parts, rows);
    if (failure === null) return;
    const text = Buffer.concat(parts);
    const starts = lineStarts(text);
    const halve = async (from: number, to: number): Promise<void> => {
      const middle = (from + to) >>> 1;
      for (const [start, end] of [
        [from, middle],
        [middle, to],
      ] as const) {
        const slice = text.subarray(starts[start], starts[end]);
        const halfFailure = await this.tryCopy([slice], end - start);
        if (halfFailure === null) continue;
        if (end - start > 1) await halve(start, end);
        else await this.refuseRow(slice, halfFailure);
      }
    };
    if (rows === 1) await this.refuseRow(text, failure);
    else await halve(0, rows);
  }

  /** Null where the rows are in; else why the target refuses one of them. */
  private async tryCopy(text: readonly Uint8Array[], rows: number): Promise<ServerFailure | null> {
    try {
      const copied = await inSavepoint(this.client, () => this.copy(text, rows));
      if (copied !== rows) throw new MillraceError('LOAD_COUNT', { ...this.place(), sent: rows, taken: copied });
      this.rows += rows;
      return null;
    } catch (error) {
      const failure = serverFailureOf(error);
      if (failure !== undefined && isRefusedRow(error)) return failure;
      throw error;
    }
  }

  private async copy(text: readonly Uint8Array[], rows: number): Promise<number> {
    if (this.columns.length > 0) return await copyIn(this.client, this.statement, text);
    // COPY cannot name no columns; a row of none is a row of the target's defaults.
    const { rowCount } = await this.client.query(`INSERT INTO ${this.relation} SELECT FROM generate_series(1, $1)`, [rows]);
    return rowCount ?? 0;
  }

  private async refuseRow(line: Buffer, failure: ServerFailure): Promise<void> {
    const ordinal = this.rows + this.refused;
    const error = new MillraceError('LOAD_ROW_REFUSED', {
      ...this.place(),
      row: ordinal + 1,
      reason: failure.message,
      state: failure.sqlState,
    });
    await this.refuse({ ordinal, after: copyTextRowJson(line, this.columns), error });
    this.refused++;
  }

  private place(): { readonly table: string; readonly chunk: number } {
    return { table: displayTable(this.chunk.table.schema.id), chunk: this.chunk.index };
  }
}
