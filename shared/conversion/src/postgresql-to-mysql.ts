import type { LogicalType } from '@millrace/contract/table.js';
import { type ColumnPlace, plainType, type TargetServer, type TargetType, type TypeRule } from './rule.js';

/** InnoDB's longest key part in bytes, by the four bytes that a character may take (MySQL manual, "InnoDB Limits"). */
const KEY_BYTES = 3_072;
const KEY_CHARACTERS = KEY_BYTES / 4;
/** Longer ones would fill the 65,535 bytes that all columns of a row share. */
const MAX_VARCHAR = 4_096;
const MAX_CHAR = 255;
const MAX_DECIMAL_DIGITS = 65;
const MAX_DECIMAL_SCALE = 30;
/** utf8mb4_0900_bin, which compares trailing spaces, came with 8.0.17. */
const NO_PAD_SINCE = 8_000_017;

const ALL_KINDS = 'whatever has no line of its own: network, geometric, range, text search, xml, money, composite …';

/** PostgreSQL's types in MySQL and MariaDB. Text compares by its bytes there, as PostgreSQL's equality does. */
export const POSTGRESQL_TO_MYSQL: readonly TypeRule[] = [
  {
    kinds: ['boolean'],
    shown: 'boolean',
    becomes: 'tinyint(1)',
    fidelity: 'exact',
    note: 'True is 1, false is 0.',
    to: () => plainType('tinyint', 'tinyint(1)'),
  },
  {
    kinds: ['integer'],
    shown: 'smallint, integer, bigint',
    becomes: 'smallint, int, bigint',
    fidelity: 'exact',
    note: '',
    to: ({ column: { type } }) =>
      plainType(type.kind === 'integer' ? { 16: 'smallint', 32: 'int', 64: 'bigint' }[type.bits] : 'bigint'),
  },
  {
    kinds: ['float'],
    shown: 'real, double precision',
    becomes: 'float, double',
    fidelity: 'refuses',
    note: 'The same bits. NaN and the infinities are refused: MySQL has none.',
    to: ({ column: { type } }) => plainType(type.kind === 'float' && type.bits === 32 ? 'float' : 'double'),
  },
  {
    kinds: ['decimal'],
    when: ({ column }) => fitsDecimal(column.type),
    shown: 'numeric(p,s) with p ≤ 65, 0 ≤ s ≤ 30',
    becomes: 'decimal(p,s)',
    fidelity: 'refuses',
    note: 'NaN and the infinities are refused.',
    to: ({ column: { type } }) =>
      type.kind === 'decimal' && type.precision !== null
        ? decimalOf(Math.max(1, type.precision), type.scale ?? 0)
        : decimalOf(65, 30),
  },
  {
    kinds: ['decimal'],
    shown: 'numeric, and numeric(p,s) beyond that',
    becomes: 'decimal(65,30)',
    fidelity: 'refuses',
    note: 'A value with more than 35 digits before or 30 behind the point, NaN and the infinities are refused; trailing zeros are lost, as decimals of a fixed scale have them all.',
    to: () => decimalOf(MAX_DECIMAL_DIGITS, MAX_DECIMAL_SCALE),
  },
  {
    kinds: ['text'],
    when: ({ column: { type } }) => type.kind === 'text' && type.padded && (type.maxLength ?? 1) <= MAX_CHAR,
    shown: `character(n) with n ≤ ${MAX_CHAR}`,
    becomes: 'char(n)',
    fidelity: 'exact',
    note: 'The spaces that fill it up are no part of the value in either.',
    to: ({ column: { type }, target }) => {
      const length = type.kind === 'text' ? (type.maxLength ?? 1) : 1;
      return { name: 'char', declaration: `char(${length})`, collation: bytewiseCollation(target) };
    },
  },
  {
    kinds: ['text'],
    when: ({ isKey }) => isKey,
    shown: 'text types in the key',
    becomes: `varchar(n), at most ${KEY_CHARACTERS} characters`,
    fidelity: 'refuses',
    note: 'InnoDB keeps no longer keys; a longer value is refused.',
    to: ({ column: { type }, target }) =>
      textOf(Math.min(KEY_CHARACTERS, type.kind === 'text' ? (type.maxLength ?? KEY_CHARACTERS) : KEY_CHARACTERS), target),
  },
  {
    kinds: ['text'],
    when: ({ column: { type } }) => type.kind === 'text' && type.maxLength !== null && type.maxLength <= MAX_VARCHAR,
    shown: `character varying(n), character(n), name up to ${MAX_VARCHAR.toLocaleString('en-US')} characters`,
    becomes: 'varchar(n)',
    fidelity: 'exact',
    note: '',
    to: ({ column: { type }, target }) => textOf(type.kind === 'text' ? (type.maxLength ?? MAX_VARCHAR) : MAX_VARCHAR, target),
  },
  {
    kinds: ['text'],
    shown: 'text, and longer or unlimited ones',
    becomes: 'longtext',
    fidelity: 'widens',
    note: '',
    to: ({ target }) => ({ ...plainType('longtext'), collation: bytewiseCollation(target) }),
  },
  {
    kinds: ['bytes'],
    shown: 'bytea',
    becomes: `longblob; varbinary(${KEY_BYTES.toLocaleString('en-US')}) in the key`,
    fidelity: 'exact',
    note: '',
    to: ({ isKey }) => (isKey ? plainType('varbinary', `varbinary(${KEY_BYTES})`) : plainType('longblob')),
  },
  {
    kinds: ['date'],
    shown: 'date',
    becomes: 'date',
    fidelity: 'refuses',
    note: 'Years 0 to 9999; BC, later years and the infinities are refused.',
    to: () => plainType('date'),
  },
  {
    kinds: ['timestamp'],
    shown: 'timestamp(n), timestamp(n) with time zone',
    becomes: 'datetime(n)',
    fidelity: 'refuses',
    note: 'With a time zone: the moment in UTC, since timestamp ends in 2038. Years as for date.',
    to: (place) => plainType('datetime', `datetime(${fraction(place)})`),
  },
  {
    kinds: ['time'],
    when: ({ column: { type } }) => type.kind === 'time' && !type.withZone,
    shown: 'time(n)',
    becomes: 'time(n)',
    fidelity: 'exact',
    note: '',
    to: (place) => plainType('time', `time(${fraction(place)})`),
  },
  {
    kinds: ['uuid'],
    shown: 'uuid',
    becomes: 'char(36)',
    fidelity: 'exact',
    note: '',
    to: () => ({ ...plainType('char', 'char(36)'), collation: 'ascii_bin' }),
  },
  {
    names: ['bit'],
    when: ({ column }) => bitsOf(column.native.declaration) <= 64,
    shown: 'bit(n) with n ≤ 64',
    becomes: 'bit(n)',
    fidelity: 'exact',
    note: '',
    to: ({ column }) => plainType('bit', `bit(${bitsOf(column.native.declaration)})`),
  },
  {
    kinds: ['json'],
    shown: 'json, jsonb',
    becomes: 'longtext',
    fidelity: 'widens',
    note: "The text as it is: MySQL's json would round numbers beyond a double's digits and drop duplicate keys.",
    to: ({ target }) => ({ ...plainType('longtext'), collation: bytewiseCollation(target) }),
  },
  {
    kinds: ['enum'],
    shown: 'an enum type',
    becomes: "enum('a','b')",
    fidelity: 'exact',
    note: 'The labels in their order.',
    to: ({ column: { type }, target }) => ({
      name: 'enum',
      declaration: `enum(${(type.kind === 'enum' ? type.labels : []).map(quoted).join(',')})`,
      collation: bytewiseCollation(target),
    }),
  },
  {
    when: ({ isKey }) => isKey,
    shown: `in the key, ${ALL_KINDS}`,
    becomes: `varchar(${KEY_CHARACTERS})`,
    fidelity: 'refuses',
    note: "The source's own text; a longer one is refused.",
    to: ({ target }) => textOf(KEY_CHARACTERS, target),
  },
  {
    shown: `arrays, interval, ${ALL_KINDS}`,
    becomes: 'longtext',
    fidelity: 'widens',
    note: "The source's own text.",
    to: ({ target }) => ({ ...plainType('longtext'), collation: bytewiseCollation(target) }),
  },
];

