import { Buffer } from 'node:buffer';

/** Bytes that 0 to 9 digits take (MySQL's decimal.c). */
const BYTES_OF_DIGITS = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4] as const;

/** Bytes of a DECIMAL(precision, scale) in a row. */
export function decimalBytes(precision: number, scale: number): number {
  const whole = precision - scale;
  return (
    Math.floor(whole / 9) * 4 + (BYTES_OF_DIGITS[whole % 9] ?? 0) + Math.floor(scale / 9) * 4 + (BYTES_OF_DIGITS[scale % 9] ?? 0)
  );
}

/**
 * Writes a DECIMAL's text as the server prints it and returns its end. The form: groups of nine digits in four bytes, the odd digits
 * outermost, big-endian; the first bit is set for values that are not negative, all bits are inverted for those that are.
 * `out` has room for precision + 3 bytes.
 */
export function writeDecimal(
  bytes: Buffer,
  start: number,
  { precision, scale }: { readonly precision: number; readonly scale: number },
  out: Buffer,
): number {
  const whole = precision - scale;
  const negative = ((bytes[start] ?? 0) & 0x80) === 0;
  const mask = negative ? 0xff : 0;
  let position = start;
  let first = 0x80;
  const group = (digits: number): number => {
    let value = 0;
    for (let count = BYTES_OF_DIGITS[digits] ?? 0; count > 0; count--) {
      value = value * 256 + (((bytes[position++] ?? 0) ^ mask ^ first) & 0xff);
      first = 0;
    }
    return value;
  };
  let end = 0;
  let significant = false;
  if (negative) out[end++] = 0x2d;
  const put = (value: number, digits: number): void => {
    for (let power = 10 ** (digits - 1); power >= 1; power = Math.floor(power / 10)) {
      const digit = Math.floor(value / power) % 10;
      significant ||= digit !== 0;
      if (significant) out[end++] = 0x30 + digit;
    }
  };
  if (whole % 9 > 0) put(group(whole % 9), whole % 9);
  for (let left = Math.floor(whole / 9); left > 0; left--) put(group(9), 9);
  if (!significant) out[end++] = 0x30;
  if (scale > 0) {
    out[end++] = 0x2e;
    significant = true;
    for (let left = Math.floor(scale / 9); left > 0; left--) put(group(9), 9);
    if (scale % 9 > 0) put(group(scale % 9), scale % 9);
  }
  return end;
}

/** For values outside of rows (JSON): the text as a string. */
export function decimalText(bytes: Buffer, start: number, type: { readonly precision: number; readonly scale: number }): string {
  const out = Buffer.allocUnsafe(type.precision + 3);
  return out.toString('latin1', 0, writeDecimal(bytes, start, type, out));
}
