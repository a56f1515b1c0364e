import type { TableSchema } from '@millrace/contract/table.js';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type ChunkLocator, chunkCondition, formatLocator, parseLocator } from './chunk-locator.js';

const SCHEMA: TableSchema = {
  id: { schema: 's', table: 't' },
  columns: [
    {
      name: 'i"d',
      ordinal: 1,
      type: { kind: 'integer', bits: 64 },
      native: { engine: 'postgresql', schema: 'pg_catalog', name: 'int8', declaration: 'bigint' },
      nullable: false,
      generated: null,
      identity: 'none',
      default: null,
      missingValue: null,
      collation: null,
    },
  ],
  primaryKey: ['i"d'],
  primaryKeyName: null,
  identityColumns: ['i"d'],
  replicaIdentity: 'key',
  types: [],
  extensions: [],
};

test('a locator comes back from its text', () => {
  const oid = fc.nat(2 ** 31 - 1);
  const locator: fc.Arbitrary<ChunkLocator> = fc.oneof(
    fc.record({ kind: fc.constantFrom('all' as const, 'keys' as const), relation: oid }),
    fc.record({ kind: fc.constant('pages' as const), relation: oid, from: oid, to: fc.option(oid) }),
  );
  fc.assert(
    fc.property(locator, (each) => {
      expect(parseLocator(formatLocator(each))).toEqual({ ...each });
    }),
  );
});

test.each([
  '',
  'all',
  '1',
  '1 all x',
  '1 pages',
  '1 pages 5',
  '1 pages -1-2',
  "1 pages 0-1' OR true",
  '99999999999 all',
  '1 pages 1-2-3',
])('"%s" is no locator', (text) => {
  expect(() => parseLocator(text)).toThrow('cannot be found again');
});

test('a chunk is a half-open condition of the key or the pages', () => {
  const keys = { column: 'i"d', order: 'integer' as const, from: '-5', to: '9' };
  const condition = (locator: string, range = keys): string | null => chunkCondition({ index: 0, locator, keys: range }, SCHEMA);
  expect(condition('1 keys')).toBe(`"i""d" >= '-5'::bigint AND "i""d" < '9'::bigint`);
  expect(chunkCondition({ index: 0, locator: '1 keys', keys: { ...keys, from: null, to: null } }, SCHEMA)).toBeNull();
  expect(condition('1 all')).toBeNull();
  expect(condition('1 pages 0-8')).toBe(`ctid < '(8,0)'::tid`);
  expect(condition('1 pages 8-')).toBe(`ctid >= '(8,0)'::tid`);
});

test('a bound that is no integer, or a column that is not there, never reaches a statement', () => {
  const chunk = (column: string, from: string) => ({
    index: 0,
    locator: '1 keys',
    keys: { column, order: 'integer' as const, from, to: null },
  });
  expect(() => chunkCondition(chunk('i"d', '1 OR true'), SCHEMA)).toThrow('cannot be found again');
  expect(() => chunkCondition(chunk('x', '1'), SCHEMA)).toThrow('cannot be found again');
  expect(() => chunkCondition({ index: 0, locator: '1 keys', keys: null }, SCHEMA)).toThrow('cannot be found again');
});
