import { fc, test } from '@fast-check/vitest';
import type { TableSchema } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { describe, expect } from 'vitest';
import { avroNameOf, identifierOf } from './avro-name.js';
import { fingerprintOf } from './fingerprint.js';
import { decodeRow, encodeRow } from './row-reader.js';
import { newTableVersion, rowSchemaJson, tableSchemaOf, tableVersionOf } from './row-schema.js';
import { HOSTILE_IDENTIFIERS, identifier, rowOf, tableSchema } from './testing/arbitrary-tables.js';
import { oracleOf } from './testing/avro-oracle.js';
import { avroRowOf } from './testing/avro-row.js';
import { plainTable } from './testing/plain-tables.js';

describe('Avro names', () => {
  test.prop([fc.oneof(identifier, fc.string({ unit: fc.constantFrom('_', 'u', '0', '4', '1', 'f', '-', 'é') }))])(
    'any identifier becomes a valid Avro name and comes back from it',
    (name) => {
      expect(avroNameOf(name)).toMatch(/^[A-Za-z_][A-Za-z0-9_]*$/);
      expect(identifierOf(avroNameOf(name))).toBe(name);
    },
  );

  test('hostile identifiers have names of their own', () => {
    expect(new Set(HOSTILE_IDENTIFIERS.map(avroNameOf)).size).toBe(HOSTILE_IDENTIFIERS.length);
  });
});

describe('row schema', () => {
  test.prop([tableSchema])('the whole table schema comes back from the registered text', (schema) => {
    expect(tableSchemaOf(rowSchemaJson(schema))).toEqual(schema);
    expect(fingerprintOf(tableSchemaOf(rowSchemaJson(schema)))).toBe(fingerprintOf(schema));
  });

  test.prop([tableSchema])('any Avro library accepts it', (schema) => {
    expect(() => oracleOf(rowSchemaJson(schema))).not.toThrow();
  });

  test.prop([tableSchema.chain((schema) => fc.tuple(fc.constant(schema), rowOf(schema)))])(
    'a row image is byte for byte what avsc writes, and reads back as the same row',
    ([schema, row]) => {
      const version = newTableVersion(schema, 7);
      const image = encodeRow(version, row);
      const expected = oracleOf(rowSchemaJson(schema)).encode(avroRowOf(version, row));
      expect(Buffer.from(image).equals(expected)).toBe(true);
      expect(decodeRow(version, image, 0, image.length)).toEqual(row);
    },
  );

  test.each([0, 1, 1600])('a table of %i columns is a table like any other', (count) => {
    const columns = Object.fromEntries(
      Array.from({ length: count }, (_, index) => [`c${index}`, { kind: 'integer', bits: 64 } as const]),
    );
    const schema = plainTable('wide', columns);
    const version = newTableVersion(schema, 1);
    const row = schema.columns.map(({ ordinal }) => (ordinal % 3 === 0 ? null : BigInt(ordinal) << 40n));
    const image = encodeRow(version, row);
    expect(tableSchemaOf(rowSchemaJson(schema))).toEqual(schema);
    expect(decodeRow(version, image, 0, image.length)).toEqual(row);
    expect(Buffer.from(image).equals(oracleOf(rowSchemaJson(schema)).encode(avroRowOf(version, row)))).toBe(true);
  });

  test('a fingerprint does not depend on the order in which a process wrote the attributes, and differs for any change', () => {
    const schema = plainTable('t', { id: { kind: 'integer', bits: 32 }, name: { kind: 'text', maxLength: 10, padded: false } });
    const reversed: TableSchema = Object.assign(
      {},
      ...Object.entries(schema)
        .reverse()
        .map(([key, value]) => ({ [key]: value })),
    );
    expect(Object.keys(reversed)).not.toEqual(Object.keys(schema));
    expect(fingerprintOf(reversed)).toBe(fingerprintOf(schema));
    expect(fingerprintOf({ ...schema, primaryKey: [] })).not.toBe(fingerprintOf(schema));
  });

  test.each([
    ['text that is not JSON', 'garbage'],
    ['the schema of another program', '{"type":"record","name":"x","fields":[]}'],
    [
      'an attribute of a newer version',
      rowSchemaJson(plainTable('t', {})).replace('"millrace":{', '"millrace":{"partitioning":"hash",'),
    ],
  ])('%s in the registry is refused', (_what, json) => {
    expect(() => tableSchemaOf(json)).toThrow(expect.objectContaining({ code: 'SCHEMA_UNREADABLE' }));
  });

  test('a schema under another id than the journal says is refused', () => {
    const [written, found] = [plainTable('a', {}), plainTable('b', {})];
    expect(() => tableVersionOf(3, fingerprintOf(written), rowSchemaJson(found))).toThrow(MillraceError);
    expect(tableVersionOf(3, fingerprintOf(found), rowSchemaJson(found))).toEqual(newTableVersion(found, 3));
  });
});
