import type { ImageReader } from '@millrace/codec/image-reader.js';
import type { WireType } from '@millrace/codec/wire-type.js';
import { assertNever } from '@millrace/errors/millrace-error.js';
import { DateTimeText, NotPostgresText } from './date-time-text.js';
import type { FieldWriter } from './field-writer.js';
import { writeNumeric } from './numeric-text.js';
import type { TargetType } from './target-column.js';

/**
 * Reads one value from a row image, whose state was COLUMN.value, and writes it behind its length as an int32: the one form of COPY
 * BINARY, of array elements and of parameters.
 * @throws NotPostgresText where the value has no such form; the server then has to judge its text
 */
export type FieldEncoder = (reader: ImageReader, out: FieldWriter) => void;

/** Fixed oids of pg_catalog's types (pg_type.dat). */
export const OID = {
  bool: 16,
  bytea: 17,
  name: 19,
  int8: 20,
  int2: 21,
  int4: 23,
  text: 25,
  oid: 26,
  json: 114,
  float4: 700,
  float8: 701,
  bpchar: 1042,
  varchar: 1043,
  date: 1082,
  time: 1083,
  timestamp: 1114,
  timestamptz: 1184,
  timetz: 1266,
  numeric: 1700,
  uuid: 2950,
  jsonb: 3802,
} as const;

/** The encoder from a wire type into the binary form of a target type; undefined: the value goes as text. */
export function binaryEncoderOf(wire: WireType, type: TargetType): FieldEncoder | undefined {
  switch (wire) {
    case 'boolean':
      return type.oid === OID.bool ? encodeBoolean : undefined;
    case 'int':
      return INT_ENCODERS.get(type.oid);
    case 'long':
      return LONG_ENCODERS.get(type.oid);
    case 'float':
      return type.oid === OID.float4 ? encodeFloat : type.oid === OID.float8 ? encodeFloatAsDouble : undefined;
    case 'double':
      return type.oid === OID.float8 ? encodeDouble : undefined;
    case 'bytes':
      return type.oid === OID.bytea ? encodeBlob : undefined;
    case 'string':
      return isTextual(type) ? encodeBlob : STRING_ENCODERS.get(type.oid);
    default:
      return assertNever(wire);
  }
}

/** The encoder of a value's text form, for a parameter of type text that the statement casts. */
export function textEncoderOf(wire: WireType): FieldEncoder {
  switch (wire) {
    case 'string':
      return encodeBlob;
    case 'boolean':
      return (reader, out) => out.ascii(reader.boolean() ? 'true' : 'false');
    case 'int':
      return (reader, out) => out.ascii(String(reader.int()));
    case 'long':
      return (reader, out) => out.ascii(String(reader.bigint()));
    case 'float':
      return (reader, out) => out.ascii(floatText(reader.float()));
    case 'double':
      return (reader, out) => out.ascii(floatText(reader.double()));
    case 'bytes':
      return (reader, out) => out.ascii(`\\x${Buffer.from(reader.blobView()).toString('hex')}`);
    default:
      return assertNever(wire);
  }
}

/** A value's text form as PostgreSQL reads it. */
export function textOf(reader: ImageReader, wire: WireType): string {
  switch (wire) {
    case 'string':
      return reader.text();
    case 'boolean':
      return reader.boolean() ? 'true' : 'false';
    case 'int':
      return String(reader.int());
    case 'long':
      return String(reader.bigint());
    case 'float':
      return floatText(reader.float());
    case 'double':
      return floatText(reader.double());
    case 'bytes':
      return `\\x${Buffer.from(reader.blobView()).toString('hex')}`;
    default:
      return assertNever(wire);
  }
}

/** JavaScript's shortest text reads back to the same bits; of the zeros it would lose the sign. */
function floatText(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value);
}

/** Types whose binary form is their text. */
function isTextual(type: TargetType): boolean {
  if (type.kind === 'e') return true;
  if (TEXTUAL.has(type.oid)) return true;
  // citext comes with an extension, so its oid differs; its receive function is textrecv's (citext--1.4.sql).
  return type.name === 'citext' && type.kind === 'b';
}

const TEXTUAL = new Set<number>([OID.text, OID.varchar, OID.bpchar, OID.name, OID.json]);

const INT_ENCODERS = new Map<number, FieldEncoder>([
  [
    OID.int2,
    (reader, out) => {
      const value = reader.int();
      if ((value << 16) >> 16 !== value) throw new NotPostgresText('an integer exceeds 16 bits');
      out.int32(2);
      out.int16(value);
    },
  ],
  [
    OID.int4,
    (reader, out) => {
      out.int32(4);
      out.int32(reader.int());
    },
  ],
  [
    OID.int8,
    (reader, out) => {
      const value = reader.int();
      out.int32(8);
      out.int64(value >> 31, value);
    },
  ],
]);

const LONG_ENCODERS = new Map<number, FieldEncoder>([
  [
    OID.int8,
    (reader, out) => {
      reader.long();
      out.int32(8);
      out.int64(reader.high, reader.low);
    },
  ],
  [
    OID.int4,
    (reader, out) => {
      reader.long();
      if (reader.high !== reader.low >> 31) throw new NotPostgresText('an integer exceeds 32 bits');
      out.int32(4);
      out.int32(reader.low);
    },
  ],
  [
    OID.oid,
    (reader, out) => {
      reader.long();
      if (reader.high !== 0) throw new NotPostgresText('an oid exceeds 32 bits');
      out.int32(4);
      out.int32(reader.low);
    },
  ],
]);

