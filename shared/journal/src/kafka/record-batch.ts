import { Buffer } from 'node:buffer';
import { invariant } from '@millrace/errors/millrace-error.js';
import { crc32c } from '@node-rs/crc32';
import { compressFrame, compressFrameSync } from 'lz4-napi';

export interface OutgoingRecord {
  readonly value: Uint8Array;
  /** Texts; a header is rare, and short. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** What the broker knows a batch by, when the same one comes again (KIP-98). */
export interface BatchNumber {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly firstSequence: number;
}

/** Bytes before the records (Kafka's protocol guide, Record Batch). */
const HEADER_BYTES = 61;
/** Bytes before what the batch's length counts, and before what its checksum is over. */
const BEFORE_LENGTH_END = 12;
const BEFORE_CHECKSUM_END = 21;
const MAGIC = 2;
const LZ4 = 3;
const NO_LEADER_EPOCH = -1;
/** Most bytes around a record's value and headers: lengths and deltas of at most five bytes each. */
const RECORD_OVERHEAD = 32;
/** A larger room is given back after its batch. */
const KEPT_BYTES = 4 * 1024 * 1024;
/** From here on the pool of threads compresses; below, handing over costs more. */
const THREAD_FROM_BYTES = 64 * 1024;

/**
 * Writes record batches of format 2 with LZ4 frames (KIP-57), one at a time. kafkajs's own encoder copies a record ten times, each time
 * into fresh memory outside of the heap, and that memory makes V8 collect the whole heap again and again.
 */
export class RecordBatchEncoder {
  #room = Buffer.allocUnsafeSlow(THREAD_FROM_BYTES);
  #at = 0;

  /** The batch, `prefix` bytes into a buffer of its own, which the caller fills. */
  async encode(records: readonly OutgoingRecord[], number: BatchNumber, prefix: number): Promise<Buffer> {
    this.#reserve(records.reduce((sum, record) => sum + roomFor(record), 0));
    for (const [index, record] of records.entries()) this.#record(record, index);
    const plain = this.#room.subarray(0, this.#at);
    const frame = plain.length < THREAD_FROM_BYTES ? compressFrameSync(plain) : await compressFrame(plain);
    if (this.#room.length > KEPT_BYTES) this.#room = Buffer.allocUnsafeSlow(THREAD_FROM_BYTES);

    const out = Buffer.allocUnsafeSlow(prefix + HEADER_BYTES + frame.length);
    const batch = out.subarray(prefix);
    const now = BigInt(Date.now());
    batch.writeBigInt64BE(0n, 0);
    batch.writeInt32BE(batch.length - BEFORE_LENGTH_END, 8);
    batch.writeInt32BE(NO_LEADER_EPOCH, 12);
    batch.writeInt8(MAGIC, 16);
    batch.writeInt16BE(LZ4, 21);
    batch.writeInt32BE(records.length - 1, 23);
    batch.writeBigInt64BE(now, 27);
    batch.writeBigInt64BE(now, 35);
    batch.writeBigInt64BE(number.producerId, 43);
    batch.writeInt16BE(number.producerEpoch, 51);
    batch.writeInt32BE(number.firstSequence, 53);
    batch.writeInt32BE(records.length, 57);
    batch.set(frame, HEADER_BYTES);
    batch.writeUInt32BE(crc32c(batch.subarray(BEFORE_CHECKSUM_END)), 17);
    return out;
  }

  #reserve(bytes: number): void {
    this.#at = 0;
    if (bytes > this.#room.length) this.#room = Buffer.allocUnsafeSlow(bytes);
  }

  #record({ value, headers = {} }: OutgoingRecord, index: number): void {
    const texts = Object.entries(headers);
    const headerBytes = texts.reduce((sum, [name, text]) => sum + sizedLength(name) + sizedLength(text), 0);
    // Attributes and the timestamp's delta, both 0, and the absent key's length.
    const length = 3 + varintLength(index) + varintLength(value.length) + value.length + varintLength(texts.length) + headerBytes;
    this.#varint(length);
    this.#room[this.#at++] = 0;
    this.#room[this.#at++] = 0;
    this.#varint(index);
    this.#varint(-1);
    this.#varint(value.length);
    this.#room.set(value, this.#at);
    this.#at += value.length;
    this.#varint(texts.length);
    for (const [name, text] of texts) {
      this.#text(name);
      this.#text(text);
    }
    invariant(this.#at <= this.#room.length, 'the room holds the batch');
  }

  #text(text: string): void {
    this.#varint(Buffer.byteLength(text));
    this.#at += this.#room.write(text, this.#at);
  }

  /** Zigzag, seven bits a byte, least first. */
  #varint(value: number): void {
    let rest = ((value << 1) ^ (value >> 31)) >>> 0;
    while (rest > 0x7f) {
      this.#room[this.#at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#room[this.#at++] = rest;
  }
}

function roomFor({ value, headers = {} }: OutgoingRecord): number {
  const texts = Object.entries(headers).flat();
  return RECORD_OVERHEAD + value.length + texts.reduce((sum, text) => sum + sizedLength(text), 0);
}

function sizedLength(text: string): number {
  const bytes = Buffer.byteLength(text);
  return varintLength(bytes) + bytes;
}

function varintLength(value: number): number {
  const zigzag = ((value << 1) ^ (value >> 31)) >>> 0;
  return zigzag === 0 ? 1 : Math.ceil((32 - Math.clz32(zigzag)) / 7);
}
