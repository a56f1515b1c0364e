import type { Value } from '@millrace/contract/row.js';
import type { LogicalType } from '@millrace/contract/table.js';
import { formatDate, formatTime, NANOS_PER_DAY, parseDate, parseTimestamp, parseZonedTime } from '../civil-time.js';
import { decimalToInteger, formatDecimal, parseDecimal } from '../exact-decimal.js';
import { blobOf, isDecimal, textOf } from '../expression/sql-value.js';
import type { SqlValue } from '../expression/syntax.js';
import type { TargetType } from './target-type.js';

/** A value that is present: not null, not marked unchanged. */
export type PresentValue = Exclude<Value, null | symbol>;

/** What does not fit, without the value itself: it may be anybody's secret. */
export class ConversionError extends Error {
  override readonly name = 'ConversionError';
}

const TEXT: readonly LogicalType['kind'][] = ['text'];
const NUMBERS: readonly LogicalType['kind'][] = ['integer', 'decimal', 'float', 'text'];

/** To which kinds each kind of column can be changed. Every kind but bytes has a text form; bytes have no character set. */
const CONVERTIBLE: Readonly<Record<LogicalType['kind'], readonly LogicalType['kind'][]>> = {
  boolean: ['boolean', 'integer', 'decimal', 'text'],
  integer: [...NUMBERS, 'boolean'],
  float: NUMBERS,
  decimal: NUMBERS,
  text: ['text', 'integer', 'decimal', 'float', 'boolean', 'date', 'time', 'timestamp', 'bytes'],
  bytes: ['bytes'],
  date: ['date', 'timestamp', 'text'],
  time: ['time', 'text'],
  timestamp: ['timestamp', 'date', 'time', 'text'],
  interval: TEXT,
  uuid: TEXT,
  json: TEXT,
  enum: TEXT,
  array: TEXT,
  other: TEXT,
};

export function isConvertible(from: LogicalType, to: LogicalType): boolean {
  return CONVERTIBLE[from.kind].includes(to.kind);
}

/** A column's value as an expression sees it. PostgreSQL's special numbers, which no decimal holds, are floats. */
export function sqlValueOf(value: PresentValue, type: LogicalType): SqlValue {
  if (typeof value === 'boolean') return value ? 1n : 0n;
  if (type.kind === 'integer' && typeof value === 'number') return BigInt(value);
  if (type.kind === 'decimal' && typeof value === 'string') return parseDecimal(value) ?? Number(value);
  return value;
}

/** For change-data-type: a text is the database's own text of the value, not SQLite's. @throws ConversionError */
export function convertColumn(value: PresentValue, from: LogicalType, target: TargetType): Value {
  if (target.type.kind === 'text') return fitText(plainText(value), target.type.maxLength);
  return convertResult(sqlValueOf(value, from), target);
}

