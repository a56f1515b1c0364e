import { Buffer } from 'node:buffer';
import { crc32 } from 'node:zlib';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { ByteReader } from './byte-reader.js';
import { type ByteWriter, MAX_RECORD_BYTES } from './byte-writer.js';

/** Confluent's wire format: a zero byte and the registry id as big-endian int32, then the Avro body. */
export const FRAME_BYTES = 5;
const CHECKSUM_BYTES = 4;

/**
 * First field of the journal's and the load's records: the CRC-32 (IEEE), big-endian, of all bytes behind it. Kafka's clients do not
 * all verify the one of the record batch.
 */
export const CHECKSUM_TYPE = { type: 'fixed', name: 'Checksum', namespace: 'millrace', size: CHECKSUM_BYTES } as const;

export function startFrame(out: ByteWriter, registryId: number): void {
  out.byte(0);
  for (let shift = 24; shift >= 0; shift -= 8) out.byte((registryId >>> shift) & 0xff);
}

/** Leaves room for the checksum. */
export function startChecksummedFrame(out: ByteWriter, registryId: number): void {
  startFrame(out, registryId);
  for (let index = 0; index < CHECKSUM_BYTES; index++) out.byte(0);
}

/** Fills in the checksum of a complete record. */
export function sealChecksum(framed: Uint8Array): void {
  const body = framed.subarray(FRAME_BYTES + CHECKSUM_BYTES);
  new DataView(framed.buffer, framed.byteOffset).setUint32(FRAME_BYTES, crc32(body));
}

/**
 * The registry id of a record's schema.
 * @throws MillraceError RECORD_FOREIGN where it is not in Confluent framing.
 */
export function registryIdOf(framed: Uint8Array, where: string): number {
  if (framed.length < FRAME_BYTES || framed[0] !== 0) {
    throw new MillraceError('RECORD_FOREIGN', { where, what: 'it does not begin with a schema id' });
  }
  return Buffer.from(framed.buffer, framed.byteOffset, framed.length).readInt32BE(1);
}

/** A reader on the record's fields behind the frame. */
export function openFrame(framed: Uint8Array, where: string): ByteReader {
  if (framed.length > MAX_RECORD_BYTES) {
    throw new MillraceError('RECORD_TOO_LARGE', {
      what: `The record at ${where}`,
      bytes: framed.length,
      limit: MAX_RECORD_BYTES,
    });
  }
  return new ByteReader(framed, FRAME_BYTES, framed.length, where);
}

/** The same behind the checksum, once that is verified. */
export function openChecksummedFrame(framed: Uint8Array, where: string): ByteReader {
  const reader = openFrame(framed, where);
  const start = FRAME_BYTES + CHECKSUM_BYTES;
  if (framed.length < start) throw reader.corrupt('it ends too early');
  const stated = new DataView(framed.buffer, framed.byteOffset).getUint32(FRAME_BYTES);
  if (stated !== crc32(framed.subarray(start))) throw reader.corrupt('its checksum does not match');
  reader.position = start;
  return reader;
}
