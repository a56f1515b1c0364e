import type { ColumnSchema, LogicalType, TableSchema } from '@millrace/contract/table.js';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type ChunkAbilities, planChunks, type RelationStatistics } from './chunk-plan.js';

const SIZE = { rows: 50_000, bytes: 16 << 20 };
const CAN: ChunkAbilities = { pageRanges: true, bytewiseC: true, bytewiseDefault: false };
const LARGE: RelationStatistics = { pages: 30_000, bytes: 250 << 20, rows: 1_000_000, correlation: 1, mostCommon: 0 };

const INTEGER: LogicalType = { kind: 'integer', bits: 64 };
const TEXT: LogicalType = { kind: 'text', maxLength: null, padded: false };

function table(key: readonly (Partial<ColumnSchema> & { readonly type: LogicalType })[]): TableSchema {
  const columns = key.map(
    (column, index): ColumnSchema => ({
      name: `k${index}`,
      ordinal: index + 1,
      native: { engine: 'postgresql', schema: 'pg_catalog', name: 'text', declaration: 'text' },
      nullable: false,
      generated: null,
      identity: 'none',
      default: null,
      missingValue: null,
      collation: null,
      ...column,
    }),
  );
  const primaryKey = columns.map((column) => column.name);
  return {
    id: { schema: 's', table: 't' },
    columns,
    primaryKey,
    primaryKeyName: null,
    identityColumns: primaryKey,
    replicaIdentity: 'key',
    types: [],
    extensions: [],
  };
}

test.each<
  readonly [
    what: string,
    schema: TableSchema,
    statistics: Partial<RelationStatistics>,
    can: Partial<ChunkAbilities>,
    expected: string,
  ]
>([
  ['a serial key', table([{ type: INTEGER }]), {}, {}, 'keys'],
  ['a serial key never analysed', table([{ type: INTEGER }]), { rows: -1, correlation: null, mostCommon: null }, {}, 'keys'],
  ['keys handed out downwards', table([{ type: INTEGER }]), { correlation: -0.99 }, {}, 'keys'],
  ['random integers', table([{ type: INTEGER }]), { correlation: 0.01 }, {}, 'pages'],
  ['random integers without TID range scans', table([{ type: INTEGER }]), { correlation: 0.01 }, { pageRanges: false }, 'keys'],
  ['uuids never analysed', table([{ type: { kind: 'uuid' } }]), { correlation: null, mostCommon: null }, {}, 'pages'],
  ['uuids of version 7', table([{ type: { kind: 'uuid' } }]), { correlation: 0.999 }, {}, 'keys'],
  ['a text of another collation', table([{ type: TEXT }]), {}, {}, 'pages'],
  ['a text of collation C', table([{ type: TEXT, collation: 'pg_catalog."C"' }]), {}, {}, 'keys'],
  ['a text of collation C in LATIN2', table([{ type: TEXT, collation: 'pg_catalog."C"' }]), {}, { bytewiseC: false }, 'pages'],
  ['a text in a database of collation C', table([{ type: TEXT }]), {}, { bytewiseDefault: true }, 'keys'],
  ['no key', table([]), {}, {}, 'pages'],
  ['no key without TID range scans', table([]), {}, { pageRanges: false }, 'all'],
  ['a long key, even', table([{ type: INTEGER }, { type: INTEGER }]), { mostCommon: 0.01 }, {}, 'keys'],
  ['a long key with one huge first value', table([{ type: INTEGER }, { type: INTEGER }]), { mostCommon: 0.9 }, {}, 'pages'],
  ['a long key nobody knows about', table([{ type: INTEGER }, { type: INTEGER }]), { mostCommon: null }, {}, 'pages'],
  ['a small table', table([{ type: INTEGER }]), { bytes: 1 << 20, rows: 4_000, pages: 128 }, {}, 'all'],
  ['few rows, many bytes', table([{ type: INTEGER }]), { rows: 1_000, pages: 8, bytes: 1 << 30 }, {}, 'keys'],
])('%s', (_, schema, statistics, can, expected) => {
  expect(planChunks(schema, { ...LARGE, ...statistics }, SIZE, { ...CAN, ...can }).kind).toBe(expected);
});

test('a chunk is never empty and never plans for more than its size', () => {
  const statistics = fc.record({
    pages: fc.nat(1 << 30),
    bytes: fc.nat({ max: 2 ** 45 }),
    rows: fc.oneof(fc.constant(-1), fc.constant(0), fc.nat(2 ** 31 - 1)),
    correlation: fc.option(fc.double({ min: -1, max: 1, noNaN: true })),
    mostCommon: fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
  });
  fc.assert(
    fc.property(statistics, fc.constantFrom(table([{ type: INTEGER }]), table([])), (each, schema) => {
      const plan = planChunks(schema, each, SIZE, CAN);
      if (plan.kind === 'keys') expect(plan.rowsPerChunk >= 1 && plan.rowsPerChunk <= SIZE.rows).toBe(true);
      if (plan.kind === 'pages') expect(Number.isInteger(plan.pagesPerChunk) && plan.pagesPerChunk >= 1).toBe(true);
    }),
  );
});
