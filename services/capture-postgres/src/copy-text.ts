import { Buffer } from 'node:buffer';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { MESSAGE } from './pgoutput.js';

const TAB = 0x09;
const NEWLINE = 0x0a;
const BACKSLASH = 0x5c;
const CAPITAL_N = 0x4e;

const INITIAL_BYTES = 8_192;
/** Scratch space that a large row made grow beyond this is given back after it. */
const KEPT_BYTES = 1 << 20;

/** What stands behind a backslash, by its byte: the byte that it means; 0 where COPY TO writes no such escape. */
const ESCAPES = Uint8Array.from({ length: 256 }, (_, byte) => {
  const meaning = { b: 0x08, f: 0x0c, n: NEWLINE, r: 0x0d, t: TAB, v: 0x0b, '\\': BACKSLASH }[String.fromCharCode(byte)];
  return meaning ?? 0;
});

/**
 * Reads rows of COPY's text format (PostgreSQL manual, COPY, Text Format) as tuples of the replication stream's form: a column count,
 * then per column `n`, or `t` with a length and the value's text. So a value of the snapshot takes the very path of a value of the stream.
 */
export class CopyTextReader {
  /** The last row's tuple, in `tuple[0, tupleEnd)`, valid until the next call. */
  tuple = Buffer.allocUnsafe(INITIAL_BYTES);
  view = viewOf(this.tuple);
  tupleEnd = 0;
  #rows: Buffer = this.tuple.subarray(0, 0);
  #position = 0;

  constructor(private readonly columns: number) {}

  /** Whole rows, each ended by a newline. */
  open(rows: Uint8Array): void {
    this.#rows = Buffer.from(rows.buffer, rows.byteOffset, rows.length);
    this.#position = 0;
  }

  /** Reads the next row; false at the end. @throws MillraceError SOURCE_PROTOCOL for a row that COPY TO does not write. */
  next(): boolean {
    if (this.#position === this.#rows.length) return false;
    // A newline inside a value is written as an escape, so the first one ends the row.
    const end = this.#rows.indexOf(NEWLINE, this.#position);
    if (end < 0) throw misfit('its end is missing');
    this.#reserve(2 + 5 * this.columns + end - this.#position);
    this.view.setInt16(0, this.columns);
    this.tupleEnd = 2;
    for (let column = 0; column < this.columns; column++) {
      this.#readColumn(end);
      const separator = this.#rows[this.#position];
      if (separator !== (column + 1 < this.columns ? TAB : NEWLINE)) throw misfit(`it has not ${this.columns} columns`);
      if (separator === TAB) this.#position++;
    }
    if (this.#position !== end) throw misfit(`it has not ${this.columns} columns`);
    this.#position = end + 1;
    return true;
  }

  /** From the position to the next tab or the row's end. */
  #readColumn(end: number): void {
    const rows = this.#rows;
    const tuple = this.tuple;
    let from = this.#position;
    if (rows[from] === BACKSLASH && rows[from + 1] === CAPITAL_N) {
      tuple[this.tupleEnd++] = MESSAGE.null;
      this.#position = from + 2;
      return;
    }
    tuple[this.tupleEnd] = MESSAGE.text;
    const start = this.tupleEnd + 5;
    let to = start;
    while (from < end) {
      const byte = rows[from++] ?? 0;
      if (byte === TAB) {
        from--;
        break;
      }
      if (byte === BACKSLASH) {
        const meaning = ESCAPES[rows[from++] ?? 0] ?? 0;
        if (meaning === 0) throw misfit('it has an escape that COPY does not write');
        tuple[to++] = meaning;
      } else {
        tuple[to++] = byte;
      }
    }
    this.view.setInt32(this.tupleEnd + 1, to - start);
    this.tupleEnd = to;
    this.#position = from;
  }

  #reserve(size: number): void {
    const tooLarge = this.tuple.length > KEPT_BYTES && size <= KEPT_BYTES;
    if (this.tuple.length >= size && !tooLarge) return;
    this.tuple = Buffer.allocUnsafe(Math.max(size, INITIAL_BYTES));
    this.view = viewOf(this.tuple);
  }
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function misfit(what: string): MillraceError {
  return new MillraceError('SOURCE_PROTOCOL', { what: `a row of COPY that cannot be read: ${what}` });
}
