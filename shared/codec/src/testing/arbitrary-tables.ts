import { type Row, UNCHANGED, type Value } from '@millrace/contract/row.js';
import type { ColumnSchema, LogicalType, TableSchema, TableVersion } from '@millrace/contract/table.js';
import fc from 'fast-check';
import { newTableVersion } from '../row-schema.js';
import { type WireType, wireTypeOf } from '../wire-type.js';

/** Identifiers that break naive quoting, splitting or name mangling. */
export const HOSTILE_IDENTIFIERS = [
  'a.b',
  '"',
  '""',
  "'",
  '`',
  ' ',
  '  x ',
  '\t',
  '\n',
  '\\',
  '$1',
  '%',
  '1',
  '1st',
  '-',
  '--',
  '/*',
  ';',
  'é',
  'ß',
  'İ',
  '名前',
  '😀',
  '\u0000',
  '\u2028',
  '\ufeff',
  '\u200b',
  'a_u0062_c',
  '_u002e_',
  '_u',
  '_u_',
  '__u0041_',
  'u0041_',
  '_U0041_',
  '_',
  '__',
  'null',
  'int',
  'string',
  'record',
  'millrace.Unchanged',
  'constructor',
  '__proto__',
  'toString',
  'hasOwnProperty',
  'select',
  'table',
  'A',
  'a',
  '\ud800',
  'x'.repeat(63),
];

export const identifier = fc.oneof(
  { weight: 3, arbitrary: fc.stringMatching(/^[a-z_][a-z0-9_]{0,12}$/) },
  { weight: 2, arbitrary: fc.constantFrom(...HOSTILE_IDENTIFIERS) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 8 }) },
);

const optionalText = fc.option(fc.string({ unit: 'binary', maxLength: 6 }));
const optionalSize = fc.option(fc.nat(1000));

const scalarType: fc.Arbitrary<LogicalType> = fc.oneof(
  fc.constantFrom<LogicalType>(
    { kind: 'boolean' },
    { kind: 'integer', bits: 16 },
    { kind: 'integer', bits: 32 },
    { kind: 'integer', bits: 64 },
    { kind: 'float', bits: 32 },
    { kind: 'float', bits: 64 },
    { kind: 'date' },
    { kind: 'interval' },
    { kind: 'uuid' },
    { kind: 'json' },
    { kind: 'other' },
  ),
  fc.record({ kind: fc.constant('decimal' as const), precision: optionalSize, scale: optionalSize }),
  fc.record({ kind: fc.constant('text' as const), maxLength: optionalSize, padded: fc.boolean() }),
  fc.record({ kind: fc.constant('bytes' as const), maxLength: optionalSize }),
  fc.record({ kind: fc.constantFrom('time' as const, 'timestamp' as const), precision: fc.nat(9), withZone: fc.boolean() }),
  fc.record({ kind: fc.constant('enum' as const), labels: fc.array(identifier, { maxLength: 3 }) }),
);

export const logicalType: fc.Arbitrary<LogicalType> = fc.oneof(
  { weight: 6, arbitrary: scalarType },
  { weight: 1, arbitrary: scalarType.map((element) => ({ kind: 'array', element }) as const) },
);

function column(name: string, ordinal: number): fc.Arbitrary<ColumnSchema> {
  return fc.record({
    name: fc.constant(name),
    ordinal: fc.constant(ordinal),
    type: logicalType,
    native: fc.record({ engine: fc.constant('postgresql'), schema: identifier, name: identifier, declaration: identifier }),
    nullable: fc.boolean(),
    generated: optionalText,
    identity: fc.constantFrom('none' as const, 'always' as const, 'by-default' as const, 'serial' as const),
    default: optionalText,
    missingValue: optionalText,
    collation: optionalText,
  });
}

export const tableSchema: fc.Arbitrary<TableSchema> = fc.uniqueArray(identifier, { maxLength: 12 }).chain((names) =>
  fc.record({
    id: fc.record({ schema: identifier, table: identifier }),
    columns: fc.tuple(...names.map((name, index) => column(name, index + 1))),
    primaryKey: fc.subarray(names),
    primaryKeyName: fc.option(identifier),
    identityColumns: fc.subarray(names),
    replicaIdentity: fc.constantFrom('key' as const, 'full' as const, 'index' as const, 'nothing' as const),
    types: fc.array(
      fc.record({
        schema: identifier,
        name: identifier,
        kind: fc.constantFrom('enum' as const, 'domain' as const, 'composite' as const, 'range' as const),
        create: identifier,
        labels: fc.array(identifier, { maxLength: 2 }),
      }),
      { maxLength: 2 },
    ),
    extensions: fc.array(identifier, { maxLength: 2 }),
  }),
);

const I64 = { min: -(2n ** 63n), max: 2n ** 63n - 1n };
const I32 = { min: -(2 ** 31), max: 2 ** 31 - 1 };
const longValue = fc.nat(10_000);
const text = fc.oneof(
  { weight: 9, arbitrary: fc.string({ unit: 'binary', maxLength: 20 }) },
  { weight: 1, arbitrary: longValue.map((length) => 'ä'.repeat(length)) },
);
const bytes = fc.oneof(
  { weight: 9, arbitrary: fc.uint8Array({ maxLength: 20 }) },
  { weight: 1, arbitrary: longValue.map((length) => new Uint8Array(length).fill(255)) },
);

const values: { readonly [wire in WireType]: fc.Arbitrary<Value> } = {
  boolean: fc.boolean(),
  int: fc.oneof(fc.integer(I32), fc.constantFrom(0, -1, 63, -64, 64, -65, I32.min, I32.max)),
  long: fc.oneof(fc.bigInt(I64), fc.constantFrom(0n, -1n, I64.min, I64.max, 2n ** 53n + 1n, -(2n ** 53n) - 1n)),
  float: fc.float(),
  double: fc.double(),
  bytes,
  string: text,
};

export function rowOf(schema: TableSchema): fc.Arbitrary<Row> {
  const columns = schema.columns.map(({ type }) =>
    fc.oneof(
      { weight: 8, arbitrary: values[wireTypeOf(type)] },
      { weight: 1, arbitrary: fc.constant(null) },
      { weight: 1, arbitrary: fc.constant(UNCHANGED) },
    ),
  );
  return fc.tuple(...columns);
}

export const tableVersion: fc.Arbitrary<TableVersion> = fc
  .tuple(tableSchema, fc.integer({ min: 1, max: I32.max }))
  .map(([schema, registryId]) => newTableVersion(schema, registryId));
