import { dateOf, daysOf } from '../civil-time.js';
import { EvaluationError } from './scalar-functions.js';
import type { SqlNumber } from './sql-value.js';
import { textOf, toReal } from './sql-value.js';
import type { SqlValue } from './syntax.js';

/**
 * SQLite's date and time functions ("Date And Time Functions"), in UTC. Time is counted in milliseconds, as SQLite does; a text
 * that is no time, or a modifier that is none, gives NULL. 'now' is the change's commit time, or the load's time: the clock of the machine
 * would give another value each time that a change is applied again.
 */
export interface Moment {
  /** Milliseconds since 1970-01-01 UTC. */
  readonly ms: number;
}

const MS_PER_DAY = 86_400_000;
/** Julian day of 1970-01-01 00:00. */
const UNIX_EPOCH_JULIAN = 2_440_587.5;
/** SQLite's range: julian day 0, in the year -4713, to the end of 9999. */
const MIN_MS = -UNIX_EPOCH_JULIAN * MS_PER_DAY;
const MAX_MS = daysOf({ year: 10_000, month: 1, day: 1 }) * MS_PER_DAY - 1;

/** Depend on the machine's zone, so that two machines would disagree. */
export const LOCAL_MODIFIERS: readonly string[] = ['localtime', 'utc'];

/** The moment that a time value and modifiers stand for; `nowMicros` is what 'now' means. */
export function momentOf(values: readonly SqlValue[], nowMicros: bigint | null): Moment | null {
  const [first = 'now', ...modifiers] = values;
  if (first === null) return null;
  const number = rawNumber(first);
  let moment =
    number === undefined ? parseMoment(textOf(first), nowMicros) : { ms: Math.round((number - UNIX_EPOCH_JULIAN) * MS_PER_DAY) };
  for (const [index, modifier] of modifiers.entries()) {
    if (modifier === null) return null;
    const word = textOf(modifier).trim().toLowerCase();
    if (word === 'unixepoch' || word === 'julianday' || word === 'auto') {
      if (index !== 0 || number === undefined) return null;
      const unix = word === 'unixepoch' || (word === 'auto' && !(number >= 0 && number < 5_373_484.5));
      moment = unix ? { ms: Math.round(number * 1000) } : moment;
      continue;
    }
    if (moment === null) return null;
    moment = applyModifier(moment, word);
  }
  return moment !== null && moment.ms >= MIN_MS && moment.ms <= MAX_MS ? moment : null;
}

function rawNumber(value: Exclude<SqlValue, null>): number | undefined {
  if (typeof value === 'string') return /^[ ]*[+-]?(?:\d+\.?\d*|\.\d+)[ ]*$/.test(value) ? Number(value) : undefined;
  return value instanceof Uint8Array ? undefined : toReal(value satisfies SqlNumber);
}

const TIMESTAMP =
  /^(?:(\d{4})-(\d{2})-(\d{2}))?(?:(?:^|[ T]+)(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d+))?)?)?[ ]*(?:Z|([+-])(\d{2})(?::?(\d{2}))?)?$/i;

function parseMoment(text: string, nowMicros: bigint | null): Moment | null {
  if (text.trim().toLowerCase() === 'now') {
    if (nowMicros === null) throw new EvaluationError("'now' has no meaning here");
    return { ms: Number(nowMicros / 1000n) };
  }
  const match = TIMESTAMP.exec(text.trimEnd());
  if (match === null || (match[1] === undefined && match[4] === undefined)) return null;
  const part = (index: number, missing: number): number => (match[index] === undefined ? missing : Number(match[index]));
  const [month, day, hour, minute, second] = [part(2, 1), part(3, 1), part(4, 0), part(5, 0), part(6, 0)];
  if (
    month < 1 ||
    month > 12 ||
    day < 1 ||
    day > 31 ||
    hour > 24 ||
    minute > 59 ||
    second > 59 ||
    part(9, 0) > 14 ||
    part(10, 0) > 59
  )
    return null;
  // A time alone is on 2000-01-01.
  const days = daysOf({ year: part(1, 2000), month, day });
  const fraction = Math.round(Number(`0.${match[7] ?? '0'}`) * 1000);
  const zone = (part(9, 0) * 60 + part(10, 0)) * 60_000 * (match[8] === '-' ? -1 : 1);
  return { ms: days * MS_PER_DAY + ((hour * 60 + minute) * 60 + second) * 1000 + fraction - zone };
}

const SHIFT = /^([+-]?(?:\d+\.?\d*|\.\d+))[ ]*(day|hour|minute|second|month|year)s?$/;
const CLOCK = /^([+-])(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d+))?)?$/;

