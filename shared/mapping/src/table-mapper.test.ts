import { UNCHANGED, type Value } from '@millrace/contract/row.js';
import type { LogicalType, TableSchema } from '@millrace/contract/table.js';
import { describe, expect, test } from 'vitest';
import {
  addColumn,
  change,
  load,
  locate,
  mapper,
  names,
  ORIGIN,
  onColumn,
  onSchema,
  onTable,
  refused,
} from './testing/mapping-rules.js';
import { column, DECIMAL, fullTable, INT, LONG, TEXT, TIMESTAMP, TIMESTAMPTZ, table } from './testing/tables.js';

describe('names', () => {
  test('without rules a table stays what it is, and its rows are the same objects', () => {
    const schema = table({ id: INT });
    const mapped = mapper().mapTable(schema);
    expect(mapped).toMatchObject({ kind: 'identity', target: schema, filter: null });
    const row = [1];
    expect(mapped.mapRow(row, ORIGIN)).toBe(row);
  });

  test.each([
    [[onTable('rename', { value: 'u' }, 't')], 'u'],
    [[onTable('add-prefix', { value: 'pre_' })], 'pre_t'],
    [[onTable('add-suffix', { value: '_x' })], 't_x'],
    [[onTable('remove-prefix', { value: 't' }), onTable('rename', { value: 'u' })], null],
    [[onTable('remove-suffix', { value: '_DMS' }), onTable('convert-uppercase')], 'T'],
    [[onTable('replace-prefix', { value: 'New', 'old-value': 't' })], 'New'],
    [[onTable('replace-suffix', { value: 'New', 'old-value': 'x' }), onTable('rename', { value: 'u' })], 'u'],
    [[onTable('rename', { value: 'first' }), onTable('rename', { value: 'second' })], 'first'],
    [[onTable('rename', { expression: "$AR_M_SOURCE_SCHEMA || '_' || $AR_M_SOURCE_TABLE_NAME" })], 'public_t'],
  ])('%j gives %s', (rules, expected) => {
    const one = mapper(...rules);
    if (expected === null)
      expect(() => one.mapTable(table({ id: INT }))).toThrow(refused('MAPPING_RULE_NOT_APPLICABLE', 'leaves no name'));
    else expect(one.mapTable(table({ id: INT })).target.id).toEqual({ schema: 'public', table: expected });
  });

  test('schema, table and columns are renamed each by its own rule, key and identity with them; rows keep their bytes', () => {
    const mapped = mapper(
      onSchema('rename', { value: 'dr' }),
      onTable('add-prefix', { value: 'x_' }),
      onColumn('convert-uppercase', '%'),
    ).mapTable(table({ id: INT, note: TEXT }));
    expect(mapped.kind).toBe('rename');
    expect(mapped.target).toMatchObject({ id: { schema: 'dr', table: 'x_t' }, primaryKey: ['ID'], identityColumns: ['ID'] });
    expect(names(mapped.target)).toEqual(['ID', 'NOTE']);
    expect(mapped.source.id).toEqual({ schema: 'public', table: 't' });
  });

  test('locators are case-sensitive and name the source', () => {
    const one = mapper(
      onColumn('rename', 'Note', { value: 'x' }),
      onTable('rename', { value: 'u' }, 't'),
      onColumn('rename', 'note', { value: 'n' }),
    );
    expect(names(one.mapTable(table({ id: INT, note: TEXT })).target)).toEqual(['id', 'n']);
  });

  test('two tables with one target name are refused, naming both; a forgotten one frees its name', () => {
    const one = mapper(onTable('rename', { value: 'u' }));
    one.mapTable(table({ id: INT }));
    one.mapTable(table({ id: INT, added: INT }));
    const other = table({ id: INT }, { id: { schema: 'public', table: 'b' } });
    expect(() => one.mapTable(other)).toThrow(
      refused('MAPPING_COLLISION', 'public.t and public.b would both be written to public.u (rule 2)'),
    );
    expect(one.preview(other).target.id.table).toBe('u');
    expect(() => one.mapTable(other)).toThrow(refused('MAPPING_COLLISION', 'public.t and public.b'));
    one.forget({ schema: 'public', table: 't' });
    expect(one.mapTable(other).target.id.table).toBe('u');
  });

  test('two columns with one name are refused, naming both', () => {
    expect(() => mapper(onColumn('rename', 'note', { value: 'id' })).mapTable(table({ id: INT, note: TEXT }))).toThrow(
      refused('MAPPING_COLUMN_COLLISION', 'column "id" and column "note" (rule 2) would both become column "id"'),
    );
    expect(() => mapper(addColumn('id', "'x'")).mapTable(table({ id: INT }))).toThrow(
      refused('MAPPING_COLUMN_COLLISION', 'the column that rule 2 adds'),
    );
  });

  test('a generated column whose expression names a renamed column is refused', () => {
    const schema = table({ id: INT, net: INT });
    const generated = { ...schema, columns: [...schema.columns, column('gross', INT, { ordinal: 3, generated: '(net * 2)' })] };
    expect(() => mapper(onColumn('rename', 'net', { value: 'n' })).mapTable(generated)).toThrow(
      refused('MAPPING_RULE_NOT_APPLICABLE', 'the generated column "gross"'),
    );
    expect(names(mapper(onColumn('rename', 'gross', { value: 'g' })).mapTable(generated).target)).toEqual(['id', 'net', 'g']);
  });
});

