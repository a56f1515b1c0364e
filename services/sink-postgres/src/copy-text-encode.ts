import { Buffer } from 'node:buffer';
import { ChunkRowsCursor } from '@millrace/codec/chunk-rows.js';
import { COLUMN, ImageReader } from '@millrace/codec/image-reader.js';
import { wireTypesOf } from '@millrace/codec/row-image-writer.js';
import type { WireType } from '@millrace/codec/wire-type.js';
import type { ChunkPart } from '@millrace/contract/load.js';
import type { TableVersion } from '@millrace/contract/table.js';
import { assertNever, invariant } from '@millrace/errors/millrace-error.js';

const INITIAL_BYTES = 320 * 1024;
const TAB = 0x09;
const NEWLINE = 0x0a;
const BACKSLASH = 0x5c;

/** What follows the backslash for a byte that text format escapes, by byte (PostgreSQL manual, COPY, "Text Format"); 0: the byte goes as it is. */
const ESCAPES = new Uint8Array(256);
ESCAPES[BACKSLASH] = BACKSLASH;
ESCAPES[TAB] = 0x74;
ESCAPES[NEWLINE] = 0x6e;
ESCAPES[0x0d] = 0x72;

/**
 * Turns row images into COPY's text format: the columns that are not generated, in order. Values read back bit for bit: JavaScript
 * prints the shortest text of a double, and a 32-bit float's as the double that it is.
 */
export class CopyTextEncoder {
  private readonly reader = new ImageReader();
  private readonly wires: readonly WireType[];
  private readonly generated: readonly boolean[];
  private out = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  private length = 0;

  constructor(private readonly table: TableVersion) {
    this.wires = wireTypesOf(table);
    this.generated = table.schema.columns.map((column) => column.generated !== null);
  }

  /**
   * The part's rows in a buffer of their own.
   * @throws MillraceError JOURNAL_CORRUPT, ROW_IMAGE_CORRUPT
   */
  encode(part: ChunkPart): Buffer {
    this.length = 0;
    const cursor = new ChunkRowsCursor(part, this.table);
    while (cursor.next()) this.row(part.bytes, cursor.start, cursor.end);
    return Buffer.from(this.out.subarray(0, this.length));
  }

  private row(bytes: Uint8Array, start: number, end: number): void {
    const { reader, wires, generated } = this;
    reader.open(this.table, bytes, start, end);
    let first = true;
    for (let index = 0; index < wires.length; index++) {
      const wire = wires[index] ?? 'string';
      const state = reader.next();
      const written = generated[index] !== true;
      if (written) {
        if (!first) this.byte(TAB);
        first = false;
      }
      if (state === COLUMN.value) this.value(wire, written);
      else if (written) {
        invariant(state === COLUMN.null, 'a loaded row has all its values');
        this.ascii('\\N');
      }
    }
    reader.expectEnd();
    this.byte(NEWLINE);
  }

  /** Reads the value, and writes it unless the target computes it. */
  private value(wire: WireType, written: boolean): void {
    const { reader } = this;
    if (wire === 'string') {
      reader.blob();
      if (written) this.text(reader.bytes, reader.blobStart, reader.blobEnd);
      return;
    }
    const text = shortText(reader, wire);
    if (written) this.ascii(text);
  }

  private text(bytes: Uint8Array, start: number, end: number): void {
    this.reserve(2 * (end - start));
    const { out } = this;
    let { length } = this;
    for (let index = start; index < end; index++) {
      const byte = bytes[index] ?? 0;
      const letter = ESCAPES[byte] ?? 0;
      if (letter === 0) {
        out[length++] = byte;
      } else {
        out[length++] = BACKSLASH;
        out[length++] = letter;
      }
    }
    this.length = length;
  }

  private ascii(text: string): void {
    this.reserve(text.length);
    this.length += this.out.write(text, this.length, 'latin1');
  }

  private byte(value: number): void {
    this.reserve(1);
    this.out[this.length++] = value;
  }

  private reserve(count: number): void {
    if (this.length + count <= this.out.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(this.length + count, this.out.length * 2));
    this.out.copy(grown, 0, 0, this.length);
    this.out = grown;
  }
}

/** Values whose text holds nothing to escape; a bytea's backslash is doubled here. */
function shortText(reader: ImageReader, wire: Exclude<WireType, 'string'>): string {
  switch (wire) {
    case 'boolean':
      return reader.boolean() ? 't' : 'f';
    case 'int':
      return String(reader.int());
    case 'long':
      return String(reader.bigint());
    case 'float':
      return floatText(reader.float());
    case 'double':
      return floatText(reader.double());
    case 'bytes':
      return `\\\\x${Buffer.from(reader.blobView()).toString('hex')}`;
    default:
      return assertNever(wire);
  }
}

/** JavaScript's shortest text reads back to the same bits; of the zeros it would lose the sign. */
function floatText(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value);
}
