import { Buffer } from 'node:buffer';
import type { RowWriter } from '@millrace/contract/events.js';
import type { ChunkPart } from '@millrace/contract/load.js';
import type { TableVersion } from '@millrace/contract/table.js';
import { invariant } from '@millrace/errors/millrace-error.js';
import { ByteReader } from './byte-reader.js';
import { ByteWriter, lengthWidth } from './byte-writer.js';
import { RowImageWriter } from './row-image-writer.js';

const INITIAL_BYTES = 320 * 1024;

/** Collects row images as a chunk's part in the encoding 'rows': an Avro array of bytes, each a row image by the version's schema. */
export class ChunkRowsBuilder {
  private readonly out = new ByteWriter(INITIAL_BYTES);
  private readonly image = new ByteWriter(4096);
  private readonly writer = new RowImageWriter(this.image, () => this.imageEnded());
  private open = false;
  private rows = 0;

  constructor(private readonly table: TableVersion) {}

  get byteLength(): number {
    return this.out.length;
  }

  row(): RowWriter {
    invariant(!this.open, 'a row is complete before the next one begins');
    this.open = true;
    this.image.clear(INITIAL_BYTES);
    this.writer.open(this.table);
    return this.writer;
  }

  private imageEnded(): void {
    if (!this.open) invariant(false, 'a row image ends once');
    this.open = false;
    this.out.blob(this.image.bytes, 0, this.image.length);
    this.rows++;
  }

  /** The rows since the last call, in a buffer of their own. */
  take(): ChunkPart {
    invariant(!this.open, 'a part holds whole rows');
    const { out, rows } = this;
    const bytes = Buffer.allocUnsafeSlow((rows > 0 ? lengthWidth(rows) : 0) + out.length + 1);
    const head = this.image;
    head.clear(INITIAL_BYTES);
    if (rows > 0) head.int(rows);
    head.bytes.copy(bytes, 0, 0, head.length);
    out.bytes.copy(bytes, head.length, 0, out.length);
    bytes[bytes.length - 1] = 0;
    this.rows = 0;
    out.clear(4 * INITIAL_BYTES);
    return { bytes, rows };
  }
}

/** Walks the images of a part: after each `next()` that returned true, `start` and `end` delimit one in the part's bytes. */
export class ChunkRowsCursor {
  private readonly reader: ByteReader;
  private left = 0;
  private seen = 0;

  constructor(
    private readonly part: ChunkPart,
    table: TableVersion,
  ) {
    const { schema, table: name } = table.schema.id;
    this.reader = new ByteReader(part.bytes, 0, part.bytes.length, `load of ${schema}.${name}`);
  }

  /** @throws MillraceError JOURNAL_CORRUPT also where the part has not as many rows as its record says. */
  next(): boolean {
    if (this.left === 0) {
      this.left = this.reader.arrayBlock();
      if (this.left === 0) {
        this.reader.expectEnd();
        if (this.seen !== this.part.rows) throw this.reader.corrupt(`it should have ${this.part.rows} rows and has ${this.seen}`);
        return false;
      }
    }
    this.left--;
    this.seen++;
    this.reader.blob();
    return true;
  }

  get start(): number {
    return this.reader.blobStart;
  }

  get end(): number {
    return this.reader.blobEnd;
  }
}
