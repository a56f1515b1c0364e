import type { Value } from '@millrace/contract/row.js';
import type { LogicalType } from '@millrace/contract/table.js';
import { parseDate, parseTimestamp, parseZonedTime, type ZonedTime } from '../civil-time.js';
import { compareDecimals, parseDecimal } from '../exact-decimal.js';

/** Compares a column's value, never null, with the operand: negative, zero, positive. */
export type Comparison = (value: Exclude<Value, null | symbol>) => number;

/** Why a column and an operand cannot be compared, or why a value does not read as its column's type. */
export class ComparisonError extends Error {
  override readonly name = 'ComparisonError';
}

/**
 * Comparison with an operand, by the column's logical type, as PostgreSQL's own operators order it (manual, chapter "Data
 * Types"): exact numbers, NaN above all and equal to itself, instants for times with a zone, labels in their order; text by
 * its bytes, which is the one order that does not depend on a collation's version.
 * @throws ComparisonError
 */
export function comparisonWith(type: LogicalType, operand: string): Comparison {
  switch (type.kind) {
    case 'boolean':
      return by(booleanOf, operand, 'is neither true nor false', compareOrdered);
    case 'integer':
      return by((value) => integerOf(value, type.bits), operand, `is no ${type.bits}-bit integer`, compareOrdered);
    case 'float':
      return by((value) => floatOf(value, type.bits), operand, 'is no number', compareFloats);
    case 'decimal':
      return by(numericOf, operand, 'is no number', compareNumerics);
    case 'text':
      return by((value) => textBytes(value, type.padded), operand, 'is no text', Buffer.compare);
    case 'bytes':
      return by(bytesOf, operand, 'is no \\x… hexadecimal text', Buffer.compare);
    case 'date':
      return by(dateOrder, operand, 'is no date (YYYY-MM-DD)', compareOrdered);
    case 'time':
      return by(
        (value) => timeOrder(value, type.withZone),
        operand,
        type.withZone ? 'is no time with a zone (HH:MM:SS+00)' : 'is no time (HH:MM:SS)',
        comparePairs,
      );
    case 'timestamp':
      return by(
        (value) => timestampOrder(value, type.withZone),
        operand,
        type.withZone
          ? 'is no time (YYYY-MM-DD HH:MM:SS, with a zone or in UTC)'
          : 'is no time (YYYY-MM-DD HH:MM:SS, without a zone)',
        compareOrdered,
      );
    case 'uuid':
      return by(uuidOf, operand, 'is no UUID', compareOrdered);
    case 'enum':
      return by((value) => labelIndex(value, type.labels), operand, `is none of ${type.labels.join(', ')}`, compareOrdered);
    case 'interval':
    case 'json':
    case 'array':
    case 'other':
      throw new ComparisonError(
        `columns of type ${type.kind} have no order that a filter can use; only "null" and "notnull" apply`,
      );
  }
}

function by<T>(
  read: (value: Exclude<Value, null | symbol>) => T | undefined,
  operand: string,
  problem: string,
  compare: (a: T, b: T) => number,
): Comparison {
  const right = read(operand);
  if (right === undefined) throw new ComparisonError(`"${operand}" ${problem}`);
  return (value) => {
    const left = read(value);
    if (left === undefined) throw new ComparisonError(`a value ${problem}`);
    return compare(left, right);
  };
}

function compareOrdered<T extends number | bigint | string | boolean>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

type Input = Exclude<Value, null | symbol>;

function booleanOf(value: Input): boolean | undefined {
  if (typeof value === 'boolean') return value;
  // What PostgreSQL reads as a boolean (manual, "Boolean Type").
  if (typeof value !== 'string') return undefined;
  const word = value.trim().toLowerCase();
  if (['true', 't', 'yes', 'y', 'on', '1'].includes(word)) return true;
  return ['false', 'f', 'no', 'n', 'off', '0'].includes(word) ? false : undefined;
}

