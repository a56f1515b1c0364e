import type { Buffer } from 'node:buffer';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { decimalText } from './decimal-text.js';
import { TYPE } from './event-types.js';

/** Type bytes of MySQL's binary JSON (json_binary.h). */
const JSON_TYPE = {
  smallObject: 0,
  largeObject: 1,
  smallArray: 2,
  largeArray: 3,
  literal: 4,
  int16: 5,
  uint16: 6,
  int32: 7,
  uint32: 8,
  int64: 9,
  uint64: 10,
  double: 11,
  string: 12,
  opaque: 15,
} as const;

const LITERALS = ['null', 'true', 'false'] as const;
/** The server refuses documents that are nested deeper (JSON_DOCUMENT_MAX_DEPTH). */
const MAX_DEPTH = 101;
/** Powers of ten that are written out rather than with an exponent (dtoa.c, MAX_DECPT_FOR_F_FORMAT). */
const MAX_PLAIN_EXPONENT = 15;

/** A JSON column's binary form `bytes[start, end)` as the text that the server prints in a SELECT. */
export function jsonText(bytes: Buffer, start: number, end: number): string {
  // An empty value stands for JSON null: what a column of an old row shows (json_binary.cc, parse_binary).
  if (start === end) return 'null';
  const parts: string[] = [];
  new JsonPrinter(bytes, end, parts).value(bytes.readUInt8(start), start + 1, 0);
  return parts.join('');
}

class JsonPrinter {
  constructor(
    private readonly bytes: Buffer,
    private readonly end: number,
    private readonly out: string[],
  ) {}

  value(type: number, at: number, depth: number): void {
    const { bytes, out } = this;
    if (at > this.end || depth > MAX_DEPTH) throw broken();
    switch (type) {
      case JSON_TYPE.smallObject:
      case JSON_TYPE.largeObject:
        this.#object(at, type === JSON_TYPE.largeObject, depth);
        return;
      case JSON_TYPE.smallArray:
      case JSON_TYPE.largeArray:
        this.#array(at, type === JSON_TYPE.largeArray, depth);
        return;
      case JSON_TYPE.literal:
        out.push(LITERALS[bytes.readUInt8(at)] ?? fail());
        return;
      case JSON_TYPE.int16:
        out.push(String(bytes.readInt16LE(at)));
        return;
      case JSON_TYPE.uint16:
        out.push(String(bytes.readUInt16LE(at)));
        return;
      case JSON_TYPE.int32:
        out.push(String(bytes.readInt32LE(at)));
        return;
      case JSON_TYPE.uint32:
        out.push(String(bytes.readUInt32LE(at)));
        return;
      case JSON_TYPE.int64:
        out.push(String(bytes.readBigInt64LE(at)));
        return;
      case JSON_TYPE.uint64:
        out.push(String(bytes.readBigUInt64LE(at)));
        return;
      case JSON_TYPE.double:
        out.push(doubleText(bytes.readDoubleLE(at)));
        return;
      case JSON_TYPE.string: {
        const [length, from] = this.#length(at);
        out.push(quoted(this.#text(from, length)));
        return;
      }
      case JSON_TYPE.opaque:
        this.#opaque(at);
        return;
      default:
        throw broken();
    }
  }

  /** Count, size in bytes; for each member its key's offset and length; for each its value; offsets count from the count. */
  #object(at: number, large: boolean, depth: number): void {
    const width = large ? 4 : 2;
    const count = this.#number(at, large);
    const keys = at + 2 * width;
    const values = keys + count * (width + 2);
    this.out.push('{');
    for (let index = 0; index < count; index++) {
      const key = keys + index * (width + 2);
      const name = this.#text(at + this.#number(key, large), this.bytes.readUInt16LE(key + width));
      this.out.push(index === 0 ? '' : ', ', quoted(name), ': ');
      this.#member(at, values + index * (1 + width), large, depth);
    }
    this.out.push('}');
  }

  #array(at: number, large: boolean, depth: number): void {
    const width = large ? 4 : 2;
    const count = this.#number(at, large);
    const values = at + 2 * width;
    this.out.push('[');
    for (let index = 0; index < count; index++) {
      if (index > 0) this.out.push(', ');
      this.#member(at, values + index * (1 + width), large, depth);
    }
    this.out.push(']');
  }