function encodeBoolean(reader: ImageReader, out: FieldWriter): void {
  out.int32(1);
  out.byte(reader.boolean() ? 1 : 0);
}

function encodeFloat(reader: ImageReader, out: FieldWriter): void {
  out.int32(4);
  out.float(reader.float());
}

function encodeFloatAsDouble(reader: ImageReader, out: FieldWriter): void {
  out.int32(8);
  out.double(reader.float());
}

function encodeDouble(reader: ImageReader, out: FieldWriter): void {
  out.int32(8);
  out.double(reader.double());
}

function encodeBlob(reader: ImageReader, out: FieldWriter): void {
  reader.blob();
  out.blob(reader.bytes, reader.blobStart, reader.blobEnd);
}

const dateTime = new DateTimeText();
const DAY_MICROS = 86_400_000_000;
/** Up to so many days from 2000 a double holds the microseconds exactly. */
const SAFE_DAYS = 104_000;
/** 294277-01-01, where int64 microseconds end (END_TIMESTAMP of timestamp.h). */
const END_DAY = 106_751_983;

const STRING_ENCODERS = new Map<number, FieldEncoder>([
  [
    OID.numeric,
    (reader, out) => {
      reader.blob();
      writeNumeric(reader.bytes, reader.blobStart, reader.blobEnd, out);
    },
  ],
  [OID.uuid, encodeUuid],
  [
    OID.jsonb,
    (reader, out) => {
      reader.blob();
      // The version of the binary form stands before the text (jsonb_recv).
      out.prefixedBlob(1, reader.bytes, reader.blobStart, reader.blobEnd);
    },
  ],
  [
    OID.date,
    (reader, out) => {
      const infinity = openDateTime(reader);
      out.int32(4);
      if (infinity !== 0) {
        out.int32(infinity > 0 ? 0x7fff_ffff : -0x8000_0000);
        return;
      }
      dateTime.date();
      out.int32(dateTime.days);
    },
  ],
  [
    OID.time,
    (reader, out) => {
      openDateTime(reader);
      dateTime.time(false);
      out.int32(8);
      writeMicros(0, dateTime.micros, out);
    },
  ],
  [
    OID.timetz,
    (reader, out) => {
      openDateTime(reader);
      dateTime.time(true);
      out.int32(12);
      writeMicros(0, dateTime.micros, out);
      // PostgreSQL counts seconds west of UTC.
      out.int32(-dateTime.offset);
    },
  ],
  [OID.timestamp, (reader, out) => encodeTimestamp(reader, out, false)],
  [OID.timestamptz, (reader, out) => encodeTimestamp(reader, out, true)],
]);

function openDateTime(reader: ImageReader): -1 | 0 | 1 {
  reader.blob();
  dateTime.open(reader.bytes, reader.blobStart, reader.blobEnd);
  return dateTime.infinity();
}

function encodeTimestamp(reader: ImageReader, out: FieldWriter, withZone: boolean): void {
  const infinity = openDateTime(reader);
  if (infinity !== 0) {
    out.int32(8);
    if (infinity > 0) out.int64(0x7fff_ffff, -1);
    else out.int64(-0x8000_0000, 0);
    return;
  }
  dateTime.timestamp(withZone);
  if (dateTime.days >= END_DAY) throw new NotPostgresText('a timestamp lies beyond the year 294276');
  out.int32(8);
  writeMicros(dateTime.days, withZone ? dateTime.micros - dateTime.offset * 1_000_000 : dateTime.micros, out);
}

function writeMicros(days: number, micros: number, out: FieldWriter): void {
  if (days > SAFE_DAYS || days < -SAFE_DAYS) {
    out.bigint64(BigInt(days) * BigInt(DAY_MICROS) + BigInt(micros));
    return;
  }
  const total = days * DAY_MICROS + micros;
  const high = Math.floor(total / 2 ** 32);
  out.int64(high, total - high * 2 ** 32);
}

const HYPHENS = new Set([8, 13, 18, 23]);

function encodeUuid(reader: ImageReader, out: FieldWriter): void {
  reader.blob();
  const { bytes, blobStart, blobEnd } = reader;
  if (blobEnd - blobStart !== 36) throw new NotPostgresText('a uuid has 36 characters');
  out.int32(16);
  let high = -1;
  for (let index = 0; index < 36; index++) {
    const character = bytes[blobStart + index] ?? 0;
    if (HYPHENS.has(index)) {
      if (character !== 45) throw new NotPostgresText('a uuid has hyphens in their places');
      continue;
    }
    const digit = hexDigit(character);
    if (high === -1) {
      high = digit;
    } else {
      out.byte(high * 16 + digit);
      high = -1;
    }
  }
}

function hexDigit(character: number): number {
  if (character >= 48 && character <= 57) return character - 48;
  if (character >= 97 && character <= 102) return character - 87;
  if (character >= 65 && character <= 70) return character - 55;
  throw new NotPostgresText('a uuid is in hexadecimal digits');
}