function integerOf(value: Input, bits: number): bigint | undefined {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'number') return Number.isInteger(value) ? BigInt(value) : undefined;
  if (typeof value !== 'string' || !/^ *[+-]?\d{1,30} *$/.test(value)) return undefined;
  const integer = BigInt(value.trim().replace(/^\+/, ''));
  return BigInt.asIntN(bits, integer) === integer ? integer : undefined;
}

function floatOf(value: Input, bits: number): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value !== 'string') return undefined;
  const special = specialNumber(value);
  if (special !== undefined) return special;
  if (parseDecimal(value) === undefined) return undefined;
  return bits === 32 ? Math.fround(Number(value)) : Number(value);
}

function specialNumber(text: string): number | undefined {
  const word = text.trim().toLowerCase();
  if (word === 'nan') return Number.NaN;
  const match = /^([+-]?)inf(?:inity)?$/.exec(word);
  if (match === null) return undefined;
  return match[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}

function compareFloats(a: number, b: number): number {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
  return compareOrdered(a, b);
}

type Numeric =
  | { readonly special: number }
  | { readonly special: null; readonly decimal: NonNullable<ReturnType<typeof parseDecimal>> };

function numericOf(value: Input): Numeric | undefined {
  if (typeof value !== 'string') return undefined;
  const special = specialNumber(value);
  if (special !== undefined) return { special };
  const decimal = parseDecimal(value);
  return decimal === undefined ? undefined : { special: null, decimal };
}

function compareNumerics(a: Numeric, b: Numeric): number {
  if (a.special === null && b.special === null) return compareDecimals(a.decimal, b.decimal);
  // Every plain number lies between the infinities, as 0 does.
  return compareFloats(a.special ?? 0, b.special ?? 0);
}

/** Blanks at the end of `char(n)` carry no meaning (manual, "Character Types"). */
function textBytes(value: Input, padded: boolean): Buffer | undefined {
  if (typeof value !== 'string') return undefined;
  return Buffer.from(padded ? value.replace(/ +$/, '') : value, 'utf8');
}

function bytesOf(value: Input): Uint8Array | undefined {
  if (value instanceof Uint8Array) return value;
  if (typeof value !== 'string' || !/^\\x(?:[0-9a-fA-F]{2})*$/.test(value)) return undefined;
  return Buffer.from(value.slice(2), 'hex');
}

function dateOrder(value: Input): number | undefined {
  return typeof value === 'string' ? (specialDate(value) ?? parseDate(value)) : undefined;
}

function specialDate(text: string): number | undefined {
  if (text === 'infinity') return Number.POSITIVE_INFINITY;
  return text === '-infinity' ? Number.NEGATIVE_INFINITY : undefined;
}

function timestampOrder(value: Input, withZone: boolean): bigint | number | undefined {
  if (typeof value !== 'string') return undefined;
  const special = specialDate(value);
  if (special !== undefined) return special;
  const time = parseTimestamp(value);
  if (time === undefined || (!withZone && time.zone !== null)) return undefined;
  return time.nanos - (time.zone ?? 0n);
}

function timeOrder(value: Input, withZone: boolean): readonly [bigint, bigint] | undefined {
  const time: ZonedTime | undefined = typeof value === 'string' ? parseZonedTime(value) : undefined;
  if (time === undefined || withZone !== (time.zone !== null)) return undefined;
  // timetz orders by the instant, then by the zone, the more western one higher (timetz_cmp_internal in date.c).
  return [time.nanos - (time.zone ?? 0n), -(time.zone ?? 0n)];
}

function comparePairs(a: readonly [bigint, bigint], b: readonly [bigint, bigint]): number {
  return compareOrdered(a[0], b[0]) || compareOrdered(a[1], b[1]);
}

function uuidOf(value: Input): string | undefined {
  if (typeof value !== 'string') return undefined;
  const digits = value
    .replace(/^\{(.*)\}$/, '$1')
    .replaceAll('-', '')
    .toLowerCase();
  return /^[0-9a-f]{32}$/.test(digits) ? digits : undefined;
}

function labelIndex(value: Input, labels: readonly string[]): number | undefined {
  const index = typeof value === 'string' ? labels.indexOf(value) : -1;
  return index < 0 ? undefined : index;
}
