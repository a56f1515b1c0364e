import { fc, test as property } from '@fast-check/vitest';
import { expect, test } from 'vitest';
import {
  dateOf,
  daysOf,
  formatDate,
  formatMicros,
  formatTime,
  parseDate,
  parseTime,
  parseTimestamp,
  parseZone,
} from './civil-time.js';

property.prop([fc.integer({ min: -2_500_000, max: 110_000_000 })])(
  "a day and its date are each other's inverse, as is its text",
  (days) => {
    expect(daysOf(dateOf(days))).toBe(days);
    expect(parseDate(formatDate(days))).toBe(days);
  },
);

property.prop([fc.date({ noInvalidDate: true, min: new Date('0001-01-01'), max: new Date('9999-12-31') })])(
  'days agree with Date',
  (date) => {
    expect(parseDate(date.toISOString().slice(0, 10))).toBe(Math.floor(date.getTime() / 86_400_000));
  },
);

test.each(['2024-02-30', '2023-02-29', '2024-13-01', '2024-00-10', '2024-01-00', '0000-01-01', '2024-1', 'x'])(
  '%s is no date',
  (text) => {
    expect(parseDate(text)).toBeUndefined();
  },
);

test.each(['24:00:01', '10:60', '10', '10:00:61'])('%s is no time', (text) => {
  expect(parseTime(text)).toBeUndefined();
});

test('times keep their fraction, up to 24:00:00', () => {
  expect(formatTime(parseTime('24:00:00') ?? 0n)).toBe('24:00:00');
  expect(formatTime(parseTime('10:30:00.250') ?? 0n)).toBe('10:30:00.25');
  expect(formatMicros(-1n)).toBe('1969-12-31 23:59:59.999999');
});

test('zones', () => {
  expect(['+02', '-03:30', 'Z', '+05:53:28', '+2x'].map(parseZone)).toEqual([
    7_200_000_000_000n,
    -12_600_000_000_000n,
    0n,
    21_208_000_000_000n,
    undefined,
  ]);
  expect(parseTimestamp('2024-02-29 10:00:00+0x')).toBeUndefined();
});
