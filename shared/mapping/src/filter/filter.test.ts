import { fc, test as property } from '@fast-check/vitest';
import type { RowFilter } from '@millrace/contract/load.js';
import { type Row, UNCHANGED, type Value } from '@millrace/contract/row.js';
import type { LogicalType, TableSchema } from '@millrace/contract/table.js';
import { describe, expect, test } from 'vitest';
import { DECIMAL, fullTable, INT, LONG, TEXT, TIMESTAMP, TIMESTAMPTZ, table } from '../testing/tables.js';
import { changeFilter, columnsBeyondIdentity } from './filter-change.js';
import { evaluateFilter } from './row-predicate.js';

const CHAR: LogicalType = { kind: 'text', maxLength: 5, padded: true };
const MOOD: LogicalType = { kind: 'enum', labels: ['sad', 'ok', 'happy'] };

const context = (schema: TableSchema) => ({ rule: '7', schema });
const compare = (operator: 'eq' | 'noteq' | 'ste' | 'gte', value: string): RowFilter => ({
  kind: 'compare',
  column: 'c',
  operator,
  value,
});

function holds(type: LogicalType, value: Value, filter: RowFilter): boolean {
  return evaluateFilter(filter, context(table({ c: type })))([value]);
}

describe("a filter compares by the column's type, as the database does", () => {
  test.each<[string, LogicalType, Value, RowFilter, boolean]>([
    ['integers are no texts', INT, 9, compare('ste', '10'), true],
    ['64-bit integers are exact', LONG, 9007199254740993n, compare('eq', '9007199254740992'), false],
    ['64-bit integers are exact', LONG, 9223372036854775807n, compare('gte', '9223372036854775807'), true],
    ['a long may come as a number', LONG, 5, compare('eq', '5'), true],
    ['decimals are exact', DECIMAL, '0.1000000000000000000001', compare('eq', '0.1'), false],
    ['trailing zeros do not count', DECIMAL, '1.10', compare('eq', '1.1'), true],
    ['a decimal is no text', DECIMAL, '9', compare('ste', '10'), true],
    ['NaN is above all', DECIMAL, 'NaN', compare('gte', 'Infinity'), true],
    ['NaN equals itself', DECIMAL, 'NaN', compare('eq', 'nan'), true],
    ['-Infinity is below all', DECIMAL, '-Infinity', compare('ste', '-1e100'), true],
    ['a real is compared as a real', { kind: 'float', bits: 32 }, Math.fround(0.1), compare('eq', '0.1'), true],
    ['a double NaN is above infinity', { kind: 'float', bits: 64 }, Number.NaN, compare('gte', 'Infinity'), true],
    ['zeros are equal', { kind: 'float', bits: 64 }, -0, compare('eq', '0'), true],
    ['text goes by its bytes', TEXT, 'a', compare('ste', 'B'), false],
    ['text goes by its bytes, not by UTF-16', TEXT, '\u{10000}', compare('gte', '\uFFFF'), true],
    ['blanks at the end count in text', TEXT, 'a ', compare('eq', 'a'), false],
    ['blanks at the end do not count in char(n)', CHAR, 'a    ', compare('eq', 'a'), true],
    ['dates go by time', { kind: 'date' }, '10000-01-01', compare('gte', '2002-01-01'), true],
    ['BC is before', { kind: 'date' }, '0044-03-15 BC', compare('ste', '0001-01-01'), true],
    ['infinity is after', { kind: 'date' }, 'infinity', compare('gte', '9999-12-31'), true],
    ['a date stands for its midnight', TIMESTAMP, '2002-01-01 00:00:00', compare('eq', '2002-01-01'), true],
    ['fractions count', TIMESTAMP, '2002-01-01 00:00:00.000001', compare('eq', '2002-01-01 00:00:00'), false],
    ['instants count, not their zones', TIMESTAMPTZ, '2024-01-01 12:00:00+02', compare('eq', '2024-01-01 10:00:00+00'), true],
    ['without a zone UTC is meant', TIMESTAMPTZ, '2024-01-01 12:00:00+02', compare('eq', '2024-01-01T10:00:00'), true],
    ['24:00 is a time', { kind: 'time', precision: 6, withZone: false }, '24:00:00', compare('gte', '23:59:59.999999'), true],
    ['labels go by their order', MOOD, 'happy', compare('gte', 'ok'), true],
    ['labels go by their order', MOOD, 'sad', compare('gte', 'ok'), false],
    [
      'a UUID has several spellings',
      { kind: 'uuid' },
      'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
      compare('eq', '{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}'),
      true,
    ],
    ['booleans have several spellings', { kind: 'boolean' }, true, compare('eq', 'yes'), true],
    ['false is below true', { kind: 'boolean' }, false, compare('ste', 'true'), true],
    ['bytes go by their bytes', { kind: 'bytes', maxLength: null }, Uint8Array.of(0xff), compare('gte', '\\x7f00'), true],
    ['between takes both ends', INT, 5, { kind: 'between', column: 'c', start: '5', end: '5' }, true],
    ['notbetween is outside of both', INT, 5, { kind: 'notbetween', column: 'c', start: '5', end: '9' }, false],
    ['notbetween is outside of both', INT, 4, { kind: 'notbetween', column: 'c', start: '5', end: '9' }, true],
    ['noteq', INT, 4, compare('noteq', '5'), true],
    ['null matches null', INT, null, { kind: 'null', column: 'c' }, true],
    ['null matches nothing else', INT, null, compare('noteq', '5'), false],
    ['null matches nothing else', INT, null, { kind: 'notbetween', column: 'c', start: '5', end: '9' }, false],
    ['notnull', { kind: 'json' }, '{}', { kind: 'notnull', column: 'c' }, true],
  ])('%s: %o %o %o', (_, type, value, filter, expected) => {
    expect(holds(type, value, filter)).toBe(expected);
  });

  property.prop([fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })])(
    'any two 64-bit integers',
    (a, b) => {
      expect(holds(LONG, a, compare('ste', String(b)))).toBe(a <= b);
      expect(holds(LONG, a, compare('eq', String(b)))).toBe(a === b);
    },
  );

  property.prop([
    fc.bigInt({ min: -1_000_000n, max: 1_000_000n }),
    fc.nat(6),
    fc.bigInt({ min: -1_000_000n, max: 1_000_000n }),
    fc.nat(6),
  ])('any two decimals', (a, scaleA, b, scaleB) => {
    const order = a * 10n ** BigInt(scaleB) <= b * 10n ** BigInt(scaleA);
    expect(holds(DECIMAL, `${a}e-${scaleA}`, compare('ste', `${b}e-${scaleB}`))).toBe(order);
  });

  property.prop([
    fc.date({ noInvalidDate: true, min: new Date('0001-01-02'), max: new Date('9999-12-30') }),
    fc.date({ noInvalidDate: true, min: new Date('0001-01-02'), max: new Date('9999-12-30') }),
  ])('any two moments', (a, b) => {
    expect(holds(TIMESTAMP, a.toISOString().replace('Z', ''), compare('gte', b.toISOString().replace('Z', '')))).toBe(a >= b);
  });
});

