import { ChangeLog } from '@millrace/apply/change-log.js';
import { RowList } from '@millrace/apply/row-list.js';
import { JournalScript, tableVersion } from '@millrace/apply/testing/blocks.js';
import type { Value } from '@millrace/contract/row.js';
import type { LogicalType } from '@millrace/contract/table.js';
import { createDatabase, type TestDatabase } from '@millrace/testkit/servers.js';
import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CopyBinary, copyIn } from './copy-binary.js';
import { copyStatement, insertStatement } from './statements.js';
import { readTargetTable } from './target-catalog.js';
import { ArrayParameters } from './unnest.js';
import { writePlanOf } from './write-plan.js';

const timestamp = { kind: 'timestamp', precision: 6, withZone: false } as const;
const text = { kind: 'text', maxLength: null, padded: false } as const;
const decimal = { kind: 'decimal', precision: null, scale: null } as const;
const other = { kind: 'other' } as const;

interface Case {
  readonly declaration: string;
  readonly type: LogicalType;
  readonly values: readonly Value[];
  /** Has a binary form, so that COPY takes it. */
  readonly binary?: false;
}

const CASES: readonly Case[] = [
  { declaration: 'boolean', type: { kind: 'boolean' }, values: [true, false, null] },
  { declaration: 'smallint', type: { kind: 'integer', bits: 16 }, values: [0, -32768, 32767, null] },
  { declaration: 'integer', type: { kind: 'integer', bits: 32 }, values: [0, -1, 2147483647, -2147483648, null] },
  {
    declaration: 'bigint',
    type: { kind: 'integer', bits: 64 },
    values: [0n, -1n, 9007199254740993n, 9223372036854775807n, -9223372036854775808n, 4294967296n, null],
  },
  { declaration: 'bigint', type: { kind: 'integer', bits: 32 }, values: [0, -1, 2147483647, -2147483648] },
  { declaration: 'numeric', type: { kind: 'integer', bits: 64 }, values: [-9223372036854775808n, 5n], binary: false },
  {
    declaration: 'real',
    type: { kind: 'float', bits: 32 },
    values: [0, -0, Math.fround(0.1), Number.NaN, Infinity, -Infinity, Math.fround(3.4028235e38), Math.fround(1e-45), null],
  },
  {
    declaration: 'double precision',
    type: { kind: 'float', bits: 64 },
    values: [0, -0, 0.1, Number.NaN, Infinity, -Infinity, Number.MAX_VALUE, Number.MIN_VALUE, 1e22, null],
  },
  { declaration: 'text', type: text, values: ['', ' ', 'ü', '😀', '\\N', '\t\n\r', 'a'.repeat(100_000), 'NULL', '{}', null] },
  { declaration: 'varchar(5)', type: text, values: ['', 'äöüßé', '  x  '] },
  { declaration: 'char(4)', type: text, values: ['    ', 'ab  ', 'é   '] },
  { declaration: 'name', type: text, values: ['', 'a"b'] },
  { declaration: '"char"', type: other, values: ['a', ' '], binary: false },
  {
    declaration: 'bytea',
    type: { kind: 'bytes', maxLength: null },
    values: [new Uint8Array(0), new Uint8Array([0, 255, 92, 120]), new Uint8Array(70_000).fill(7), null],
  },
  {
    declaration: 'uuid',
    type: { kind: 'uuid' },
    values: [
      '00000000-0000-0000-0000-000000000000',
      'ffffffff-ffff-ffff-ffff-ffffffffffff',
      'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
      null,
    ],
  },
  { declaration: 'json', type: { kind: 'json' }, values: ['{"a": 1,  "a":2}', '12345678901234567890123.10', '""', null] },
  { declaration: 'jsonb', type: { kind: 'json' }, values: ['{"a": 2}', '12345678901234567890123.10', '[]', '"\\u00e9"', null] },
  {
    declaration: 'numeric',
    type: decimal,
    values: [
      '0',
      '0.0',
      '0.00000',
      '1',
      '-1',
      '10000',
      '9999',
      '10000.0000',
      '1.00',
      '0.0001',
      '0.00001',
      '-0.00001',
      '12345.678901',
      '100000000',
      'NaN',
      'Infinity',
      '-Infinity',
      '9'.repeat(300),
      `-${'9'.repeat(131_072)}`,
      `0.${'0'.repeat(16_382)}1`,
      `1${'0'.repeat(40)}.${'0'.repeat(40)}1`,
      '0.50',
      '1000000000000.0001',
      null,
    ],
  },
  { declaration: 'numeric(10,2)', type: decimal, values: ['0.00', '-99999999.99', '12345678.90', 'NaN'] },
  {
    declaration: 'date',
    type: { kind: 'date' },
    values: [
      '2000-01-01',
      '1999-12-31',
      '0001-01-01',
      '4713-11-24 BC',
      '0001-02-28 BC',
      '0005-02-29 BC',
      '2024-02-29',
      '1900-02-28',
      '9999-12-31',
      '10000-01-01',
      '5874897-12-31',
      'infinity',
      '-infinity',
      null,
    ],
  },
  {
    declaration: 'time',
    type: { kind: 'time', precision: 6, withZone: false },
    values: ['00:00:00', '24:00:00', '23:59:59.999999', '12:34:56.7', '00:00:00.000001', null],
  },
  {
    declaration: 'timetz',
    type: { kind: 'time', precision: 6, withZone: true },
    values: ['00:00:00+00', '24:00:00-15:59', '12:34:56.789+05:30', '23:59:59.999999-12:34:56', '10:00:00+15:59:59', null],
  },
  {
    declaration: 'timestamp',
    type: timestamp,
    values: [
      '2000-01-01 00:00:00',
      '1999-12-31 23:59:59.999999',
      '4713-11-24 00:00:00 BC',
      '294276-12-31 23:59:59.999999',
      '0001-12-31 23:59:59.5 BC',
      '2284-10-10 12:00:00.000001',
      '1714-01-01 00:00:00.000001',
      '1969-12-31 23:59:59.1',
      'infinity',
      '-infinity',
      null,
    ],
  },
  {
    declaration: 'timestamptz',
    type: { kind: 'timestamp', precision: 6, withZone: true },
    values: [
      '2000-01-01 00:00:00+00',
      '1999-12-31 23:59:59.999999+05:30',
      '4713-11-24 00:00:00+00 BC',
      '294276-12-31 23:59:59.999999+00',
      '0044-03-15 12:00:00-07:52:58 BC',
      '2024-06-30 23:30:00-11',
      'infinity',
      '-infinity',
      null,
    ],
  },
  {
    declaration: 'interval',
    type: { kind: 'interval' },
    values: ['1 year 2 mons -3 days +04:05:06.789', '-178000000 years', '00:00:00', null],
    binary: false,
  },
  { declaration: 'bit(5)', type: other, values: ['10101', '00000'], binary: false },
  { declaration: 'bit varying(5)', type: other, values: ['', '1'], binary: false },
  {
    declaration: 'integer[]',
    type: { kind: 'array', element: { kind: 'integer', bits: 32 } },
    values: ['{}', '{{1,2},{3,NULL}}', '[0:1]={1,2}', null],
    binary: false,
  },
  {
    declaration: 'text[]',
    type: { kind: 'array', element: text },
    values: ['{NULL,"NULL",""}', '{"a,b","c\\"d"}'],
    binary: false,
  },
  { declaration: 'inet', type: other, values: ['192.168.0.1/24', '::1', null], binary: false },
  { declaration: 'point', type: other, values: ['(1.5,-0)', '(NaN,Infinity)'], binary: false },
  { declaration: 'tstzrange', type: other, values: ['["2000-01-01 00:00:00+00",infinity)', 'empty'], binary: false },
  { declaration: 'xml', type: other, values: ['<a>é</a>', ''], binary: false },
  { declaration: 'money', type: other, values: ['$1,234.56', '-$0.01'], binary: false },
  { declaration: 'tsvector', type: other, values: ["'a':1 'b':2A"], binary: false },
  { declaration: 'oid', type: other, values: ['4294967295', '0'], binary: false },
  { declaration: 'mood', type: { kind: 'enum', labels: [] }, values: ['sad', 'ha"p\'py', null] },
  { declaration: 'positive', type: { kind: 'integer', bits: 32 }, values: [1, 77, null] },
  { declaration: 'pair', type: other, values: ['(1,"a,b")', '(,)'], binary: false },
  { declaration: 'citext', type: other, values: ['MiXed', 'ß', null] },
];

