import { rowJson } from '@millrace/apply/row-json.js';
import { ChunkRowsCursor } from '@millrace/codec/chunk-rows.js';
import { displayTable } from '@millrace/codec/table-key.js';
import type { LoadChunk } from '@millrace/contract/load.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import type { Connection } from 'mysql2/promise';
import { isRefusal } from './batch.js';
import { InfileText, loadInfile } from './infile.js';
import { NotMysqlValue } from './literals.js';
import { RowLiterals, rowOf } from './row-literals.js';
import { serverFailureOf } from './server-failure.js';
import type { SinkSession } from './session.js';
import { firstWarning, refuseTooLong, write } from './statements.js';
import type { WritePlan } from './write-plan.js';

/** Rows go in so many bytes at a time; they are kept until the server has them, so that a refused row can be found. */
const RUN_BYTES = 4 * 1024 * 1024;
const ROWS_PER_INSERT = 500;
/** local_infile is off (MySQL 8, older servers, MariaDB from 10.11 on). */
const INFILE_DISABLED = new Set([1148, 3948, 4166]);

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

export interface CopiedChunk {
  /** Rows that are in the target with the caller's commit. */
  readonly rows: number;
  readonly refused: number;
}

/**
 * Copies a chunk's rows into its table inside the caller's transaction. A row that the target refuses, or would bend, is found by
 * halving and handed to `refuse`, which throws, or keeps it in the same transaction; the others go in.
 * @throws what `refuse` and `chunk.parts` throw
 */
export async function copyChunk(
  session: SinkSession,
  chunk: LoadChunk,
  plan: WritePlan,
  refuse: RefuseRow,
): Promise<CopiedChunk> {
  const copy = new ChunkCopy(session, chunk, plan, refuse);
  for await (const part of chunk.parts) {
    const cursor = new ChunkRowsCursor(part, chunk.table);
    while (cursor.next()) {
      copy.add({ bytes: part.bytes, start: cursor.start, end: cursor.end });
      if (copy.runBytes >= RUN_BYTES) await copy.run();
    }
  }
  await copy.run();
  return { rows: copy.rows, refused: copy.refused };
}

interface Image {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

class ChunkCopy {
  rows = 0;
  refused = 0;
  runBytes = 0;
  private images: Image[] = [];
  private readonly text: InfileText;
  private readonly literals = new RowLiterals();
  private infile = true;

  constructor(
    private readonly session: SinkSession,
    private readonly chunk: LoadChunk,
    private readonly plan: WritePlan,
    private readonly refuse: RefuseRow,
  ) {
    this.text = new InfileText(plan);
    this.infile = plan.written.length > 0;
  }

  add(image: Image): void {
    this.images.push(image);
    this.runBytes += image.end - image.start;
  }

  async run(): Promise<void> {
    const { images } = this;
    if (images.length === 0) return;
    this.images = [];
    this.runBytes = 0;
    if (this.infile && (await this.tryInfile(images))) return;
    const halve = async (from: number, to: number): Promise<void> => {
      const failure = await this.tryInsert(images.slice(from, to));
      if (failure === null) return;
      const [image] = images.slice(from, to);
      if (to - from === 1 && image !== undefined) return this.refuseRow(image, failure);
      const middle = (from + to) >>> 1;
      await halve(from, middle);
      await halve(middle, to);
    };
    // Statements of a bounded number of rows, each of which is halved by itself.
    for (let at = 0; at < images.length; at += ROWS_PER_INSERT) await halve(at, Math.min(images.length, at + ROWS_PER_INSERT));
  }

  /** False where the rows have to go in another way, which tells what is wrong with them; nothing of them is in then. */
  private async tryInfile(images: readonly Image[]): Promise<boolean> {
    const { connection } = this.session;
    const { text, plan } = this;
    text.clear();
    try {
      for (const { bytes, start, end } of images) text.add(bytes, start, end);
    } catch (error) {
      if (error instanceof NotMysqlValue) return false;
      throw error;
    }
    await connection.query('SAVEPOINT millrace_run');
    try {
      const { rows, warnings } = await loadInfile(this.session, plan, text.content());
      if (rows === images.length && warnings === 0) {
        await connection.query('RELEASE SAVEPOINT millrace_run');
        this.rows += rows;
        return true;
      }
    } catch (error) {
      const number = serverFailureOf(error)?.number ?? 0;
      if (INFILE_DISABLED.has(number)) this.infile = false;
      else if (!isRefusal(error)) throw error;
    }
    await connection.query('ROLLBACK TO SAVEPOINT millrace_run');
    return false;
  }

  /** Null where the rows are in; else why the target refuses one of them. */
  private async tryInsert(images: readonly Image[]): Promise<{ readonly reason: string; readonly state: string } | null> {
    const { connection } = this.session;
    await connection.query('SAVEPOINT millrace_run');
    try {
      await this.insert(connection, images);
      await connection.query('RELEASE SAVEPOINT millrace_run');
      this.rows += images.length;
      return null;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      const failure = serverFailureOf(error);
      // What does not fit the table fits no row of it: that is no single row's fault.
      if (failure?.kind === 'table') throw error;
      await connection.query('ROLLBACK TO SAVEPOINT millrace_run');
      return { reason: error instanceof Error ? error.message : String(error), state: failure?.sqlState ?? 'none' };
    }
  }

  /** In one statement, or in several where they would be more than a packet holds. */
  private async insert(connection: Connection, images: readonly Image[]): Promise<void> {
    const { plan, literals, session } = this;
    const limit = Math.min(1024 * 1024, Math.floor(session.maxPacketBytes / 6));
    let rows: string[] = [];
    let units = 0;
    const send = async (): Promise<void> => {
      if (rows.length === 0) return;
      const sql = plan.insertInto + rows.join(', ');
      refuseTooLong(sql, session.maxPacketBytes, this.chunk.table.source);
      const { rows: made, warnings } = await write(connection, sql);
      if (warnings > 0) throw new NotMysqlValue(await firstWarning(connection));
      if (made !== rows.length) throw new MillraceError('LOAD_COUNT', { ...this.place(), sent: rows.length, taken: made });
      rows = [];
      units = 0;
    };
    for (const { bytes, start, end } of images) {
      const row = rowOf(plan, literals.of(plan, bytes, start, end));
      if (row === undefined) throw new NotMysqlValue('the row lacks values');
      if (units + row.length > limit) await send();
      rows.push(row);
      units += row.length;
    }
    await send();
  }

  private async refuseRow(
    { bytes, start, end }: Image,
    failure: { readonly reason: string; readonly state: string },
  ): Promise<void> {
    const ordinal = this.rows + this.refused;
    const error = new MillraceError('LOAD_ROW_REFUSED', { ...this.place(), row: ordinal + 1, ...failure });
    await this.refuse({ ordinal, after: rowJson(this.chunk.table, bytes, start, end), error });
    this.refused++;
  }

  private place(): { readonly table: string; readonly chunk: number } {
    return { table: displayTable(this.chunk.table.schema.id), chunk: this.chunk.index };
  }
}
