import { createHash, randomBytes } from 'node:crypto';
import { type Decimal, roundDecimal } from '../exact-decimal.js';
import { foldAscii } from './like.js';
import { blobOf, compareValues, integerOf, isDecimal, numberOf, textOf, toReal } from './sql-value.js';
import type { SqlValue } from './syntax.js';

/** What goes wrong with a row's values; the rule and table are added by the caller. */
export class EvaluationError extends Error {
  override readonly name = 'EvaluationError';
}

type Scalar = (first: Exclude<SqlValue, null>, ...rest: readonly Exclude<SqlValue, null>[]) => SqlValue;

/** Blobs of random or zero bytes, and texts that replace() makes, stay below PostgreSQL's limit of 1 GB by far. */
const MAX_BYTES = 64 * 1024 * 1024;

/** Functions that are NULL where any argument is. Semantics: SQLite's manual, "Built-In Scalar SQL Functions". */
export const STRICT_FUNCTIONS: ReadonlyMap<string, Scalar> = new Map<string, Scalar>([
  ['lower', (x) => foldAscii(textOf(x))],
  ['upper', (x) => textOf(x).replace(/[a-z]+/g, (letters) => letters.toUpperCase())],
  ['length', (x) => BigInt(x instanceof Uint8Array ? x.length : [...(textOf(x).split('\0')[0] ?? '')].length)],
  ['ltrim', (x, y = ' ') => trim(textOf(x), textOf(y), 'left')],
  ['rtrim', (x, y = ' ') => trim(textOf(x), textOf(y), 'right')],
  ['trim', (x, y = ' ') => trim(trim(textOf(x), textOf(y), 'left'), textOf(y), 'right')],
  ['replace', replace],
  ['replacechars', replaceCharacters],
  ['substr', substring],
  ['substring', substring],
  ['instr', position],
  ['randomblob', (n) => new Uint8Array(randomBytes(byteCount(n, 1)))],
  ['zeroblob', (n) => new Uint8Array(byteCount(n, 0))],
  ['abs', absolute],
  ['round', round],
  ['max', (...all) => all.reduce((best, one) => (compareValues(one, best) > 0 ? one : best))],
  ['min', (...all) => all.reduce((best, one) => (compareValues(one, best) < 0 ? one : best))],
  ['hash_sha256', (x) => sha256(blobOf(x))],
]);

/** Upper-case hexadecimal, as in DMS's example of the hashing mask. */
export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex').toUpperCase();
}

function trim(text: string, characters: string, side: 'left' | 'right'): string {
  const set = new Set(characters);
  const points = [...text];
  let start = 0;
  let end = points.length;
  if (side === 'left') while (start < end && set.has(points[start] ?? '')) start++;
  else while (end > start && set.has(points[end - 1] ?? '')) end--;
  return points.slice(start, end).join('');
}

function replace(x: Exclude<SqlValue, null>, y: Exclude<SqlValue, null> = '', z: Exclude<SqlValue, null> = ''): SqlValue {
  const [text, from, to] = [textOf(x), textOf(y), textOf(z)];
  if (from === '') return x;
  const parts = text.split(from);
  if (text.length + (parts.length - 1) * (to.length - from.length) > MAX_BYTES)
    throw new EvaluationError('replace() would make a text of more than 64 MB');
  return parts.join(to);
}

/** DMS's own: each character of Y becomes the one at its place in Z, or Z's first where Z is shorter; an empty Z removes it. */
function replaceCharacters(
  x: Exclude<SqlValue, null>,
  y: Exclude<SqlValue, null> = '',
  z: Exclude<SqlValue, null> = '',
): SqlValue {
  const from = [...textOf(y)];
  const to = [...textOf(z)];
  const table = new Map(from.map((character, index) => [character, to[index] ?? to[0] ?? '']));
  return [...textOf(x)].map((character) => table.get(character) ?? character).join('');
}

/** substrFunc of SQLite's func.c: a negative start counts from the end, a negative length takes what lies before. */
function substring(x: Exclude<SqlValue, null>, y: Exclude<SqlValue, null> = 1n, z?: Exclude<SqlValue, null>): SqlValue {
  const points = x instanceof Uint8Array ? x : [...textOf(x)];
  const size = points.length;
  let start = Number(integerOf(y));
  let count = z === undefined ? Number.POSITIVE_INFINITY : Number(integerOf(z));
  const backwards = count < 0;
  count = Math.abs(count);
  if (start < 0) {
    start += size;
    if (start < 0) {
      count = Math.max(0, count + start);
      start = 0;
    }
  } else if (start > 0) {
    start--;
  } else if (count > 0) {
    count--;
  }
  if (backwards) {
    start -= count;
    if (start < 0) {
      count += start;
      start = 0;
    }
  }
  const end = start + Math.max(0, count);
  return points instanceof Uint8Array ? points.slice(start, end) : points.slice(start, end).join('');
}

function position(x: Exclude<SqlValue, null>, y: Exclude<SqlValue, null> = ''): SqlValue {
  if (x instanceof Uint8Array && y instanceof Uint8Array) return BigInt(Buffer.from(x).indexOf(y) + 1);
  const [text, part] = [textOf(x), textOf(y)];
  const index = text.indexOf(part);
  return index < 0 ? 0n : BigInt([...text.slice(0, index)].length + 1);
}

function byteCount(n: Exclude<SqlValue, null>, least: number): number {
  const count = Math.max(least, Number(integerOf(n)));
  if (count > MAX_BYTES) throw new EvaluationError(`a blob of ${count} bytes is more than 64 MB`);
  return count;
}

function absolute(x: Exclude<SqlValue, null>): SqlValue {
  if (typeof x === 'bigint') {
    if (x === -(2n ** 63n)) throw new EvaluationError('abs() of the smallest 64-bit integer overflows');
    return x < 0n ? -x : x;
  }
  if (isDecimal(x)) return { unscaled: x.unscaled < 0n ? -x.unscaled : x.unscaled, scale: x.scale };
  return Math.abs(toReal(numberOf(x)));
}

/** Half away from zero. Of a decimal or an integer the result is exact (with `.0`, as SQLite's REAL shows it); of a REAL it is REAL. */
function round(x: Exclude<SqlValue, null>, y: Exclude<SqlValue, null> = 0n): SqlValue {
  const digits = Math.min(30, Math.max(0, Number(integerOf(y))));
  const number = numberOf(x);
  if (typeof number === 'number') return roundReal(number, digits);
  const rounded: Decimal = typeof number === 'bigint' ? { unscaled: number, scale: 0 } : roundDecimal(number, digits);
  return rounded.scale === 0 ? { unscaled: rounded.unscaled * 10n, scale: 1 } : rounded;
}

function roundReal(value: number, digits: number): number {
  if (!Number.isFinite(value) || Math.abs(value) >= 2 ** 52) return value;
  // toFixed rounds the double's exact value; a tie goes up, and the sign is put back after.
  return Math.sign(value) * Number(Math.abs(value).toFixed(digits));
}