let database: TestDatabase;
let client: pg.Client;

beforeAll(async () => {
  database = await createDatabase();
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await client.query("SET timezone = 'UTC'");
  await client.query(
    "CREATE EXTENSION citext; CREATE TYPE mood AS ENUM ('sad', 'ha\"p''py'); CREATE DOMAIN positive AS integer CHECK (VALUE > 0); CREATE TYPE pair AS (a integer, b text)",
  );
});
afterAll(async () => {
  await client.end();
  await database[Symbol.asyncDispose]();
});

/** What the values are as text once they were written to a new table by COPY BINARY or by unnest. */
async function written({ declaration, type, values }: Case, way: 'copy' | 'unnest'): Promise<(string | null)[]> {
  await client.query(`DROP TABLE IF EXISTS target; CREATE TABLE target (n integer, v ${declaration})`);
  const version = tableVersion(
    { schema: 'public', table: 'target' },
    [
      { name: 'n', type: { kind: 'integer', bits: 32 }, declaration: 'integer' },
      { name: 'v', type, declaration },
    ],
    ['n'],
  );
  const log = new ChangeLog();
  log.add(
    new JournalScript().transaction(values.map((value, index) => ({ kind: 'insert', table: version, after: [index, value] }))),
  );
  const rows = new RowList();
  for (let index = 0; index < log.length; index++)
    rows.push(log.sources.at(index), log.afterStarts.at(index), log.afterEnds.at(index));
  const table = await readTargetTable(client, version.schema.id);
  if (table === undefined) throw new Error('no table');
  const plan = writePlanOf(version, { ...table, suspended: false });
  if ('missing' in plan) throw new Error(plan.missing);
  if (way === 'copy') {
    expect(await copyIn(client, copyStatement(plan), [new CopyBinary().encode(plan, log, rows)])).toBe(values.length);
  } else {
    const statement = insertStatement(plan);
    const { rowCount } = await client.query(statement.text, new ArrayParameters().encode(plan, statement, log, rows));
    expect(rowCount).toBe(values.length);
  }
  const result = await client.query<{ v: string | null }>('SELECT v::text AS v FROM target ORDER BY n');
  return result.rows.map(({ v }) => v);
}

