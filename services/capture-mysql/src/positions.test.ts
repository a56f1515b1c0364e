import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MariadbGtidState, MysqlGtidSet } from './gtid-set.js';
import { formatPlace, parsePosition, placeKey, positionKey } from './position.js';

const place = fc.record({
  failovers: fc.nat(0xffff_ffff),
  file: fc.nat(2 ** 31 - 1),
  offset: fc.maxSafeNat(),
});

test('positions come back as they were, and their keys order by failovers, file and offset', () => {
  const rest = { base: 'bin', server: 'mysql:a', gtids: '' };
  fc.assert(
    fc.property(place, place, (one, other) => {
      const key = positionKey({ ...one, rest });
      expect(parsePosition({ source: 's', timeline: 0, key })).toEqual({ ...one, rest });
      const order = one.failovers - other.failovers || one.file - other.file || one.offset - other.offset;
      const otherKey = positionKey({ ...other, rest });
      expect(Math.sign(order)).toBe(key === otherKey ? 0 : key < otherKey ? -1 : 1);
      // The place alone lies at or before every full position of it.
      expect(placeKey(one.failovers, one.file, one.offset) <= key).toBe(true);
    }),
  );
});

test('a position of something else is refused; a place is shown as the server writes it', () => {
  expect(() => parsePosition({ source: 's', timeline: 0, key: '00ff' })).toThrow(
    expect.objectContaining({ code: 'SOURCE_CHANGED' }),
  );
  const rest = { base: 'mysql-bin', server: 'mysql:a', gtids: '' };
  expect(formatPlace({ source: 's', timeline: 0, key: positionKey({ failovers: 0, file: 7, offset: 154, rest }) })).toBe(
    'mysql-bin.000007:154',
  );
});

const UUID = '3e11fa47-71ca-11e1-9e33-c80aa9429562';

test('a GTID set grows by any numbers in any order to the set of just those', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 40 }), { maxLength: 40 }), (numbers) => {
      const set = MysqlGtidSet.parse('');
      for (const number of numbers) set.add(UUID, number);
      const again = MysqlGtidSet.parse(set.toString());
      expect(again.toString()).toBe(set.toString());
      for (let number = 1; number <= 41; number++) expect(again.has(UUID, number)).toBe(numbers.includes(number));
      expect(again.contains(set)).toBe(true);
    }),
  );
});

test('sets and states have one text each, whatever order they came in', () => {
  expect(MysqlGtidSet.parse(`${UUID}:3:1-2,\n00000000-0000-0000-0000-000000000001:7`).toString()).toBe(
    `00000000-0000-0000-0000-000000000001:7,${UUID}:1-3`,
  );
  expect(MysqlGtidSet.parse(`${UUID}:1-3`).contains(MysqlGtidSet.parse(`${UUID}:2-4`))).toBe(false);
  expect(() => MysqlGtidSet.parse(`${UUID}:tag:1`)).toThrow(expect.objectContaining({ code: 'SOURCE_BINLOG_UNSUPPORTED' }));
  expect(MariadbGtidState.parse('10-2-18446744073709551615, 0-1-5').toString()).toBe('0-1-5,10-2-18446744073709551615');
});