/** A collation in which only equal bytes are equal; trailing spaces count where the server has one in which they do. */
export function bytewiseCollation({ engine, version }: TargetServer): string {
  if (engine === 'mariadb') return 'utf8mb4_nopad_bin';
  return version >= NO_PAD_SINCE ? 'utf8mb4_0900_bin' : 'utf8mb4_bin';
}

function textOf(characters: number, target: TargetServer): TargetType {
  return { name: 'varchar', declaration: `varchar(${characters})`, collation: bytewiseCollation(target) };
}

function decimalOf(precision: number, scale: number): TargetType {
  return plainType('decimal', `decimal(${precision},${scale})`);
}

function fitsDecimal(type: LogicalType): boolean {
  if (type.kind !== 'decimal' || type.precision === null) return false;
  const scale = type.scale ?? 0;
  return type.precision <= MAX_DECIMAL_DIGITS && scale >= 0 && scale <= Math.min(MAX_DECIMAL_SCALE, type.precision);
}

function fraction({ column: { type } }: ColumnPlace): number {
  return type.kind === 'time' || type.kind === 'timestamp' ? type.precision : 6;
}

/** `bit(8)`, `bit` (1); `bit varying` has no fixed width. */
function bitsOf(declaration: string): number {
  const found = /^bit(?:\((\d+)\))?$/.exec(declaration);
  return found === null ? Number.POSITIVE_INFINITY : Number(found[1] ?? '1');
}

function quoted(label: string): string {
  return `'${label.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}