/** PostgreSQL's own text form. */
export function plainText(value: PresentValue): string {
  if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString('hex')}`;
  return String(value);
}

/** The value that `plainText` was made from. */
export function valueOfText(text: string, type: LogicalType): PresentValue {
  switch (type.kind) {
    case 'boolean':
      return text === 't' || text === 'true';
    case 'integer':
      return type.bits === 64 ? BigInt(text) : Number(text);
    case 'float':
      return Number(text);
    case 'bytes':
      return new Uint8Array(Buffer.from(text.slice(2), 'hex'));
    default:
      return text;
  }
}

/** The result of an expression, or a column's value, as a value of the target's type. @throws ConversionError */
export function convertResult(value: SqlValue, target: TargetType): Value {
  if (value === null) return null;
  const { type } = target;
  switch (type.kind) {
    case 'integer': {
      const integer = inRange(integerOf(value), target);
      return type.bits === 64 ? integer : Number(integer);
    }
    case 'decimal':
      return target.range === null ? decimalText(value) : inRange(integerOf(value), target).toString();
    case 'float': {
      const float = Number(numberText(value));
      return type.bits === 32 ? Math.fround(float) : float;
    }
    case 'boolean':
      return booleanOf(value);
    case 'text':
      return fitText(textOf(value), type.maxLength);
    case 'bytes':
      return new Uint8Array(blobOf(value));
    case 'date':
      return dateText(textOf(value));
    case 'time':
      return timeText(textOf(value));
    case 'timestamp':
      return timestampText(textOf(value));
    default:
      throw new ConversionError(`no value is made for columns of type ${type.kind}`);
  }
}

function integerOf(value: Exclude<SqlValue, null>): bigint {
  if (typeof value === 'bigint') return value;
  const decimal = isDecimal(value) ? value : parseDecimal(numberText(value));
  const integer = decimal === undefined ? undefined : decimalToInteger(decimal);
  if (integer === undefined) throw new ConversionError('it is not a whole number');
  return integer;
}

function inRange(integer: bigint, { range }: TargetType): bigint {
  if (range !== null && (integer < range[0] || integer > range[1]))
    throw new ConversionError(`it lies outside ${range[0]} to ${range[1]}`);
  return integer;
}

const SPECIAL_NUMBER = /^[ \t]*(?:nan|[+-]?inf(?:inity)?)[ \t]*$/i;

/** Text of a number, special ones in JavaScript's and PostgreSQL's words. */
function numberText(value: Exclude<SqlValue, null>): string {
  if (typeof value === 'number') return String(value);
  const text = textOf(value);
  if (parseDecimal(text) !== undefined) return text.trim();
  if (!SPECIAL_NUMBER.test(text)) throw new ConversionError('it is not a number');
  const word = text.trim().toLowerCase();
  if (word === 'nan') return 'NaN';
  return word.startsWith('-') ? '-Infinity' : 'Infinity';
}

function decimalText(value: Exclude<SqlValue, null>): string {
  const decimal = isDecimal(value) ? value : parseDecimal(numberText(value));
  return decimal === undefined ? numberText(value) : formatDecimal(decimal);
}

function booleanOf(value: Exclude<SqlValue, null>): boolean {
  const word = textOf(value).trim().toLowerCase();
  if (['1', 't', 'true', 'y', 'yes', 'on'].includes(word)) return true;
  if (['0', 'f', 'false', 'n', 'no', 'off'].includes(word)) return false;
  throw new ConversionError('it is neither true nor false');
}

function fitText(text: string, maxLength: number | null): string {
  if (maxLength !== null && text.length > maxLength && [...text].length > maxLength)
    throw new ConversionError(`it is longer than ${maxLength} characters`);
  return text;
}

const INFINITE = /^-?infinity$/;

/** DMS also writes dates as YYYY:MM:DD. */
function withDashes(text: string): string {
  return text.replace(/^(\d{4}):(\d{2}):(\d{2})/, '$1-$2-$3');
}

function dateText(text: string): string {
  if (INFINITE.test(text)) return text;
  const moment = parseTimestamp(withDashes(text));
  const days = moment === undefined ? parseDate(withDashes(text)) : Number((moment.nanos - modulo(moment.nanos)) / NANOS_PER_DAY);
  if (days === undefined) throw new ConversionError('it is not a date (YYYY-MM-DD)');
  return formatDate(days);
}

function timeText(text: string): string {
  const time = parseZonedTime(text);
  if (time !== undefined) return formatTime(time.nanos);
  const moment = parseTimestamp(withDashes(text));
  if (moment === undefined) throw new ConversionError('it is not a time (HH:MM:SS)');
  return formatTime(modulo(moment.nanos));
}

/** A moment with a zone becomes the same moment in UTC. */
function timestampText(text: string): string {
  if (INFINITE.test(text)) return text;
  const moment = parseTimestamp(withDashes(text));
  if (moment === undefined) throw new ConversionError('it is not a time (YYYY-MM-DD HH:MM:SS)');
  const nanos = moment.nanos - (moment.zone ?? 0n);
  const time = modulo(nanos);
  const date = formatDate(Number((nanos - time) / NANOS_PER_DAY));
  return date.endsWith(' BC') ? `${date.slice(0, -3)} ${formatTime(time)} BC` : `${date} ${formatTime(time)}`;
}

function modulo(nanos: bigint): bigint {
  return ((nanos % NANOS_PER_DAY) + NANOS_PER_DAY) % NANOS_PER_DAY;
}
