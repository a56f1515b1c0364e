/** Days, seconds and their parts in the proleptic Gregorian calendar, exact for any year; no Date, whose range ends in 275760. */

export const NANOS_PER_DAY = 86_400_000_000_000n;
const NANOS_PER_SECOND = 1_000_000_000n;

export interface CivilDate {
  /** Astronomical: 0 is 1 BC. */
  readonly year: number;
  readonly month: number;
  readonly day: number;
}

/** Days since 1970-01-01 (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms"); days beyond the month's end run on. */
export function daysOf({ year, month, day }: CivilDate): number {
  const shifted = month <= 2 ? year - 1 : year;
  const era = Math.floor(shifted / 400);
  const yearOfEra = shifted - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  return era * 146_097 + yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear - 719_468;
}

export function dateOf(days: number): CivilDate {
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1,
  };
}

const DATE = /^(\d{1,7})-(\d{1,2})-(\d{1,2})$/;
const TIME = /^(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?$/;
const ZONE = /^([+-])(\d{1,2})(?::?(\d{2}))?(?::?(\d{2}))?$/;

/** Days since 1970-01-01 of `2024-02-29` or, with `BC`, of a year before our era; undefined where it is no date. */
export function parseDate(text: string): number | undefined {
  const before = /^(.*) BC$/.exec(text);
  const match = DATE.exec(before?.[1] ?? text);
  if (match === null) return undefined;
  const written = Number(match[1]);
  const date = { year: before === null ? written : 1 - written, month: Number(match[2]), day: Number(match[3]) };
  if (written === 0 || date.month < 1 || date.month > 12 || date.day < 1) return undefined;
  const days = daysOf(date);
  return dateOf(days).day === date.day ? days : undefined;
}

/** Nanoseconds since midnight of `10:30`, `10:30:00.25`, up to and with `24:00:00`. */
export function parseTime(text: string): bigint | undefined {
  const match = TIME.exec(text);
  if (match === null) return undefined;
  const [hour, minute, second] = [Number(match[1]), Number(match[2]), Number(match[3] ?? '0')];
  if (minute > 59 || second > 60) return undefined;
  const nanos = BigInt((hour * 60 + minute) * 60 + second) * NANOS_PER_SECOND + BigInt((match[4] ?? '').padEnd(9, '0'));
  return nanos <= NANOS_PER_DAY ? nanos : undefined;
}

/** Nanoseconds east of Greenwich of `+02`, `-03:30`, `Z`, `UTC`. */
export function parseZone(text: string): bigint | undefined {
  if (text === 'Z' || text === 'UTC') return 0n;
  const match = ZONE.exec(text);
  if (match === null) return undefined;
  const seconds = BigInt((Number(match[2]) * 60 + Number(match[3] ?? '0')) * 60 + Number(match[4] ?? '0')) * NANOS_PER_SECOND;
  return match[1] === '-' ? -seconds : seconds;
}

export interface ZonedTime {
  readonly nanos: bigint;
  /** Null: the text has no zone. */
  readonly zone: bigint | null;
}

/** `10:30:00+02` in its two parts. */
export function parseZonedTime(text: string): ZonedTime | undefined {
  const match = /^([\d:.]+) ?([+-].*|Z|UTC)?$/.exec(text);
  const nanos = parseTime(match?.[1] ?? '');
  const zone = match?.[2] === undefined ? null : parseZone(match[2]);
  return nanos === undefined || zone === undefined ? undefined : { nanos, zone };
}

/** `2024-02-29 10:30:00.25+02`, `2024-02-29T10:30:00Z`, `0044-03-15 12:00:00 BC`, a date alone: nanoseconds since 1970, not yet shifted by the zone. */
export function parseTimestamp(text: string): ZonedTime | undefined {
  const match = /^([\d-]+)(?:[ T]([\d:.]+) ?([+-][\d:]+|Z|UTC)?)?( BC)?$/.exec(text);
  if (match === null) return undefined;
  const days = parseDate(`${match[1]}${match[4] ?? ''}`);
  const time = parseTime(match[2] ?? '00:00:00');
  const zone = match[3] === undefined ? null : parseZone(match[3]);
  if (days === undefined || time === undefined || zone === undefined) return undefined;
  return { nanos: BigInt(days) * NANOS_PER_DAY + time, zone };
}

/** PostgreSQL's ISO text of a date. */
export function formatDate(days: number): string {
  const { year, month, day } = dateOf(days);
  const written = year > 0 ? year : 1 - year;
  const text = `${String(written).padStart(4, '0')}-${String(month).padStart(2, '0')}-${String(day).padStart(2, '0')}`;
  return year > 0 ? text : `${text} BC`;
}

/** `HH:MM:SS`, with the fraction's digits up to its last that is not 0. */
export function formatTime(nanos: bigint): string {
  const seconds = Number(nanos / NANOS_PER_SECOND);
  const fraction = String(nanos % NANOS_PER_SECOND)
    .padStart(9, '0')
    .replace(/0+$/, '');
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60].map((part) =>
    String(part).padStart(2, '0'),
  );
  return `${parts.join(':')}${fraction === '' ? '' : `.${fraction}`}`;
}

/** Microseconds since 1970 as `YYYY-MM-DD HH:MM:SS.ffffff`, in UTC. */
export function formatMicros(micros: bigint): string {
  const microsPerDay = NANOS_PER_DAY / 1000n;
  const time = ((micros % microsPerDay) + microsPerDay) % microsPerDay;
  const date = formatDate(Number((micros - time) / microsPerDay));
  const [clock = '', fraction = ''] = formatTime(time * 1000n).split('.');
  return `${date} ${clock}.${fraction.padEnd(6, '0')}`;
}
