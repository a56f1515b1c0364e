import type { LogicalType } from '@millrace/contract/table.js';
import { type ColumnPlace, plainType, type TargetType, type TypeRule } from './rule.js';

const always = (name: string, declaration?: string) => (): TargetType => plainType(name, declaration);

/** MySQL's and MariaDB's types in PostgreSQL. DMS's page "Using a PostgreSQL database as a target" differs where it is not exact. */
export const MYSQL_TO_POSTGRESQL: readonly TypeRule[] = [
  {
    names: ['tinyint', 'smallint', 'year'],
    when: isInteger(16),
    shown: 'tinyint, tinyint unsigned, smallint, year',
    becomes: 'smallint',
    fidelity: 'widens',
    note: 'tinyint(1) too: whether 2 means true is not for us to say. A rule change-data-type to boolean makes it one.',
    to: always('int2', 'smallint'),
  },
  {
    names: ['smallint', 'mediumint', 'int'],
    when: isInteger(32),
    shown: 'smallint unsigned, mediumint, mediumint unsigned, int',
    becomes: 'integer',
    fidelity: 'widens',
    note: '',
    to: always('int4', 'integer'),
  },
  {
    names: ['int', 'bigint'],
    when: isInteger(64),
    shown: 'int unsigned, bigint',
    becomes: 'bigint',
    fidelity: 'widens',
    note: '',
    to: always('int8', 'bigint'),
  },
  {
    names: ['bigint', 'decimal'],
    shown: 'bigint unsigned, decimal(p,s)',
    becomes: 'numeric(20,0), numeric(p,s)',
    fidelity: 'exact',
    note: 'A signed numeric(20,0) holds every unsigned 64-bit number.',
    to: ({ column: { type } }) => {
      const { precision, scale } = type.kind === 'decimal' ? type : { precision: 20, scale: 0 };
      return plainType('numeric', precision === null ? 'numeric' : `numeric(${precision},${scale ?? 0})`);
    },
  },
  {
    names: ['float', 'double'],
    when: ({ column: { type } }) => type.kind === 'float',
    shown: 'float, double',
    becomes: 'real, double precision',
    fidelity: 'exact',
    note: 'The same bits.',
    to: ({ column: { type } }) =>
      type.kind === 'float' && type.bits === 32 ? plainType('float4', 'real') : plainType('float8', 'double precision'),
  },
  {
    names: ['char', 'varchar'],
    shown: 'char(n), varchar(n)',
    becomes: 'character varying(n)',
    fidelity: 'refuses',
    note: 'MySQL gives a char back without its trailing spaces, so it needs no padding. A text with U+0000 in it is refused: PostgreSQL has none.',
    to: ({ column: { type } }) => {
      const length = Math.max(1, type.kind === 'text' ? (type.maxLength ?? 65_535) : 65_535);
      return plainType('varchar', `character varying(${length})`);
    },
  },
  {
    names: ['tinytext', 'text', 'mediumtext', 'longtext', 'set', 'inet4', 'inet6'],
    when: ({ column: { type } }) => type.kind !== 'json',
    shown: 'tinytext, text, mediumtext, longtext, set, inet4, inet6',
    becomes: 'text',
    fidelity: 'refuses',
    note: 'A set is its members, joined by commas. A text with U+0000 in it is refused: PostgreSQL has none.',
    to: always('text'),
  },
  {
    names: [
      ...['binary', 'varbinary', 'tinyblob', 'blob', 'mediumblob', 'longblob'],
      ...['geometry', 'point', 'linestring', 'polygon', 'multipoint', 'multilinestring', 'multipolygon', 'geometrycollection'],
      'geomcollection',
    ],
    shown: 'binary(n), varbinary(n), …blob, geometry and its kinds',
    becomes: 'bytea',
    fidelity: 'widens',
    note: 'A geometry is the bytes that MySQL keeps: its SRID as four bytes, little-endian, and its WKB.',
    to: always('bytea'),
  },
  {
    names: ['date'],
    shown: 'date',
    becomes: 'date',
    fidelity: 'refuses',
    note: 'Zero and partial dates (0000-00-00, 2024-05-00) are refused: PostgreSQL has none. A rule change-data-type to string keeps them.',
    to: always('date'),
  },
  {
    names: ['datetime'],
    shown: 'datetime(n)',
    becomes: 'timestamp(n) without time zone',
    fidelity: 'refuses',
    note: 'Zero and partial dates as for date.',
    to: (place) => plainType('timestamp', `timestamp(${fraction(place)}) without time zone`),
  },
  {
    names: ['timestamp'],
    shown: 'timestamp(n)',
    becomes: 'timestamp(n) with time zone',
    fidelity: 'refuses',
    note: 'The same moment, whatever the zone of any session. The zero timestamp is refused.',
    to: (place) => plainType('timestamptz', `timestamp(${fraction(place)}) with time zone`),
  },
  {
    names: ['time'],
    shown: 'time(n)',
    becomes: 'time(n) without time zone',
    fidelity: 'refuses',
    note: "MySQL's time is a duration of up to 838 hours; one that is no time of the day is refused. A rule change-data-type to string keeps it.",
    to: (place) => plainType('time', `time(${fraction(place)}) without time zone`),
  },
  {
    names: ['bit'],
    shown: 'bit(n)',
    becomes: 'bit(n)',
    fidelity: 'exact',
    note: '',
    to: ({ column: { native } }) => plainType('bit', `bit(${/\((\d+)\)/.exec(native.declaration)?.[1] ?? '1'})`),
  },
  {
    names: ['enum'],
    shown: "enum('a','b')",
    becomes: 'an enum type "database"."table_column"',
    fidelity: 'refuses',
    note: "The labels in their order. MySQL's error value, an empty text that is no label, is refused.",
    // The type's name is the table's to give (convert-table.ts).
    to: always('enum'),
  },
  {
    names: ['json', 'longtext'],
    shown: 'json',
    becomes: 'json',
    fidelity: 'exact',
    note: 'The text as the server prints it; jsonb would write its numbers anew.',
    to: always('json'),
  },
  {
    names: ['uuid'],
    shown: 'uuid',
    becomes: 'uuid',
    fidelity: 'exact',
    note: '',
    to: always('uuid'),
  },
  {
    kinds: ['bytes'],
    shown: 'types that travel as bytes (vector)',
    becomes: 'bytea',
    fidelity: 'widens',
    note: '',
    to: always('bytea'),
  },
  {
    shown: 'whatever has no line of its own',
    becomes: 'text',
    fidelity: 'widens',
    note: "The source's own text.",
    to: always('text'),
  },
];

/** Fraction digits, which an engine writes in the declaration where there are some. */
function fraction({ column: { type } }: ColumnPlace): number {
  return type.kind === 'time' || type.kind === 'timestamp' ? type.precision : 0;
}

function isInteger(bits: 16 | 32 | 64): (place: ColumnPlace) => boolean {
  return ({ column }) => isIntegerOf(column.type, bits);
}

function isIntegerOf(type: LogicalType, bits: 16 | 32 | 64): boolean {
  return type.kind === 'integer' && type.bits === bits;
}