describe('a filter that cannot work is refused with its rule', () => {
  test.each<[LogicalType, RowFilter, string]>([
    [INT, { kind: 'null', column: 'C' }, 'Rule 7 filters public.t by column "C": the table has no such column.'],
    [INT, compare('eq', 'x'), '"x" is no 32-bit integer'],
    [INT, compare('eq', '3000000000'), '"3000000000" is no 32-bit integer'],
    [INT, compare('eq', '1.5'), '"1.5" is no 32-bit integer'],
    [DECIMAL, compare('eq', '1,5'), '"1,5" is no number'],
    [{ kind: 'date' }, compare('eq', '2024-02-30'), '"2024-02-30" is no date'],
    [TIMESTAMP, compare('eq', '2024-01-01 10:00:00+02'), 'without a zone'],
    [MOOD, compare('eq', 'glad'), '"glad" is none of sad, ok, happy'],
    [{ kind: 'json' }, compare('eq', '{}'), 'columns of type json have no order that a filter can use'],
    [{ kind: 'interval' }, { kind: 'between', column: 'c', start: '1 day', end: '2 days' }, 'columns of type interval'],
  ])('%o %o', (type, filter, message) => {
    expect(() => evaluateFilter(filter, context(table({ c: type })))).toThrow(
      expect.objectContaining({ code: 'MAPPING_FILTER_INVALID', message: expect.stringContaining(message) }),
    );
  });
});

