import type { ColumnSchema, LogicalType } from '@millrace/contract/table.js';
import { describe, expect, test } from 'vitest';
import type { PresentColumn } from './present-table.js';
import { incompatibilities } from './table-compatibility.js';
import { column, table } from './testing/table-schemas.js';
import { parseType, typeMismatch } from './type-compatibility.js';

function target(declaration: string, more: Partial<PresentColumn> = {}): PresentColumn {
  return {
    name: 'c',
    declaration,
    base: declaration,
    notNull: false,
    hasDefault: false,
    generated: false,
    expression: null,
    identity: '',
    collation: null,
    enumLabels: null,
    ...more,
  };
}

function source(declaration: string, type: LogicalType): ColumnSchema {
  return column('c', declaration, { type });
}

const decimal = (precision: number | null, scale: number | null): LogicalType => ({ kind: 'decimal', precision, scale });
const text = (maxLength: number | null, padded = false): LogicalType => ({ kind: 'text', maxLength, padded });
const integer = (bits: 16 | 32 | 64): LogicalType => ({ kind: 'integer', bits });
const timestamp = (precision: number, withZone: boolean): LogicalType => ({ kind: 'timestamp', precision, withZone });
const other: LogicalType = { kind: 'other' };

const cases: readonly (readonly [
  declaration: string,
  type: LogicalType,
  holds: readonly string[],
  refuses: readonly string[],
])[] = [
  ['boolean', { kind: 'boolean' }, ['boolean'], ['integer', 'text', 'boolean[]']],
  [
    'smallint',
    integer(16),
    ['smallint', 'integer', 'bigint', 'real', 'numeric', 'numeric(5,0)', 'text', 'character varying(6)'],
    ['numeric(5,1)', 'character varying(5)', 'boolean'],
  ],
  ['integer', integer(32), ['bigint', 'double precision', 'numeric(12,2)'], ['smallint', 'real', 'numeric(11,2)', 'date']],
  ['bigint', integer(64), ['numeric(19,0)', 'text'], ['integer', 'double precision', 'numeric(18,0)', 'oid']],
  ['real', { kind: 'float', bits: 32 }, ['real'], ['double precision', 'numeric', 'text']],
  ['double precision', { kind: 'float', bits: 64 }, ['double precision'], ['real', 'numeric', 'text']],
  ['numeric', decimal(null, null), ['numeric', 'text'], ['numeric(38,10)', 'double precision']],
  [
    'numeric(10,2)',
    decimal(10, 2),
    ['numeric', 'numeric(10,2)', 'numeric(12,4)', 'text'],
    ['numeric(9,2)', 'numeric(10,3)', 'numeric(12,1)', 'bigint', 'double precision'],
  ],
  ['numeric(5,-3)', decimal(5, -3), ['numeric(8,0)'], ['numeric(7,0)']],
  [
    'character varying(10)',
    text(10),
    ['character varying(10)', 'character varying(11)', 'character varying', 'text', 'public.citext'],
    ['character varying(9)', 'character(10)', 'integer', 'jsonb'],
  ],
  ['text', text(null), ['character varying'], ['character varying(1000)', 'character(1000)', 'name']],
  [
    'character(5)',
    text(5, true),
    ['character(5)', 'character(6)', 'text', 'character varying(5)'],
    ['character(4)', 'character varying(4)', '"char"'],
  ],
  ['bytea', { kind: 'bytes', maxLength: null }, ['bytea'], ['text', 'bit varying']],
  ['date', { kind: 'date' }, ['date', 'text'], ['timestamp without time zone', 'character varying(10)']],
  [
    'time(3) without time zone',
    { kind: 'time', precision: 3, withZone: false },
    ['time without time zone', 'time(4) without time zone'],
    ['time(2) without time zone', 'time with time zone'],
  ],
  [
    'timestamp without time zone',
    timestamp(6, false),
    ['timestamp(6) without time zone', 'text'],
    ['timestamp(3) without time zone', 'timestamp with time zone', 'date'],
  ],
  [
    'timestamp(3) with time zone',
    timestamp(3, true),
    ['timestamp with time zone', 'timestamp(3) with time zone'],
    ['timestamp(2) with time zone', 'timestamp without time zone'],
  ],
  [
    'interval day to second(3)',
    { kind: 'interval' },
    ['interval', 'text'],
    ['interval(3)', 'interval year to month', 'time without time zone'],
  ],
  ['uuid', { kind: 'uuid' }, ['text', 'character varying(36)'], ['character varying(35)', 'bytea']],
  ['json', { kind: 'json' }, ['json', 'text'], ['jsonb', 'character varying(100)']],
  ['integer[]', { kind: 'array', element: integer(32) }, ['integer[]', 'bigint[]'], ['integer', 'smallint[]', 'text']],
  ['inet', other, ['inet', 'text', 'character varying'], ['cidr', 'character varying(50)']],
  ['bit(3)', other, ['bit(3)'], ['bit(4)', 'bit varying(3)']],
];