/** What PostgreSQL itself makes of the values' text. */
async function expected({ declaration, values, type }: Case): Promise<(string | null)[]> {
  const texts = values.map((value) => {
    if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString('hex')}`;
    if (value === null || typeof value === 'symbol') return null;
    return Object.is(value, -0) ? '-0' : String(value);
  });
  await client.query(`DROP TABLE IF EXISTS reference; CREATE TABLE reference (n serial, v ${declaration})`);
  const cast = type.kind === 'text' ? 'pg_catalog.text' : declaration;
  for (const value of texts) await client.query(`INSERT INTO reference (v) VALUES ($1::${cast})`, [value]);
  const result = await client.query<{ v: string | null }>('SELECT v::text AS v FROM reference ORDER BY n');
  return result.rows.map(({ v }) => v);
}

describe('#37 #38 #39 #40 every value arrives as PostgreSQL itself would read it', () => {
  test.each(CASES)('$declaration ($type.kind) by unnest', async (example) => {
    expect(await written(example, 'unnest')).toEqual(await expected(example));
  });
  test.each(CASES.filter(({ binary }) => binary !== false))('$declaration ($type.kind) by COPY BINARY', async (example) => {
    expect(await written(example, 'copy')).toEqual(await expected(example));
  });
});

const digits = (min: number, max: number) =>
  fc.stringMatching(/^[0-9]*$/).filter((value) => value.length >= min && value.length <= max);

describe('any value arrives as PostgreSQL itself would read it', () => {
  const arbitraries: readonly (readonly [string, LogicalType, fc.Arbitrary<Value>])[] = [
    [
      'numeric',
      decimal,
      fc
        .tuple(fc.constantFrom('', '-'), digits(1, 30), digits(0, 20))
        .map(([sign, whole, part]) => `${sign}${whole}${part === '' ? '' : `.${part}`}`),
    ],
    ['bigint', { kind: 'integer', bits: 64 }, fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n })],
    ['double precision', { kind: 'float', bits: 64 }, fc.double()],
    ['real', { kind: 'float', bits: 32 }, fc.float()],
    [
      'timestamp',
      timestamp,
      fc.bigInt({ min: -211_813_488_000_000_000n, max: 9_223_371_331_199_999_999n }).map((micros) => `${micros}`),
    ],
    ['text', text, fc.string({ unit: 'grapheme' }).map((value) => value.replaceAll('\0', ''))],
  ];
  test.each(arbitraries)('%s', async (declaration, type, arbitrary) => {
    let values = fc.sample(arbitrary, 500);
    if (declaration === 'timestamp') {
      const { rows } = await client.query<{ v: string }>(
        "SELECT ('2000-01-01'::timestamp + make_interval(secs => 0) + (m / 86400000000) * interval '1 day' + (m % 86400000000) * interval '1 microsecond')::text AS v FROM unnest($1::bigint[]) AS m",
        [values],
      );
      values = rows.map(({ v }) => v);
    }
    const example = { declaration, type, values };
    const reference = await client.query<{ v: string }>(
      `SELECT v::${declaration}::text AS v FROM unnest($1::text[]) WITH ORDINALITY AS u(v, n) ORDER BY n`,
      [values.map((value) => (Object.is(value, -0) ? '-0' : String(value)))],
    );
    const wanted = reference.rows.map(({ v }) => v);
    expect(await written(example, 'unnest')).toEqual(wanted);
    expect(await written(example, 'copy')).toEqual(wanted);
  });
});