describe('a filter over changes', () => {
  const FULL = fullTable({ id: INT, c: INT, note: TEXT });
  const pass = (schema: TableSchema, filter: RowFilter) => changeFilter(filter, context(schema));
  const positive = compare('gte', '1');

  test('inserts and deletes pass where the row matches', () => {
    const filter = pass(FULL, positive);
    const insert = { kind: 'insert', before: null, after: [1, 1, 'x'] } as const;
    expect(filter(insert)).toBe(insert);
    expect(filter({ kind: 'insert', before: null, after: [1, 0, 'x'] })).toBeNull();
    expect(filter({ kind: 'delete', before: [1, 0, 'x'], after: null })).toBeNull();
    expect(filter({ kind: 'delete', before: [1, 5, 'x'], after: null })).toMatchObject({ kind: 'delete' });
  });

  test('an update that moves a row in becomes an insert of the whole row', () => {
    expect(pass(FULL, positive)({ kind: 'update', before: [1, 0, 'long'], after: [1, 1, UNCHANGED] })).toEqual({
      kind: 'insert',
      before: null,
      after: [1, 1, 'long'],
    });
  });

  test('an update that moves a row out becomes a delete', () => {
    expect(pass(FULL, positive)({ kind: 'update', before: [1, 1, 'x'], after: [1, 0, UNCHANGED] })).toEqual({
      kind: 'delete',
      before: [1, 1, 'x'],
      after: null,
    });
  });

  test('an update outside is nothing, one inside stays as it is with what is unchanged', () => {
    expect(pass(FULL, positive)({ kind: 'update', before: [1, 0, 'x'], after: [1, null, 'y'] })).toBeNull();
    const change = { kind: 'update', before: [1, 1, 'x'], after: [1, 2, UNCHANGED] } as const;
    expect(pass(FULL, positive)(change)).toEqual(change);
  });

  test('a filter on key columns needs no old image where the key did not change', () => {
    const schema = table({ c: INT, note: TEXT });
    const filter = pass(schema, positive);
    expect(filter({ kind: 'update', before: null, after: [1, 'y'] })).toEqual({ kind: 'update', before: null, after: [1, 'y'] });
    expect(filter({ kind: 'update', before: null, after: [0, 'y'] })).toBeNull();
    expect(filter({ kind: 'update', before: [1, UNCHANGED], after: [0, 'y'] })).toEqual({
      kind: 'delete',
      before: [1, UNCHANGED],
      after: null,
    });
    expect(columnsBeyondIdentity(positive, schema)).toEqual([]);
  });

  test('#14 a row that moves in with a value that the log did not carry is an error, never a null', () => {
    const schema = table({ c: INT, note: TEXT });
    expect(() => pass(schema, positive)({ kind: 'update', before: [0, UNCHANGED], after: [1, UNCHANGED] })).toThrow(
      expect.objectContaining({
        code: 'MAPPING_IMAGE_INCOMPLETE',
        remedy: expect.stringContaining('ALTER TABLE "public"."t" REPLICA IDENTITY FULL'),
      }),
    );
  });

  test('columns beyond the identity are named', () => {
    expect(
      columnsBeyondIdentity(
        { kind: 'all', of: [positive, { kind: 'null', column: 'note' }, { kind: 'notnull', column: 'id' }] },
        table({ id: INT, c: INT, note: TEXT }),
      ),
    ).toEqual(['c', 'note']);
    expect(columnsBeyondIdentity(positive, FULL)).toEqual([]);
  });

  const value = fc.option(fc.integer({ min: -2, max: 2 }), { nil: null });
  property.prop([
    fc.array(fc.record({ id: fc.integer({ min: 0, max: 3 }), c: fc.option(value, { nil: undefined }) }), { maxLength: 30 }),
  ])('the target holds exactly the matching rows after any changes', (steps) => {
    const filter = pass(FULL, positive);
    const source = new Map<number, Row>();
    const target = new Map<number, Row>();
    for (const { id, c } of steps) {
      const before = source.get(id) ?? null;
      const after: Row | null = c === undefined ? null : [id, c, 'n'];
      if (before === null && after === null) continue;
      if (after === null) source.delete(id);
      else source.set(id, after);
      const kind = before === null ? 'insert' : after === null ? 'delete' : 'update';
      const change = filter({ kind, before, after });
      if (change?.kind === 'insert') expect(target.has(id)).toBe(false);
      if (change?.kind === 'update' || change?.kind === 'delete') expect(target.has(id)).toBe(true);
      if (change?.after) target.set(id, change.after);
      else if (change !== null) target.delete(id);
    }
    expect([...target]).toEqual(
      expect.arrayContaining([...source].filter(([, row]) => typeof row[1] === 'number' && row[1] >= 1)),
    );
    expect(target.size).toBe([...source.values()].filter((row) => typeof row[1] === 'number' && row[1] >= 1).length);
  });
});
