import { Buffer, isUtf8 } from 'node:buffer';
import { MillraceError } from '@millrace/errors/millrace-error.js';

const scratch = new DataView(new ArrayBuffer(8));
const scratchBytes = new Uint8Array(scratch.buffer);

/**
 * Reads Avro's binary encoding from `bytes[position, end)`. Every read is checked against `end`; what does not fit throws
 * the error that `corrupt` makes, so damaged bytes never give a wrong value or an endless loop.
 */
export class ByteReader {
  /** Result of `long()`: the value's upper and lower 32 bits, as signed numbers. */
  high = 0;
  low = 0;
  /** Result of `blob()`: where the content of a string or of bytes lies in `bytes`. */
  blobStart = 0;
  blobEnd = 0;

  constructor(
    public bytes: Uint8Array,
    public position: number,
    public end: number,
    /** For messages: `journal offset 42`. */
    private readonly where: string,
  ) {}

  corrupt(what: string): MillraceError {
    return new MillraceError('JOURNAL_CORRUPT', { where: this.where, what: `${what} (byte ${this.position} of ${this.end})` });
  }

  byte(): number {
    const value = this.bytes[this.position];
    if (value === undefined || this.position >= this.end) throw this.corrupt('it ends too early');
    this.position++;
    return value;
  }

  boolean(): boolean {
    const value = this.byte();
    if (value > 1) throw this.corrupt('a boolean is neither 0 nor 1');
    return value === 1;
  }

  /** Branch of a union of null and one other type: true where the other follows. */
  optional(): boolean {
    const branch = this.byte();
    if (branch === 2) return true;
    if (branch === 0) return false;
    throw this.corrupt('an optional field is neither null nor there');
  }

  int(): number {
    const first = this.bytes[this.position];
    if (first !== undefined && first < 0x80 && this.position < this.end) {
      this.position++;
      return (first >>> 1) ^ -(first & 1);
    }
    this.long();
    if (this.high !== this.low >> 31) throw this.corrupt('a number exceeds 32 bits');
    return this.low;
  }

  /** Leaves the value in `high` and `low`: no bigint is made. */
  long(): void {
    let byte = this.byte();
    let low = byte & 0x7f;
    let middle = 0;
    let top = 0;
    for (let shift = 7; byte > 0x7f && shift < 28; shift += 7) {
      byte = this.byte();
      low |= (byte & 0x7f) << shift;
    }
    for (let shift = 0; byte > 0x7f && shift < 28; shift += 7) {
      byte = this.byte();
      middle |= (byte & 0x7f) << shift;
    }
    for (let shift = 0; byte > 0x7f && shift < 14; shift += 7) {
      byte = this.byte();
      top |= (byte & 0x7f) << shift;
    }
    if (byte > 0x7f || top > 0xff) throw this.corrupt('a number exceeds 64 bits');
    const lowWord = low | (middle << 28);
    const highWord = (middle >>> 4) | (top << 24);
    const sign = -(lowWord & 1);
    this.low = ((lowWord >>> 1) | (highWord << 31)) ^ sign;
    this.high = (highWord >>> 1) ^ sign;
  }

  bigint(): bigint {
    this.long();
    return this.high === this.low >> 31 ? BigInt(this.low) : (BigInt(this.high) << 32n) | BigInt(this.low >>> 0);
  }

  /** A long that a number holds exactly. */
  safeLong(): number {
    this.long();
    const value = this.high * 2 ** 32 + (this.low >>> 0);
    if (!Number.isSafeInteger(value)) throw this.corrupt('a number exceeds 53 bits');
    return value;
  }

  float(): number {
    this.fill(4);
    return scratch.getFloat32(0, true);
  }

  double(): number {
    this.fill(8);
    return scratch.getFloat64(0, true);
  }

  private fill(count: number): void {
    for (let index = 0; index < count; index++) scratchBytes[index] = this.byte();
  }

  /** A count that cannot exceed the bytes left, for items of at least one byte each. */
  count(): number {
    const count = this.int();
    if (count < 0 || count > this.end - this.position) throw this.corrupt('a length reaches beyond its end');
    return count;
  }

  /** Passes over a string or bytes, leaving its place in `blobStart` and `blobEnd`. */
  blob(): void {
    const count = this.count();
    this.blobStart = this.position;
    this.position += count;
    this.blobEnd = this.position;
  }

  /** A view of the bytes, not a copy. */
  blobView(): Uint8Array {
    this.blob();
    return this.bytes.subarray(this.blobStart, this.blobEnd);
  }

  text(): string {
    this.blob();
    return this.textOf(this.blobStart, this.blobEnd);
  }

  /** Invalid UTF-8 is refused, since decoding it would replace it silently. */
  textOf(start: number, end: number): string {
    const view = Buffer.from(this.bytes.buffer, this.bytes.byteOffset + start, end - start);
    if (!isUtf8(view)) throw this.corrupt('a text is not valid UTF-8');
    return view.toString('utf8');
  }

  /**
   * Count of the next block of an Avro array, 0 at its end. A negative count is followed by the block's size in bytes,
   * which only helps to skip (Avro specification, "Arrays").
   */
  arrayBlock(): number {
    const count = this.int();
    if (count >= 0) {
      if (count > this.end - this.position) throw this.corrupt('an array is longer than its bytes');
      return count;
    }
    this.count();
    if (-count > this.end - this.position) throw this.corrupt('an array is longer than its bytes');
    return -count;
  }

  expectEnd(): void {
    if (this.position !== this.end) throw this.corrupt('bytes follow its end');
  }
}
