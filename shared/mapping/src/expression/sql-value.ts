import { compareDecimals, type Decimal, decimalOfInteger, formatDecimal } from '../exact-decimal.js';
import type { SqlValue } from './syntax.js';

/** What takes part in arithmetic. */
export type SqlNumber = bigint | number | Decimal;

const MAX_INTEGER = 2n ** 63n - 1n;
const MIN_INTEGER = -(2n ** 63n);

export function isDecimal(value: SqlValue): value is Decimal {
  return typeof value === 'object' && value !== null && !(value instanceof Uint8Array);
}

function isNumber(value: SqlValue): value is SqlNumber {
  return typeof value === 'bigint' || typeof value === 'number' || isDecimal(value);
}

/**
 * SQLite's order ("Sort Order" in Datatypes): NULL, then numbers, then text by its bytes, then blobs. Undefined where a side is
 * NULL, whose comparison is unknown.
 */
export function compareSql(a: SqlValue, b: SqlValue): number | undefined {
  return a === null || b === null ? undefined : compareValues(a, b);
}

export function compareValues(a: Exclude<SqlValue, null>, b: Exclude<SqlValue, null>): number {
  if (isNumber(a) && isNumber(b)) return compareNumbers(a, b);
  const rank = rankOf(a) - rankOf(b);
  return rank !== 0 ? rank : Buffer.compare(blobOf(a), blobOf(b));
}

function rankOf(value: Exclude<SqlValue, null>): number {
  if (isNumber(value)) return 0;
  return typeof value === 'string' ? 1 : 2;
}

function compareNumbers(a: SqlNumber, b: SqlNumber): number {
  // A bigint and a number compare by their exact mathematical values in JavaScript.
  if (!isDecimal(a) && !isDecimal(b)) return a < b ? -1 : a > b ? 1 : 0;
  if (typeof a === 'number' || typeof b === 'number') {
    // A decimal beside a REAL: 0.1 as a decimal is the 0.1 that somebody wrote as a literal.
    return compareNumbers(isDecimal(a) ? toReal(a) : a, isDecimal(b) ? toReal(b) : b);
  }
  return compareDecimals(toDecimal(a), toDecimal(b));
}

export function toDecimal(value: bigint | Decimal): Decimal {
  return typeof value === 'bigint' ? decimalOfInteger(value) : value;
}

export function toReal(value: SqlNumber): number {
  return isDecimal(value) ? Number(formatDecimal(value)) : Number(value);
}

/** An integer where it fits 64 bits, else REAL, as SQLite's arithmetic overflows. */
export function integerOrReal(value: bigint): bigint | number {
  return MIN_INTEGER <= value && value <= MAX_INTEGER ? value : Number(value);
}

/** SQLite has no NaN: it is NULL. */
export function realOrNull(value: number): number | null {
  return Number.isNaN(value) ? null : value;
}

const NUMERIC_PREFIX = /^[ \t\r\n\f\v]*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)/;
const INTEGER_TEXT = /^[+-]?\d+$/;

/** The operand of arithmetic: a text's longest numeric beginning, 0 where it has none. */
export function numberOf(value: Exclude<SqlValue, null>): SqlNumber {
  if (isNumber(value)) return value;
  const text = NUMERIC_PREFIX.exec(textOf(value))?.[1];
  return text === undefined ? 0n : numberOfText(text);
}

function numberOfText(text: string): bigint | number {
  return INTEGER_TEXT.test(text) ? integerOrReal(BigInt(text.replace(/^\+/, ''))) : Number(text);
}

/** A text that is a number as a whole, else the text: what a column of numeric affinity makes of it. */
export function withNumericAffinity(value: SqlValue): SqlValue {
  if (typeof value !== 'string') return value;
  const match = NUMERIC_PREFIX.exec(value);
  return match?.[1] !== undefined && value.trim() === match[1] ? numberOfText(match[1]) : value;
}

/** Towards zero, held within 64 bits, as CAST does. */
export function integerOf(value: Exclude<SqlValue, null>): bigint {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'string' || value instanceof Uint8Array) {
    const digits = /^[ \t\r\n\f\v]*([+-]?\d+)/.exec(textOf(value))?.[1];
    return digits === undefined ? 0n : clamp(BigInt(digits.replace(/^\+/, '')));
  }
  if (isDecimal(value)) return clamp(value.unscaled / 10n ** BigInt(value.scale));
  if (Number.isNaN(value)) return 0n;
  return Number.isFinite(value) ? clamp(BigInt(Math.trunc(value))) : value > 0 ? MAX_INTEGER : MIN_INTEGER;
}

function clamp(value: bigint): bigint {
  if (value > MAX_INTEGER) return MAX_INTEGER;
  return value < MIN_INTEGER ? MIN_INTEGER : value;
}

/** True, false, or null for unknown: a number other than 0 is true; a text counts by its numeric beginning. */
export function truthOf(value: SqlValue): boolean | null {
  if (value === null) return null;
  const number = numberOf(value);
  return isDecimal(number) ? number.unscaled !== 0n : Number(number) !== 0;
}

export function truthValue(truth: boolean | null): bigint | null {
  return truth === null ? null : truth ? 1n : 0n;
}

export function textOf(value: Exclude<SqlValue, null>): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'number') return realText(value);
  return value instanceof Uint8Array ? Buffer.from(value).toString('utf8') : formatDecimal(value);
}

/**
 * Shortest text that reads back as the same double, with `.0` on whole numbers as SQLite writes them. SQLite itself stops at 15
 * digits and so loses the last ones.
 */
function realText(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? 'Inf' : '-Inf';
  const [mantissa = '', exponent = '0'] = value.toExponential().split('e');
  if (Number(exponent) >= -4 && Number(exponent) < 15) return String(Object.is(value, -0) ? 0 : value).replace(/^-?\d+$/, '$&.0');
  const point = mantissa.includes('.') ? mantissa : `${mantissa}.0`;
  return `${point}e${exponent.replace(/^([+-])(\d)$/, '$10$2')}`;
}

export function blobOf(value: Exclude<SqlValue, null>): Uint8Array {
  return value instanceof Uint8Array ? value : Buffer.from(textOf(value), 'utf8');
}
