import { NotPostgresText } from './date-time-text.js';
import type { FieldWriter } from './field-writer.js';

const POSITIVE = 0x0000;
const NEGATIVE = 0x4000;
const NAN = 0xc000;
const INFINITY = 0xd000;
const MINUS_INFINITY = 0xf000;

/** PostgreSQL's limits (numeric.h): four decimal digits make one base-10000 digit. */
const MAX_INTEGER_DIGITS = 131_072;
const MAX_SCALE = 16_383;

/**
 * Writes a decimal's text as PostgreSQL's binary numeric (numeric_recv in numeric.c): int32 length, then ndigits, weight, sign,
 * scale and base-10000 digits, each int16. The scale is the text's own: `1.00` keeps its zeros.
 * @throws NotPostgresText where the text has another form, e.g. an exponent
 */
export function writeNumeric(source: Uint8Array, start: number, end: number, out: FieldWriter): void {
  let at = start;
  const first = source[at] ?? 0;
  const sign = first === 45 ? NEGATIVE : POSITIVE;
  if (first === 45) at++;
  const integerStart = at;
  at = passDigits(source, at, end);
  const integerEnd = at;
  let fractionStart = at;
  if (at < end && source[at] === 46) {
    fractionStart = at + 1;
    at = passDigits(source, fractionStart, end);
  }
  const integerDigits = integerEnd - integerStart;
  const scale = at - fractionStart;
  if (at !== end || integerDigits === 0) {
    writeSpecial(Buffer.from(source.buffer, source.byteOffset + start, end - start).toString('latin1'), out);
    return;
  }
  if (integerDigits > MAX_INTEGER_DIGITS || scale > MAX_SCALE) throw new NotPostgresText('a decimal has too many digits');

  const header = out.length;
  const groups = Math.ceil(integerDigits / 4) + Math.ceil(scale / 4);
  out.reserve(12 + groups * 2);
  out.length = header + 12;
  const firstDigit = out.length;
  // Zeros at either end are left out: the weight tells of the leading ones, the scale of the trailing ones.
  let weight = Math.ceil(integerDigits / 4) - 1;
  let lastNonZero = firstDigit;
  let from = integerStart;
  let to = integerEnd - Math.max(0, weight) * 4;
  while (from < at) {
    let digit = decimals(source, from, to);
    for (let missing = to - from; from >= fractionStart && missing < 4; missing++) digit *= 10;
    if (digit !== 0 || out.length > firstDigit) out.int16(digit);
    else weight--;
    if (digit !== 0) lastNonZero = out.length;
    from = to;
    if (from === integerEnd) from = fractionStart;
    to = from < integerEnd ? from + 4 : Math.min(from + 4, at);
  }
  out.length = lastNonZero;
  const digits = (lastNonZero - firstDigit) / 2;
  out.patchInt32(header, 8 + digits * 2);
  out.patchInt16(header + 4, digits);
  out.patchInt16(header + 6, digits === 0 ? 0 : weight);
  out.patchInt16(header + 8, digits === 0 ? POSITIVE : sign);
  out.patchInt16(header + 10, scale);
}

function passDigits(source: Uint8Array, start: number, end: number): number {
  let at = start;
  for (let character = source[at] ?? 0; at < end && character >= 48 && character <= 57; character = source[at] ?? 0) at++;
  return at;
}

function decimals(source: Uint8Array, start: number, end: number): number {
  let value = 0;
  for (let at = start; at < end; at++) value = value * 10 + (source[at] ?? 48) - 48;
  return value;
}

function writeSpecial(text: string, out: FieldWriter): void {
  const sign = text === 'NaN' ? NAN : text === 'Infinity' ? INFINITY : text === '-Infinity' ? MINUS_INFINITY : undefined;
  if (sign === undefined) throw new NotPostgresText('a decimal is not in plain digits');
  out.int32(8);
  out.int16(0);
  out.int16(0);
  out.int16(sign);
  out.int16(0);
}
