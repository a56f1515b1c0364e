import type { Buffer } from 'node:buffer';
import { MillraceError } from '@millrace/errors/millrace-error.js';

/** Reads fields of one event in order, within its bounds. All numbers of the binary log are little-endian. */
export class EventReader {
  constructor(
    readonly bytes: Buffer,
    public position: number,
    readonly end: number,
  ) {}

  get left(): number {
    return this.end - this.position;
  }

  uint8(): number {
    return this.bytes.readUInt8(this.#skip(1));
  }

  uint16(): number {
    return this.bytes.readUInt16LE(this.#skip(2));
  }

  uint32(): number {
    return this.bytes.readUInt32LE(this.#skip(4));
  }

  uint48(): number {
    return this.bytes.readUIntLE(this.#skip(6), 6);
  }

  uint64(): bigint {
    return this.bytes.readBigUInt64LE(this.#skip(8));
  }

  /** 7 bytes, as the GTID event holds its times. */
  uint56(): bigint {
    const at = this.#skip(7);
    return BigInt(this.bytes.readUIntLE(at, 6)) | (BigInt(this.bytes.readUInt8(at + 6)) << 48n);
  }

  /** A length-encoded integer (MySQL internals manual, "Length-Encoded Integer"). */
  packed(): number {
    const first = this.uint8();
    if (first < 0xfb) return first;
    if (first === 0xfc) return this.uint16();
    if (first === 0xfd) return this.bytes.readUIntLE(this.#skip(3), 3);
    if (first === 0xfe) return Number(this.uint64());
    throw torn();
  }

  /** The next `length` bytes, not copied. */
  slice(length: number): Buffer {
    const at = this.#skip(length);
    return this.bytes.subarray(at, at + length);
  }

  text(length: number): string {
    const at = this.#skip(length);
    return this.bytes.toString('utf8', at, at + length);
  }

  skip(length: number): void {
    this.#skip(length);
  }

  #skip(length: number): number {
    const at = this.position;
    if (length < 0 || at + length > this.end) throw torn();
    this.position = at + length;
    return at;
  }
}

function torn(): MillraceError {
  return new MillraceError('SOURCE_BINLOG_PROTOCOL', { what: 'an event that is shorter than its fields' });
}
