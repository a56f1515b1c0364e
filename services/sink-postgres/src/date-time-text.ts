/** A text that is not in the form in which PostgreSQL writes this type (DateStyle ISO): the server has to read it as text. */
export class NotPostgresText extends Error {
  override readonly name = 'NotPostgresText';
}

const ZERO = 48;
const NINE = 57;
const PLUS = 43;
const MINUS = 45;
const DOT = 46;
const COLON = 58;
const SPACE = 32;
const MICROS_PER_SECOND = 1_000_000;

const DAYS_IN_MONTH = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const;

/**
 * Reads PostgreSQL's own text forms of date and time types without making objects: results are left in the fields. One parser is
 * used for all values.
 */
export class DateTimeText {
  /** Days from 2000-01-01. */
  days = 0;
  /** Of the day; 24:00:00 is 86,400,000,000. */
  micros = 0;
  /** Seconds east of UTC. */
  offset = 0;

  private bytes: Uint8Array = new Uint8Array(0);
  private at = 0;
  private end = 0;

  open(bytes: Uint8Array, start: number, end: number): void {
    this.bytes = bytes;
    this.at = start;
    this.end = end;
  }

  /** 1 for `infinity`, -1 for `-infinity`, 0 for neither. */
  infinity(): -1 | 0 | 1 {
    const length = this.end - this.at;
    if (length === 8 && this.isWord('infinity', this.at)) return 1;
    if (length === 9 && this.peek() === MINUS && this.isWord('infinity', this.at + 1)) return -1;
    return 0;
  }

  /** `2024-02-29`, `0044-03-15 BC` */
  date(): void {
    const year = this.digits(4, 7);
    this.skip(MINUS);
    const month = this.digits(2, 2);
    this.skip(MINUS);
    const day = this.digits(2, 2);
    this.endDate(year, month, day);
  }

  /** `2024-02-29 12:34:56.789`, with ` BC` at the end, and before it an offset where the type has one. */
  timestamp(withZone: boolean): void {
    const year = this.digits(4, 7);
    this.skip(MINUS);
    const month = this.digits(2, 2);
    this.skip(MINUS);
    const day = this.digits(2, 2);
    this.skip(SPACE);
    this.clock();
    if (withZone) this.zone();
    this.endDate(year, month, day);
  }

  /** `12:34:56.789`, `24:00:00`, `12:34:56+05:30` */
  time(withZone: boolean): void {
    this.clock();
    if (withZone) this.zone();
    if (this.at !== this.end) throw this.unreadable();
  }

  private clock(): void {
    const hours = this.digits(2, 2);
    this.skip(COLON);
    const minutes = this.digits(2, 2);
    this.skip(COLON);
    const seconds = this.digits(2, 2);
    let fraction = 0;
    if (this.peek() === DOT) {
      this.at++;
      const start = this.at;
      fraction = this.digits(1, 6);
      for (let digits = this.at - start; digits < 6; digits++) fraction *= 10;
    }
    this.micros = ((hours * 60 + minutes) * 60 + seconds) * MICROS_PER_SECOND + fraction;
    const isMidnight = hours === 24 && minutes === 0 && seconds === 0 && fraction === 0;
    if (minutes > 59 || seconds > 59 || (hours > 23 && !isMidnight)) throw this.unreadable();
  }

  private zone(): void {
    const sign = this.peek();
    if (sign !== PLUS && sign !== MINUS) throw this.unreadable();
    this.at++;
    const hours = this.digits(2, 2);
    const minutes = this.optionalPart();
    const seconds = this.optionalPart();
    const east = (hours * 60 + minutes) * 60 + seconds;
    this.offset = sign === MINUS ? -east : east;
  }

  private optionalPart(): number {
    if (this.peek() !== COLON) return 0;
    this.at++;
    return this.digits(2, 2);
  }

  private endDate(year: number, month: number, day: number): void {
    const isBeforeChrist = this.at < this.end;
    if (isBeforeChrist && !(this.end - this.at === 3 && this.isWord(' BC', this.at))) throw this.unreadable();
    // Year 1 BC is the year 0 of the reckoning.
    const reckoned = isBeforeChrist ? 1 - year : year;
    const longest = DAYS_IN_MONTH[month - 1];
    if (longest === undefined || day < 1 || day > longest || year === 0) throw this.unreadable();
    if (month === 2 && day === 29 && !isLeapYear(reckoned)) throw this.unreadable();
    this.days = daysFrom2000(reckoned, month, day);
  }

  private digits(min: number, max: number): number {
    let value = 0;
    const start = this.at;
    for (let digit = this.peek(); digit >= ZERO && digit <= NINE; digit = this.peek()) {
      value = value * 10 + digit - ZERO;
      this.at++;
    }
    const count = this.at - start;
    if (count < min || count > max) throw this.unreadable();
    return value;
  }

  private peek(): number {
    return this.at < this.end ? (this.bytes[this.at] ?? 0) : 0;
  }

  private skip(character: number): void {
    if (this.peek() !== character) throw this.unreadable();
    this.at++;
  }

  private isWord(word: string, at: number): boolean {
    for (let index = 0; index < word.length; index++) {
      if (this.bytes[at + index] !== word.charCodeAt(index)) return false;
    }
    return true;
  }

  private unreadable(): NotPostgresText {
    return new NotPostgresText('a date or time is not in ISO form');
  }
}

function isLeapYear(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}

/** As date2j of PostgreSQL's datetime.c, from 2000-01-01 on. */
function daysFrom2000(year: number, month: number, day: number): number {
  const y = month > 2 ? year + 4800 : year + 4799;
  const m = month > 2 ? month + 1 : month + 13;
  const century = Math.floor(y / 100);
  const julian = y * 365 - 32_167 + Math.floor(y / 4) - century + Math.floor(century / 4) + Math.floor((7834 * m) / 256) + day;
  return julian - 2_451_545;
}
