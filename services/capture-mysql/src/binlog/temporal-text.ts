import type { Buffer } from 'node:buffer';

/** Bytes of a fraction of so many digits. */
export function fractionBytes(digits: number): number {
  return (digits + 1) >> 1;
}

/** Two digits per byte, big-endian: the fraction as a number of its stored digits (odd counts are stored with one more). */
function readFraction(bytes: Buffer, start: number, digits: number): number {
  let value = 0;
  for (let index = 0; index < fractionBytes(digits); index++) value = value * 256 + (bytes[start + index] ?? 0);
  return digits % 2 === 1 ? Math.floor(value / 10) : value;
}

/** Writes `value` with exactly `digits` digits. */
export function putDigits(out: Buffer, at: number, value: number, digits: number): number {
  let rest = value;
  for (let index = at + digits - 1; index >= at; index--) {
    out[index] = 0x30 + (rest % 10);
    rest = Math.floor(rest / 10);
  }
  return at + digits;
}

function putFraction(out: Buffer, at: number, value: number, digits: number): number {
  if (digits === 0) return at;
  out[at] = 0x2e;
  return putDigits(out, at + 1, value, digits);
}

function putDate(out: Buffer, at: number, year: number, month: number, day: number): number {
  let end = putDigits(out, at, year, 4);
  out[end++] = 0x2d;
  end = putDigits(out, end, month, 2);
  out[end++] = 0x2d;
  return putDigits(out, end, day, 2);
}

function putClock(out: Buffer, at: number, minute: number, second: number): number {
  let end = at;
  out[end++] = 0x3a;
  end = putDigits(out, end, minute, 2);
  out[end++] = 0x3a;
  return putDigits(out, end, second, 2);
}

/** DATE: three bytes, day 5 bits, month 4 bits, year 15 bits. */
export function writeDate(bytes: Buffer, start: number, out: Buffer): number {
  const packed = bytes.readUIntLE(start, 3);
  return putDate(out, 0, packed >> 9, (packed >> 5) & 0xf, packed & 0x1f);
}

/** DATETIME(n): five bytes big-endian: sign, 17 bits year * 13 + month, day 5, hour 5, minute 6, second 6; then the fraction. */
export function writeDatetime(bytes: Buffer, start: number, digits: number, out: Buffer): number {
  const high = bytes.readUInt32BE(start);
  const low = bytes.readUInt8(start + 4);
  const yearMonth = (high >>> 14) & 0x1ffff;
  const day = (high >>> 9) & 0x1f;
  const hour = (high >>> 4) & 0x1f;
  const minute = ((high & 0xf) << 2) | (low >> 6);
  const second = low & 0x3f;
  let end = putDate(out, 0, Math.floor(yearMonth / 13), yearMonth % 13, day);
  out[end++] = 0x20;
  end = putClock(out, putDigits(out, end, hour, 2), minute, second);
  return putFraction(out, end, readFraction(bytes, start + 5, digits), digits);
}

/** TIMESTAMP(n): seconds since 1970 in four bytes big-endian, then the fraction; 0 is the zero date. UTC, with `+00` behind. */
export function writeTimestamp(bytes: Buffer, start: number, digits: number, out: Buffer): number {
  const seconds = bytes.readUInt32BE(start);
  const fraction = readFraction(bytes, start + 4, digits);
  let end: number;
  if (seconds === 0 && fraction === 0) {
    end = putDate(out, 0, 0, 0, 0);
    out[end++] = 0x20;
    end = putClock(out, putDigits(out, end, 0, 2), 0, 0);
  } else {
    const [year, month, day] = civilDate(Math.floor(seconds / 86_400));
    const ofDay = seconds % 86_400;
    end = putDate(out, 0, year, month, day);
    out[end++] = 0x20;
    end = putClock(out, putDigits(out, end, Math.floor(ofDay / 3_600), 2), Math.floor(ofDay / 60) % 60, ofDay % 60);
  }
  end = putFraction(out, end, fraction, digits);
  out[end++] = 0x2b;
  out[end++] = 0x30;
  out[end++] = 0x30;
  return end;
}

/** TIME(n): three bytes big-endian with 0x800000 added and the fraction behind; negative ones as a whole below that. */
export function writeTime(bytes: Buffer, start: number, digits: number, out: Buffer): number {
  const width = fractionBytes(digits);
  const unit = 256 ** width;
  const packed = bytes.readUIntBE(start, 3 + width) - 0x800000 * unit;
  const magnitude = Math.abs(packed);
  const whole = Math.floor(magnitude / unit);
  const stored = magnitude % unit;
  const fraction = digits % 2 === 1 ? Math.floor(stored / 10) : stored;
  let end = 0;
  if (packed < 0) out[end++] = 0x2d;
  const hour = (whole >> 12) & 0x3ff;
  end = putDigits(out, end, hour, hour > 99 ? 3 : 2);
  end = putClock(out, end, (whole >> 6) & 0x3f, whole & 0x3f);
  return putFraction(out, end, fraction, digits);
}

/** Year, month and day of the proleptic Gregorian calendar, from days since 1970-01-01 that are not negative. */
function civilDate(days: number): readonly [number, number, number] {
  // Days since 0000-03-01: years begin in March, so that the leap day is a year's last.
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const ofEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (ofEra - Math.floor(ofEra / 1_460) + Math.floor(ofEra / 36_524) - Math.floor(ofEra / 146_096)) / 365,
  );
  const ofYear = ofEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shiftedMonth = Math.floor((5 * ofYear + 2) / 153);
  const day = ofYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1;
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  return [yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day];
}