  /** A type byte and an offset, or the value itself where it fits in the offset's place. */
  #member(container: number, entry: number, large: boolean, depth: number): void {
    const type = this.bytes.readUInt8(entry);
    const inlined =
      type === JSON_TYPE.literal ||
      type === JSON_TYPE.int16 ||
      type === JSON_TYPE.uint16 ||
      (large && (type === JSON_TYPE.int32 || type === JSON_TYPE.uint32));
    this.value(type, inlined ? entry + 1 : container + this.#number(entry + 1, large), depth + 1);
  }

  /** A value of a type that JSON lacks: the column type's number, a length, and the type's own form. */
  #opaque(at: number): void {
    const type = this.bytes.readUInt8(at);
    const [length, from] = this.#length(at + 1);
    if (from + length > this.end) throw broken();
    switch (type) {
      case TYPE.newDecimal: {
        const decimal = { precision: this.bytes.readUInt8(from), scale: this.bytes.readUInt8(from + 1) };
        this.out.push(decimalText(this.bytes, from + 2, decimal));
        return;
      }
      case TYPE.date:
      case TYPE.datetime:
      case TYPE.timestamp:
      case TYPE.time:
        this.out.push(`"${temporalText(this.bytes.readBigInt64LE(from), type)}"`);
        return;
      default:
        this.out.push(`"base64:type${type}:${this.bytes.toString('base64', from, from + length)}"`);
    }
  }

  #number(at: number, large: boolean): number {
    return large ? this.bytes.readUInt32LE(at) : this.bytes.readUInt16LE(at);
  }

  /** A length in groups of seven bits, the lowest first, and where it ends. */
  #length(at: number): readonly [length: number, end: number] {
    let length = 0;
    for (let index = 0; index < 5; index++) {
      const byte = this.bytes.readUInt8(at + index);
      length += (byte & 0x7f) * 2 ** (7 * index);
      if (byte < 0x80) return [length, at + index + 1];
    }
    throw broken();
  }

  #text(from: number, length: number): string {
    if (from + length > this.end) throw broken();
    return this.bytes.toString('utf8', from, from + length);
  }
}

const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
};

function quoted(text: string): string {
  const escaped = text.replace(
    /["\\\u0000-\u001f]/g,
    (character) => SHORT_ESCAPES[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return `"${escaped}"`;
}

/** The fewest digits that read back as the same number; with an exponent where it would be long; `.0` marks a whole number as a double. */
export function doubleText(value: number): string {
  const sign = value < 0 || Object.is(value, -0) ? '-' : '';
  const [mantissa = '', exponent = '0'] = Math.abs(value).toExponential().split('e');
  const digits = mantissa.replace('.', '');
  const point = Number(exponent) + 1;
  const plain = sign + plainText(digits, point);
  const inRange = point >= 1 - MAX_PLAIN_EXPONENT && point <= MAX_PLAIN_EXPONENT;
  if (value !== 0 && !inRange && point !== digits.length - 1) {
    const fraction = digits.length > 1 ? `.${digits.slice(1)}` : '';
    return `${sign}${digits.slice(0, 1)}${fraction}e${point - 1}`;
  }
  return plain.includes('.') ? plain : `${plain}.0`;
}

function plainText(digits: string, point: number): string {
  if (point <= 0) return `0.${'0'.repeat(-point)}${digits}`;
  if (digits.length <= point) return digits + '0'.repeat(point - digits.length);
  return `${digits.slice(0, point)}.${digits.slice(point)}`;
}

/** 64 bits: the fraction in microseconds in the lowest 24, above them the parts; always printed with six digits (my_time.c). */
function temporalText(packed: bigint, type: number): string {
  const negative = packed < 0n;
  const magnitude = negative ? -packed : packed;
  const micros = two(Number(magnitude & 0xffffffn), 6);
  const parts = Number(magnitude >> 24n);
  const clock = `${two(Math.floor(parts / 64) % 64)}:${two(parts % 64)}.${micros}`;
  if (type === TYPE.time) return `${negative ? '-' : ''}${two(Math.floor(parts / 4_096) % 1_024)}:${clock}`;
  const days = Math.floor(parts / 131_072);
  const yearMonth = Math.floor(days / 32);
  const date = `${two(Math.floor(yearMonth / 13), 4)}-${two(yearMonth % 13)}-${two(days % 32)}`;
  return type === TYPE.date ? date : `${date} ${two(Math.floor(parts / 4_096) % 32)}:${clock}`;
}

function two(value: number, digits = 2): string {
  return String(value).padStart(digits, '0');
}

function fail(): never {
  throw broken();
}

function broken(): MillraceError {
  return new MillraceError('SOURCE_BINLOG_PROTOCOL', { what: 'a JSON value whose binary form is broken' });
}
