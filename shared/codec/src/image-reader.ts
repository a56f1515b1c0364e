import type { TableVersion } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { ByteReader } from './byte-reader.js';

const NOTHING = new Uint8Array(0);

/** What `ImageReader.next` returns. */
export const COLUMN = { null: 0, value: 1, unchanged: 2 } as const;

/**
 * Walks one row image, column by column, without making an object: `next()` says the column's state, and after COLUMN.value
 * exactly one read by the column's wire type follows. One reader is used for all rows.
 *
 * - int: `int()`; boolean: `boolean()`; float: `float()`; double: `double()`
 * - long: `long()`, which leaves the value in `high` and `low` (PostgreSQL's int8 is those two, big-endian); or `bigint()`
 * - string, bytes: `blob()`, which leaves the content's place in `blobStart` and `blobEnd`; `text()` makes a string
 *
 * Whatever does not fit throws ROW_IMAGE_CORRUPT.
 */
export class ImageReader extends ByteReader {
  private table: TableVersion | undefined;

  constructor() {
    super(NOTHING, 0, 0, 'a row image');
  }

  open(table: TableVersion, bytes: Uint8Array, start: number, end: number): void {
    this.table = table;
    this.bytes = bytes;
    this.position = start;
    this.end = end;
  }

  next(): 0 | 1 | 2 {
    const state = this.byte();
    if (state === 2) return COLUMN.value;
    if (state === 0) return COLUMN.null;
    if (state === 4) return COLUMN.unchanged;
    throw this.corrupt('a column is neither null, a value nor unchanged');
  }

  override corrupt(what: string): MillraceError {
    const id = this.table?.schema.id;
    const table = id === undefined ? 'no table' : `${id.schema}.${id.table}`;
    return new MillraceError('ROW_IMAGE_CORRUPT', { table, what: `${what} (byte ${this.position} of ${this.end})` });
  }
}