describe('columns', () => {
  test('remove-column takes columns out of schema and rows', () => {
    const one = mapper(onColumn('remove-column', 'col%'));
    const schema = table({ id: INT, col1: TEXT, note: TEXT });
    expect(names(one.mapTable(schema).target)).toEqual(['id', 'note']);
    expect(one.mapTable(schema).kind).toBe('rows');
    expect(load(one, schema, [1, 'secret', 'x'])).toEqual([1, 'x']);
    expect(change(one, schema, { kind: 'update', before: null, after: [1, 'secret', UNCHANGED] })).toEqual({
      kind: 'update',
      before: null,
      after: [1, UNCHANGED],
    });
    expect(change(one, schema, { kind: 'delete', before: [1, UNCHANGED, UNCHANGED], after: null })).toEqual({
      kind: 'delete',
      before: [1, UNCHANGED],
      after: null,
    });
  });

  test('include-column drops all others', () => {
    const schema = table({ id: INT, a: TEXT, b: TEXT });
    expect(names(mapper(onColumn('include-column', 'id'), onColumn('include-column', 'b')).mapTable(schema).target)).toEqual([
      'id',
      'b',
    ]);
  });

  test('a key column cannot be left out, unless another key is defined', () => {
    const schema = fullTable({ id: INT, code: TEXT });
    expect(() => mapper(onColumn('remove-column', 'id')).mapTable(schema)).toThrow(
      refused('MAPPING_RULE_NOT_APPLICABLE', 'it leaves out "id", a column of the primary key'),
    );
    const key = { ...onTable('define-primary-key', { 'primary-key-def': { name: 'k', columns: ['code'] } }, 't') };
    expect(mapper(onColumn('remove-column', 'id'), key).mapTable(schema).target).toMatchObject({
      primaryKey: ['code'],
      primaryKeyName: 'k',
      identityColumns: ['code'],
    });
  });

  test('define-primary-key is refused where a column is missing or the log does not carry its old values', () => {
    const key = (...columns: string[]) =>
      mapper(onTable('define-primary-key', { 'primary-key-def': { name: 'k', columns } }, 't'));
    expect(() => key('x').mapTable(fullTable({ id: INT }))).toThrow(refused('MAPPING_RULE_NOT_APPLICABLE', 'no column "x"'));
    expect(() => key('code').mapTable(table({ id: INT, code: TEXT }))).toThrow(
      refused('MAPPING_RULE_NOT_APPLICABLE', 'REPLICA IDENTITY FULL'),
    );
  });

  test('a data-type in the locator narrows a rule to columns of that type', () => {
    const rule = {
      'rule-target': 'column',
      'rule-action': 'change-data-type',
      'object-locator': { ...locate({ table: '%', column: '%' }), 'data-type': 'int4' },
      'data-type': { type: 'int8' },
    };
    expect(
      mapper(rule)
        .mapTable(table({ id: INT, n: LONG, note: TEXT }))
        .target.columns.map((one) => one.native.declaration),
    ).toEqual(['bigint', 'integer', 'text']);
  });

  const retyped = (from: LogicalType, type: object, value: Value): Value =>
    load(mapper(onColumn('change-data-type', 'c', { 'data-type': type })), table({ id: INT, c: from }), [1, value])[1] ?? null;
  test.each<[LogicalType, object, Value, Value]>([
    [INT, { type: 'int8' }, 5, 5n],
    [LONG, { type: 'string' }, 9007199254740993n, '9007199254740993'],
    [LONG, { type: 'uint8' }, 5n, '5'],
    [DECIMAL, { type: 'int4' }, '12.00', 12],
    [DECIMAL, { type: 'string' }, '12.30', '12.30'],
    [DECIMAL, { type: 'real8' }, 'NaN', Number.NaN],
    [{ kind: 'float', bits: 64 }, { type: 'string' }, 1, '1'],
    [{ kind: 'float', bits: 64 }, { type: 'numeric', precision: 10, scale: 2 }, 1.25, '1.25'],
    [{ kind: 'boolean' }, { type: 'string' }, true, 'true'],
    [{ kind: 'boolean' }, { type: 'int1' }, true, 1],
    [TEXT, { type: 'int8' }, ' 9223372036854775807 ', 9223372036854775807n],
    [TEXT, { type: 'date' }, '2024:02:29', '2024-02-29'],
    [TEXT, { type: 'boolean' }, 'yes', true],
    [TEXT, { type: 'clob' }, 'ä', 'ä'],
    [TIMESTAMP, { type: 'date' }, '2024-02-29 23:59:59.5', '2024-02-29'],
    [TIMESTAMP, { type: 'time' }, '2024-02-29 23:59:59.5', '23:59:59.5'],
    [TIMESTAMP, { type: 'datetime' }, '294276-12-31 23:59:59', '294276-12-31 23:59:59'],
    [TIMESTAMPTZ, { type: 'datetime' }, '2024-03-01 00:30:00+01', '2024-02-29 23:30:00'],
    [{ kind: 'date' }, { type: 'datetime' }, '0044-03-15 BC', '0044-03-15 00:00:00 BC'],
    [{ kind: 'date' }, { type: 'datetime' }, 'infinity', 'infinity'],
    [{ kind: 'json' }, { type: 'string' }, '{"a": 9007199254740993}', '{"a": 9007199254740993}'],
    [
      { kind: 'uuid' },
      { type: 'string', length: 36 },
      'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
      'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
    ],
    [TEXT, { type: 'int4' }, null, null],
  ])('%j to %j: %s becomes %s', (from, type, value, expected) => {
    expect(retyped(from, type, value)).toEqual(expected);
  });

  test.each<[LogicalType, object, Value, string]>([
    [LONG, { type: 'int4' }, 3_000_000_000n, 'it lies outside -2147483648 to 2147483647'],
    [INT, { type: 'uint1' }, -1, 'it lies outside 0 to 255'],
    [DECIMAL, { type: 'int4' }, '1.5', 'it is not a whole number'],
    [TEXT, { type: 'int4' }, 'hush', 'it is not a number'],
    [TEXT, { type: 'date' }, '2024-02-30', 'it is not a date'],
    [TEXT, { type: 'string', length: 2 }, 'äöü', 'it is longer than 2 characters'],
  ])(
    '%j to %j: a value that does not fit is an error that names rule, table and column, and not the value',
    (from, type, value, problem) => {
      const call = () => retyped(from, type, value);
      expect(call).toThrow(refused('MAPPING_VALUE_NOT_CONVERTIBLE', `Rule 2: a value of public.t, column "c"`));
      expect(call).toThrow(problem);
      expect(call).not.toThrow('hush');
    },
  );

  test('a type that cannot become another is refused before any row', () => {
    expect(() => retyped({ kind: 'bytes', maxLength: null }, { type: 'int4' }, null)).toThrow(
      refused('MAPPING_RULE_NOT_APPLICABLE', 'cannot become "int4"'),
    );
    expect(() => retyped({ kind: 'interval' }, { type: 'time' }, null)).toThrow(
      refused('MAPPING_RULE_NOT_APPLICABLE', 'cannot become "time"'),
    );
  });

  test('the value of rows older than their column is changed and masked like theirs', () => {
    const schema = table({ id: INT, c: TEXT });
    const aged = { ...schema, columns: schema.columns.map((one) => (one.name === 'c' ? { ...one, missingValue: 'A1' } : one)) };
    expect(mapper(onColumn('data-masking-digits-mask', 'c', { value: '#' })).mapTable(aged).target.columns[1]?.missingValue).toBe(
      'A#',
    );
  });
});

