import { Buffer } from 'node:buffer';
import { MillraceError } from '@millrace/errors/millrace-error.js';

/** PostgreSQL's limit of one message and of one value. */
const MAX_BYTES = 1024 * 1024 * 1024 - 1024;
/** Up to this length a loop is faster than the call into native code. */
const LOOP_COPY_BYTES = 40;

/** A buffer that grows, written in PostgreSQL's binary forms: big-endian, a value behind its length as int32. */
export class FieldWriter {
  /** Bytes written so far; the buffer behind is longer. */
  length = 0;
  bytes: Buffer;
  private view: DataView;

  constructor(private readonly initialBytes: number) {
    this.bytes = Buffer.allocUnsafeSlow(initialBytes);
    this.view = new DataView(this.bytes.buffer);
  }

  /** Forgets the content; a buffer that grew beyond `keepBytes` is given back. */
  clear(keepBytes: number): void {
    this.length = 0;
    if (this.bytes.length > keepBytes) this.adopt(Buffer.allocUnsafeSlow(this.initialBytes));
  }

  /** Makes room for `count` more bytes. */
  reserve(count: number): void {
    const needed = this.length + count;
    if (needed <= this.bytes.length) return;
    if (needed > MAX_BYTES)
      throw new MillraceError('INTERNAL', { what: `a statement of ${needed} bytes is beyond PostgreSQL's limit` });
    const grown = Buffer.allocUnsafeSlow(Math.min(MAX_BYTES, Math.max(needed, this.bytes.length * 2)));
    this.bytes.copy(grown, 0, 0, this.length);
    this.adopt(grown);
  }

  private adopt(bytes: Buffer): void {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer);
  }

  byte(value: number): void {
    this.reserve(1);
    this.view.setUint8(this.length, value);
    this.length += 1;
  }

  int16(value: number): void {
    this.reserve(2);
    this.view.setInt16(this.length, value);
    this.length += 2;
  }

  int32(value: number): void {
    this.reserve(4);
    this.view.setInt32(this.length, value);
    this.length += 4;
  }

  /** An int64 from its halves. */
  int64(high: number, low: number): void {
    this.reserve(8);
    this.view.setInt32(this.length, high);
    this.view.setInt32(this.length + 4, low);
    this.length += 8;
  }

  bigint64(value: bigint): void {
    this.reserve(8);
    this.view.setBigInt64(this.length, value);
    this.length += 8;
  }

  float(value: number): void {
    this.reserve(4);
    this.view.setFloat32(this.length, value);
    this.length += 4;
  }

  double(value: number): void {
    this.reserve(8);
    this.view.setFloat64(this.length, value);
    this.length += 8;
  }

  /** Overwrites what was written at `at`. */
  patchInt16(at: number, value: number): void {
    this.view.setInt16(at, value);
  }

  patchInt32(at: number, value: number): void {
    this.view.setInt32(at, value);
  }

  /** A NULL instead of a value. */
  null(): void {
    this.int32(-1);
  }

  /** A value of bytes copied from `source[start, end)`, behind its length. */
  blob(source: Uint8Array, start: number, end: number): void {
    this.int32(end - start);
    this.raw(source, start, end);
  }

  /** The same with one byte before the content, within its length. */
  prefixedBlob(prefix: number, source: Uint8Array, start: number, end: number): void {
    this.int32(end - start + 1);
    this.byte(prefix);
    this.raw(source, start, end);
  }

  /** Content without its length. */
  raw(source: Uint8Array, start: number, end: number): void {
    const count = end - start;
    this.reserve(count);
    let at = this.length;
    this.length = at + count;
    if (count <= LOOP_COPY_BYTES) {
      const { bytes } = this;
      for (let from = start; from < end; from++) bytes[at++] = source[from] ?? 0;
    } else if (source instanceof Buffer) {
      source.copy(this.bytes, at, start, end);
    } else {
      this.bytes.set(source.subarray(start, end), at);
    }
  }

  /** A value of ASCII characters, behind its length. */
  ascii(text: string): void {
    this.reserve(text.length + 4);
    this.view.setInt32(this.length, text.length);
    this.bytes.write(text, this.length + 4, 'latin1');
    this.length += text.length + 4;
  }

  /** What was written, without a copy: valid until the next write or `clear`. */
  content(): Buffer {
    return this.bytes.subarray(0, this.length);
  }
}