describe.each(cases)('a source column of %s', (declaration, type, holds, refuses) => {
  test.each(holds)('fits into %s', (name) => {
    expect(typeMismatch(source(declaration, type), target(name))).toBeNull();
  });
  test.each(refuses)('does not fit into %s', (name) => {
    expect(typeMismatch(source(declaration, type), target(name))).toBe(`it is ${name}, which cannot hold every ${declaration}`);
  });
});

test('jsonb fits into json and its own kind, an enum into one that has its labels, any type into itself', () => {
  const jsonb = column('c', 'jsonb', { type: { kind: 'json' } });
  expect(typeMismatch(jsonb, target('json'))).toBeNull();
  const mood = column('c', 'app.mood', { type: { kind: 'enum', labels: ['low', 'high'] } });
  expect(typeMismatch(mood, target('other.mood', { enumLabels: ['high', 'mid', 'low'] }))).toBeNull();
  expect(typeMismatch(mood, target('other.mood', { enumLabels: ['high'] }))).not.toBeNull();
  expect(typeMismatch(mood, target('app.mood', { enumLabels: ['high'] }))).toBeNull();
  expect(typeMismatch(mood, target('character varying(4)'))).toBeNull();
  expect(typeMismatch(mood, target('character varying(3)'))).not.toBeNull();
});

test('a domain of the target holds what its base type holds', () => {
  expect(typeMismatch(source('integer', integer(32)), target('app.id', { base: 'bigint' }))).toBeNull();
  expect(typeMismatch(source('integer', integer(32)), target('app.id', { base: 'smallint' }))).toContain('app.id');
});

test('a type is parsed into its parts, quoted names left whole', () => {
  expect(parseType('timestamp(3) without time zone[]')).toEqual({
    name: 'timestamp without time zone',
    arguments: [3],
    isArray: true,
  });
  expect(parseType('numeric(10,-2)')).toEqual({ name: 'numeric', arguments: [10, -2], isArray: false });
  expect(parseType('app."odd(3)"')).toEqual({ name: 'app."odd(3)"', arguments: [], isArray: false });
});

test('every column that cannot take the rows is named with the reason', () => {
  const schema = table(
    't',
    [
      column('id', 'integer', { nullable: false }),
      column('gone', 'text'),
      column('g', 'integer', { generated: '(id + 1)' }),
      column('p', 'integer'),
      column('n', 'integer'),
    ],
    { primaryKey: ['id'] },
  );
  const named = (name: string, more: Partial<PresentColumn> = {}): PresentColumn => ({ ...target('integer', more), name });
  const found = incompatibilities(schema, {
    oid: 1,
    primaryKey: null,
    columns: [
      named('id', { notNull: true }),
      named('g'),
      named('p', { generated: true }),
      named('n', { notNull: true }),
      named('mine', { notNull: true }),
      named('fine', { notNull: true, hasDefault: true }),
      named('own', { notNull: true, identity: 'd' }),
    ],
  });
  expect(found.map(({ column: name, reason }) => `${name}: ${reason}`)).toEqual([
    'gone: it is missing',
    'g: the source computes it and does not send its values',
    'p: it is computed by the target, and the source has values for it',
    'n: it is NOT NULL and the source has nulls to bring',
    'mine: the source does not have it, and it is NOT NULL without a default',
  ]);
});