describe('masking', () => {
  test("digits are masked, as in DMS's example", () => {
    expect(
      load(mapper(onColumn('data-masking-digits-mask', 'c', { value: '#' })), table({ id: INT, c: TEXT }), [1, 'C6BGJ566669K']),
    ).toEqual([1, 'C#BGJ######K']);
  });

  test("a hash is what DMS's example shows", () => {
    expect(load(mapper(onColumn('data-masking-hash-mask', 'c')), table({ id: INT, c: TEXT }), [1, 'C6BGJ566669K'])).toEqual([
      1,
      '7CB06784764C9030CCC41E25C15339FEB293FFE9B329A72B5FED564E99900C75',
    ]);
  });

  test('randomized digits keep everything else, and integers stay in range', () => {
    const one = mapper(onColumn('data-masking-digits-randomize', '[cn]'));
    const schema = table({ id: INT, c: TEXT, n: INT });
    for (let round = 0; round < 200; round++) {
      const [, text, number] = load(one, schema, [1, 'C6-x', -2_147_483_648]);
      expect(text).toMatch(/^C[0-9]-x$/);
      expect(Number(number)).toBeGreaterThanOrEqual(-2_147_483_648);
      expect(Number(number)).toBeLessThanOrEqual(0);
    }
  });

  test('null stays null and unchanged stays unchanged; a random value never identifies a row', () => {
    const schema = fullTable({ c: TEXT, n: INT }, { primaryKey: [], primaryKeyName: null });
    const one = mapper(onColumn('data-masking-digits-randomize', 'c'));
    expect(one.mapTable(schema).target.identityColumns).toEqual(['n']);
    expect(change(one, schema, { kind: 'update', before: ['1', 2], after: [UNCHANGED, null] })).toEqual({
      kind: 'update',
      before: [UNCHANGED, 2],
      after: [UNCHANGED, null],
    });
  });

  test('a type change with a lower rule-id goes before the mask', () => {
    const one = mapper(
      onColumn('change-data-type', 'c', { 'data-type': { type: 'string', length: 64 } }),
      onColumn('data-masking-hash-mask', 'c'),
    );
    expect(load(one, table({ id: INT, c: INT }), [1, 5])[1]).toMatch(/^[0-9A-F]{64}$/);
  });

  test.each<[object, TableSchema, string]>([
    [
      onColumn('data-masking-digits-mask', 'c', { value: '#' }),
      table({ id: INT, c: INT }),
      'digits are masked in text columns only',
    ],
    [
      onColumn('data-masking-hash-mask', 'c'),
      table({ id: INT, c: { kind: 'text', maxLength: 20, padded: false } }),
      'the hash has 64 characters and the column holds 20',
    ],
    [onColumn('data-masking-digits-mask', 'c', { value: '#' }), table({ c: TEXT }), 'masked digits would make keys equal'],
  ])('%j is refused where it does not fit', (rule, schema, message) => {
    expect(() => mapper(rule).mapTable(schema)).toThrow(refused('MAPPING_RULE_NOT_APPLICABLE', message));
  });

  test('a hashed key is hashed in old images too', () => {
    const mapped = change(mapper(onColumn('data-masking-hash-mask', 'c')), table({ c: TEXT, n: INT }), {
      kind: 'delete',
      before: ['a', UNCHANGED],
      after: null,
    });
    expect(mapped?.before?.[0]).toMatch(/^[0-9A-F]{64}$/);
  });
});