function applyModifier(moment: Moment, word: string): Moment | null {
  const shift = SHIFT.exec(word);
  if (shift !== null) return applyShift(moment, Number(shift[1]), shift[2] ?? '');
  const clock = CLOCK.exec(word);
  if (clock !== null) {
    const ms =
      ((Number(clock[2]) * 60 + Number(clock[3])) * 60 + Number(clock[4] ?? 0)) * 1000 +
      Math.round(Number(`0.${clock[5] ?? '0'}`) * 1000);
    return { ms: moment.ms + (clock[1] === '-' ? -ms : ms) };
  }
  const { year, month } = dateOf(dayOf(moment));
  switch (word) {
    case 'start of day':
      return { ms: dayOf(moment) * MS_PER_DAY };
    case 'start of month':
      return { ms: daysOf({ year, month, day: 1 }) * MS_PER_DAY };
    case 'start of year':
      return { ms: daysOf({ year, month: 1, day: 1 }) * MS_PER_DAY };
    default:
      return nextWeekday(moment, word);
  }
}

function nextWeekday(moment: Moment, word: string): Moment | null {
  const wanted = /^weekday ([0-6])(?:\.0*)?$/.exec(word)?.[1];
  if (wanted === undefined) return null;
  return { ms: moment.ms + ((Number(wanted) - weekday(dayOf(moment)) + 7) % 7) * MS_PER_DAY };
}

const UNIT_MS: Readonly<Record<string, number>> = { day: MS_PER_DAY, hour: 3_600_000, minute: 60_000, second: 1000 };

function applyShift(moment: Moment, amount: number, unit: string): Moment {
  const unitMs = UNIT_MS[unit];
  if (unitMs !== undefined) return { ms: moment.ms + Math.round(amount * unitMs) };
  const day = dayOf(moment);
  const date = dateOf(day);
  // Whole months move the month; the 31st of a shorter month runs on into the next, as in SQLite. A fraction is 30 or 365 days.
  const whole = Math.trunc(amount);
  const months = date.month - 1 + (unit === 'year' ? whole * 12 : whole);
  const moved = daysOf({ year: date.year + Math.floor(months / 12), month: (((months % 12) + 12) % 12) + 1, day: date.day });
  const fractionDays = (amount - whole) * (unit === 'year' ? 365 : 30);
  return { ms: moment.ms + (moved - day) * MS_PER_DAY + Math.round(fractionDays * MS_PER_DAY) };
}

function dayOf({ ms }: Moment): number {
  return Math.floor(ms / MS_PER_DAY);
}

/** Sunday is 0. */
function weekday(day: number): number {
  return (((day + 4) % 7) + 7) % 7;
}

/** strftime(); null for a letter that SQLite does not know. */
export function formatMoment(format: string, moment: Moment): string | null {
  let known = true;
  const text = format.replace(/%([\s\S]?)/g, (_, letter: string) => {
    const part = FORMATS[letter];
    if (part === undefined) known = false;
    return part?.(moment) ?? '';
  });
  return known ? text : null;
}

const pad = (value: number, width: number): string => String(value).padStart(width, '0');

const FORMATS: Readonly<Record<string, (moment: Moment) => string>> = {
  '%': () => '%',
  d: (moment) => pad(dateOf(dayOf(moment)).day, 2),
  f: (moment) => {
    const ms = timeOf(moment) % 60_000;
    return `${pad(Math.floor(ms / 1000), 2)}.${pad(ms % 1000, 3)}`;
  },
  H: (moment) => pad(Math.floor(timeOf(moment) / 3_600_000), 2),
  j: (moment) => pad(dayOfYear(moment) + 1, 3),
  J: (moment) => String(julianDay(moment)),
  m: (moment) => pad(dateOf(dayOf(moment)).month, 2),
  M: (moment) => pad(Math.floor(timeOf(moment) / 60_000) % 60, 2),
  s: ({ ms }) => String(Math.floor(ms / 1000)),
  S: (moment) => pad(Math.floor(timeOf(moment) / 1000) % 60, 2),
  w: (moment) => String(weekday(dayOf(moment))),
  // Weeks begin on Monday; the days before the year's first Monday are week 0.
  W: (moment) => pad(Math.floor((dayOfYear(moment) + 7 - ((weekday(dayOf(moment)) + 6) % 7)) / 7), 2),
  Y: (moment) => {
    const { year } = dateOf(dayOf(moment));
    return `${year < 0 ? '-' : ''}${pad(Math.abs(year), 4)}`;
  },
};

function timeOf(moment: Moment): number {
  return moment.ms - dayOf(moment) * MS_PER_DAY;
}

function dayOfYear(moment: Moment): number {
  const day = dayOf(moment);
  return day - daysOf({ year: dateOf(day).year, month: 1, day: 1 });
}

export function julianDay({ ms }: Moment): number {
  return ms / MS_PER_DAY + UNIX_EPOCH_JULIAN;
}
