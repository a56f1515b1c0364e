import { Buffer } from 'node:buffer';
import { invariant, MillraceError } from '@millrace/errors/millrace-error.js';

/** Largest Kafka record, before compression, that is written or decoded. */
export const MAX_RECORD_BYTES = 64 * 1024 * 1024;

/** Up to this length a loop is faster than the call into native code. */
const LOOP_COPY_BYTES = 40;

const scratch = new DataView(new ArrayBuffer(8));
const scratchBytes = new Uint8Array(scratch.buffer);

/** Number of bytes of Avro's zigzag varint for a count or length (0 ≤ n < 2^31). */
export function lengthWidth(n: number): number {
  if (n < 0x40) return 1;
  if (n < 0x2000) return 2;
  if (n < 0x10_0000) return 3;
  if (n < 0x800_0000) return 4;
  return 5;
}

/** A buffer that grows, written in Avro's binary encoding (Avro 1.11 specification, "Binary Encoding"). */
export class ByteWriter {
  /** Bytes written so far; the buffer behind may be longer. */
  length = 0;
  bytes: Buffer;

  constructor(private readonly initialBytes: number) {
    this.bytes = Buffer.allocUnsafeSlow(initialBytes);
  }

  /** Forgets the content; a buffer grown beyond `keepBytes` is given back. */
  clear(keepBytes: number): void {
    this.length = 0;
    if (this.bytes.length > keepBytes) this.bytes = Buffer.allocUnsafeSlow(this.initialBytes);
  }

  /** Makes room for `count` more bytes. */
  reserve(count: number): void {
    if (this.length + count > this.bytes.length) this.grow(this.length + count);
  }

  private grow(needed: number): void {
    if (needed > MAX_RECORD_BYTES) {
      throw new MillraceError('RECORD_TOO_LARGE', { what: 'One block of changes', bytes: needed, limit: MAX_RECORD_BYTES });
    }
    const grown = Buffer.allocUnsafeSlow(Math.min(MAX_RECORD_BYTES, Math.max(needed, this.bytes.length * 2)));
    this.bytes.copy(grown, 0, 0, this.length);
    this.bytes = grown;
  }

  byte(value: number): void {
    if (this.length === this.bytes.length) this.grow(this.length + 1);
    this.bytes[this.length++] = value;
  }

  boolean(value: boolean): void {
    this.byte(value ? 1 : 0);
  }

  /** An int, or a long that fits 32 bits. */
  int(value: number): void {
    this.reserve(5);
    this.unsigned(((value << 1) ^ (value >> 31)) >>> 0);
  }

  /** Room for five bytes must be reserved. */
  private unsigned(zigzag: number): void {
    const bytes = this.bytes;
    let at = this.length;
    let rest = zigzag;
    while (rest > 0x7f) {
      bytes[at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    bytes[at++] = rest;
    this.length = at;
  }

  /** A long from a safe integer. */
  safeLong(value: number): void {
    if (value >= -0x4000_0000 && value < 0x4000_0000) {
      this.int(value);
      return;
    }
    // Zigzag is exact in a double only up to 2^53, hence values up to 2^52.
    if (value >= 2 ** 52 || value < -(2 ** 52)) {
      this.long(BigInt(value));
      return;
    }
    this.reserve(10);
    const bytes = this.bytes;
    let at = this.length;
    let rest = value < 0 ? -value * 2 - 1 : value * 2;
    while (rest > 0x7f) {
      bytes[at++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    bytes[at++] = rest;
    this.length = at;
  }

  long(value: bigint): void {
    const zigzag = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
    let low = Number(zigzag & 0xffff_ffffn);
    let high = Number(zigzag >> 32n);
    this.reserve(10);
    const bytes = this.bytes;
    let at = this.length;
    while (high !== 0 || low > 0x7f) {
      bytes[at++] = (low & 0x7f) | 0x80;
      low = ((low >>> 7) | (high << 25)) >>> 0;
      high >>>= 7;
    }
    bytes[at++] = low;
    this.length = at;
  }

  float(value: number): void {
    scratch.setFloat32(0, value, true);
    this.raw(scratchBytes, 0, 4);
  }

  double(value: number): void {
    scratch.setFloat64(0, value, true);
    this.raw(scratchBytes, 0, 8);
  }

  /** Length and content: a string's UTF-8 or bytes. */
  blob(source: Uint8Array, start: number, end: number): void {
    this.int(end - start);
    this.raw(source, start, end);
  }

  /** A JavaScript string as an Avro string; a lone surrogate becomes U+FFFD, so names and messages only. */
  text(value: string): void {
    const size = Buffer.byteLength(value);
    this.int(size);
    this.reserve(size);
    this.bytes.write(value, this.length, size, 'utf8');
    this.length += size;
  }

  /** Content without its length. */
  raw(source: Uint8Array, start: number, end: number): void {
    invariant(start >= 0 && start <= end && end <= source.length, 'bytes to copy lie within their buffer');
    const count = end - start;
    this.reserve(count);
    const bytes = this.bytes;
    if (count <= LOOP_COPY_BYTES) {
      let at = this.length;
      for (let from = start; from < end; from++) bytes[at++] = source[from] ?? 0;
    } else if (source instanceof Buffer) {
      source.copy(bytes, this.length, start, end);
    } else {
      bytes.set(source.subarray(start, end), this.length);
    }
    this.length += count;
  }

  /** A copy of what was written. */
  toBytes(): Uint8Array {
    const copy = Buffer.allocUnsafeSlow(this.length);
    this.bytes.copy(copy, 0, 0, this.length);
    return copy;
  }
}
