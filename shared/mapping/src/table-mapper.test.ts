import { type Row, UNCHANGED, type Value } from '@millrace/contract/row.js';
import type { LogicalType, TableSchema } from '@millrace/contract/table.js';
import { describe, expect, test } from 'vitest';
import { parseTableMappings } from './parse.js';
import type { RowChange, RowOrigin } from './row-change.js';
import { createTableMapper, type TableMapper } from './table-mapper.js';
import { column, DECIMAL, fullTable, INT, LONG, TEXT, TIMESTAMP, TIMESTAMPTZ, table } from './testing/tables.js';

const SELECT = {
  'rule-type': 'selection',
  'rule-id': '1',
  'rule-name': 'all',
  'object-locator': { 'schema-name': '%', 'table-name': '%' },
  'rule-action': 'include',
};
const ORIGIN: RowOrigin = {
  phase: 'changes',
  position: '0/16B3748',
  transactionId: '731',
  timeMicros: 1_709_210_096_789_012n,
  changeNumber: 42n,
};
const ALL = { origins: true, upserts: true };

/** Rules with ids from 2 on, in the order given. */
function mapper(...rules: readonly object[]): TableMapper {
  const numbered = rules.map((rule, index) => ({
    'rule-type': 'transformation',
    'rule-id': String(index + 2),
    'rule-name': `r${index + 2}`,
    ...rule,
  }));
  return createTableMapper(parseTableMappings(JSON.stringify({ rules: [SELECT, ...numbered] })), ALL);
}

const locate = (names: { schema?: string; table?: string; column?: string }) => ({
  'schema-name': names.schema ?? '%',
  ...(names.table === undefined ? {} : { 'table-name': names.table }),
  ...(names.column === undefined ? {} : { 'column-name': names.column }),
});
const onSchema = (action: string, more: object = {}, schema = 'public') => ({
  'rule-target': 'schema',
  'rule-action': action,
  'object-locator': locate({ schema }),
  ...more,
});
const onTable = (action: string, more: object = {}, name = '%') => ({
  'rule-target': 'table',
  'rule-action': action,
  'object-locator': locate({ schema: 'public', table: name }),
  ...more,
});
const onColumn = (action: string, name: string, more: object = {}) => ({
  'rule-target': 'column',
  'rule-action': action,
  'object-locator': locate({ schema: 'public', table: '%', column: name }),
  ...more,
});
const addColumn = (value: string, expression: string | undefined, type: object = { type: 'string' }) => ({
  'rule-target': 'column',
  'rule-action': 'add-column',
  'object-locator': locate({ schema: 'public', table: '%' }),
  value,
  expression,
  'data-type': type,
});
const refused = (code: string, message: string) => expect.objectContaining({ code, message: expect.stringContaining(message) });
const names = (schema: TableSchema) => schema.columns.map((one) => one.name);
const load = (one: TableMapper, schema: TableSchema, row: Row) => one.mapTable(schema).mapRow(row, ORIGIN);
const change = (one: TableMapper, schema: TableSchema, input: RowChange) => one.mapTable(schema).mapChange(input, ORIGIN);

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

describe('added columns', () => {
  const SCHEMA = table({ id: INT, first: TEXT, last: TEXT });

  test("DMS's example: a full name", () => {
    const one = mapper(addColumn('FULL_NAME', "$first||'_'||$last", { type: 'string', length: 50 }));
    expect(one.mapTable(SCHEMA).target.columns.at(-1)).toMatchObject({
      name: 'FULL_NAME',
      nullable: true,
      native: { declaration: 'character varying(50)' },
    });
    expect(load(one, SCHEMA, [1, 'Ada', 'L'])).toEqual([1, 'Ada', 'L', 'Ada_L']);
    expect(load(one, SCHEMA, [1, null, 'L'])).toEqual([1, null, 'L', null]);
  });

  test('numbers are exact: no decimal and no 64-bit integer passes through a float', () => {
    const schema = table({ id: LONG, amount: DECIMAL });
    const one = mapper(
      addColumn('a', '$amount * 3', { type: 'numeric' }),
      addColumn('b', '$id + 1', { type: 'int8' }),
      addColumn('c', 'round($amount, 2)'),
      addColumn('d', '$amount || $id'),
    );
    expect(load(one, schema, [9007199254740993n, '12345678901234567890.105'])).toEqual([
      9007199254740993n,
      '12345678901234567890.105',
      '37037036703703703670.315',
      9007199254740994n,
      '12345678901234567890.11',
      '12345678901234567890.1059007199254740993',
    ]);
  });

  test('without an expression the column is null', () => {
    expect(
      load(mapper(addColumn('last_updated', undefined, { type: 'datetime', precision: 6 })), table({ id: INT }), [1]),
    ).toEqual([1, null]);
  });

  test('headers and names', () => {
    const headers = [
      'AR_H_OPERATION',
      'AR_H_STREAM_POSITION',
      'AR_H_COMMIT_TIMESTAMP',
      'AR_H_TRANSACTION_ID',
      'AR_H_CHANGE_SEQ',
      'AR_M_SOURCE_SCHEMA',
      'AR_M_SOURCE_TABLE_NAME',
    ];
    const one = mapper(...headers.map((name) => addColumn(name, `$${name}`)), addColumn('now', 'datetime()'));
    expect(change(one, table({ id: INT }), { kind: 'insert', before: null, after: [1] })?.after).toEqual([
      1,
      'INSERT',
      '0/16B3748',
      '2024-02-29 12:34:56.789012',
      '731',
      '20240229123456780000000000000000042',
      'public',
      't',
      '2024-02-29 12:34:56',
    ]);
    expect(one.mapTable(table({ id: INT })).mapRow([1], { ...ORIGIN, phase: 'load', position: '' })[5]).toBe('');
  });

  test('what the pipe cannot tell is refused instead of made up', () => {
    const rules = (expression: string) =>
      createTableMapper(
        parseTableMappings(
          JSON.stringify({ rules: [SELECT, { 'rule-type': 'transformation', 'rule-id': 2, ...addColumn('x', expression) }] }),
        ),
      );
    for (const expression of ['$AR_H_COMMIT_TIMESTAMP', 'datetime()', "date('now')", "operation_indicator('D','U','I')"]) {
      expect(() => rules(expression).mapTable(SCHEMA)).toThrow(refused('MAPPING_RULE_UNSUPPORTED', 'rule 2'));
    }
    expect(rules("$AR_H_OPERATION || date('2024-01-01')").mapTable(SCHEMA).kind).toBe('rows');
  });

  test('#14 an expression over an unchanged value stays unchanged, or takes it from the old image, or stops; it is never null', () => {
    const update = (schema: TableSchema, expression: string, before: Row | null, after: Row) =>
      change(mapper(addColumn('x', expression)), schema, { kind: 'update', before, after })?.after?.at(-1);
    expect(update(SCHEMA, 'upper($first)', null, [1, UNCHANGED, 'b'])).toBe(UNCHANGED);
    expect(update(fullTable({ id: INT, first: TEXT, last: TEXT }), '$first || $last', [1, 'a', 'x'], [1, UNCHANGED, 'b'])).toBe(
      'ab',
    );
    expect(() => update(SCHEMA, '$first || $last', null, [1, UNCHANGED, 'b'])).toThrow(
      refused('MAPPING_IMAGE_INCOMPLETE', 'did not carry the value of "first"'),
    );
    expect(() => update(SCHEMA, '$AR_H_OPERATION || $first', null, [1, UNCHANGED, 'b'])).toThrow(
      refused('MAPPING_IMAGE_INCOMPLETE', '"first"'),
    );
  });

  test('a failing expression names rule and table', () => {
    expect(() => load(mapper(addColumn('x', 'zeroblob($id)', { type: 'blob' })), table({ id: INT }), [1_000_000_000])).toThrow(
      refused('MAPPING_EXPRESSION_FAILED', 'Rule 2 on public.t'),
    );
  });

  test.each([
    ['$frist', '$frist is neither a column of the table nor a header; did you mean $first'],
    ['$AR_H_USER', 'does not say which user'],
    ["datetime('now', 'localtime')", "depends on the machine's time zone"],
  ])('%s is refused with its place', (expression, message) => {
    expect(() => mapper(addColumn('x', expression)).mapTable(SCHEMA)).toThrow(
      refused('MAPPING_EXPRESSION_INVALID', 'Rule 2, expression, character 1'),
    );
    expect(() => mapper(addColumn('x', expression)).mapTable(SCHEMA)).toThrow(message);
  });

  test('added columns of old images are unknown, unless they are the key', () => {
    const schema = fullTable({ id: INT, code: TEXT });
    const key = onTable('define-primary-key', { 'primary-key-def': { name: 'k', columns: ['k'] } }, 't');
    expect(
      change(mapper(addColumn('k', "'x' || $id"), key), schema, { kind: 'delete', before: [1, 'c'], after: null })?.before,
    ).toEqual([1, 'c', 'x1']);
    expect(
      change(mapper(addColumn('k', '$AR_H_OPERATION')), schema, { kind: 'delete', before: [1, 'c'], after: null })?.before,
    ).toEqual([1, 'c', UNCHANGED]);
    expect(() => mapper(addColumn('k', 'random()', { type: 'int8' }), key).mapTable(schema)).toThrow(
      refused('MAPPING_RULE_NOT_APPLICABLE', 'another value at each change'),
    );
  });
});

describe('before images', () => {
  const rule = (filter: string) => ({
    'rule-target': 'column',
    'rule-action': 'add-before-image-columns',
    'object-locator': locate({ schema: '%', table: '%' }),
    'before-image-def': { 'column-prefix': 'BI_', 'column-suffix': '', 'column-filter': filter },
  });

  test("DMS's example: the old key beside the new one; null for an insert; the same where it did not change", () => {
    const schema = table({ emp_no: INT, name: TEXT });
    const one = mapper(rule('pk-only'));
    expect(names(one.mapTable(schema).target)).toEqual(['emp_no', 'name', 'BI_emp_no']);
    expect(change(one, schema, { kind: 'update', before: [1, UNCHANGED], after: [3, 'x'] })?.after).toEqual([3, 'x', 1]);
    expect(change(one, schema, { kind: 'update', before: null, after: [3, 'x'] })?.after).toEqual([3, 'x', 3]);
    expect(change(one, schema, { kind: 'insert', before: null, after: [3, 'x'] })?.after).toEqual([3, 'x', null]);
    expect(load(one, schema, [3, 'x'])).toEqual([3, 'x', null]);
  });

  test('all takes every column and masks what is masked; non-lob leaves out what has no bound', () => {
    const schema = fullTable({ id: INT, c: TEXT });
    const one = mapper(onColumn('data-masking-digits-mask', 'c', { value: '*' }), rule('all'));
    expect(change(one, schema, { kind: 'update', before: [1, 'a1'], after: [1, 'b2'] })?.after).toEqual([1, 'b*', 1, 'a*']);
    expect(names(mapper(rule('non-lob')).mapTable(schema).target)).toEqual(['id', 'c', 'BI_id']);
  });

  test('$BI_ in an expression is the old value', () => {
    const schema = fullTable({ id: INT, price: DECIMAL });
    const one = mapper(addColumn('rise', '$price - $BI_price', { type: 'numeric' }));
    expect(change(one, schema, { kind: 'update', before: [1, '1.10'], after: [1, '1.30'] })?.after).toEqual([1, '1.30', '0.20']);
    expect(change(one, schema, { kind: 'insert', before: null, after: [1, '1.30'] })?.after).toEqual([1, '1.30', null]);
  });
});

describe('operation_indicator', () => {
  const one = mapper(addColumn('op', "operation_indicator('D', 'U', 'I')"));
  const schema = table({ id: INT, note: TEXT });

  test('flags rows; a deleted row stays, and may be inserted again', () => {
    expect(change(one, schema, { kind: 'insert', before: null, after: [1, 'x'] })).toEqual({
      kind: 'upsert',
      before: null,
      after: [1, 'x', 'I'],
    });
    expect(change(one, schema, { kind: 'update', before: null, after: [1, 'y'] })).toEqual({
      kind: 'update',
      before: null,
      after: [1, 'y', 'U'],
    });
    expect(change(one, schema, { kind: 'delete', before: [1, UNCHANGED], after: null })).toEqual({
      kind: 'update',
      before: [1, UNCHANGED, UNCHANGED],
      after: [1, UNCHANGED, 'D'],
    });
    expect(load(one, schema, [1, 'x'])).toEqual([1, 'x', 'I']);
  });

  test('needs a primary key', () => {
    expect(() => one.mapTable(fullTable({ id: INT }, { primaryKey: [], primaryKeyName: null }))).toThrow(
      refused('MAPPING_RULE_NOT_APPLICABLE', 'needs a primary key'),
    );
  });
});

describe('before anything starts', () => {
  const codes = (one: TableMapper, ...schemas: readonly TableSchema[]) =>
    one.assess(schemas, { changes: true }).map(({ severity, code, where }) => `${severity} ${code} ${where}`);

  test('what mapTable would throw is a finding for its table, and the other tables are looked at too', () => {
    const other = table({ id: INT, c: TEXT }, { id: { schema: 'public', table: 'b' } });
    const one = mapper(onColumn('change-data-type', 'c', { 'data-type': { type: 'int4' } }));
    expect(codes(one, table({ id: INT, c: { kind: 'json' } }), other)).toEqual(['error MAPPING_RULE_NOT_APPLICABLE public.t']);
  });

  test('collisions name both tables and the rules', () => {
    const found = mapper(onTable('rename', { value: 'u' })).assess(
      [table({ id: INT }), table({ id: INT }, { id: { schema: 'public', table: 'b' } })],
      { changes: true },
    );
    expect(found).toMatchObject([
      {
        severity: 'error',
        code: 'MAPPING_COLLISION',
        where: 'public.b',
        message: expect.stringContaining('public.t and public.b'),
      },
    ]);
  });

  test('old values that the log does not carry are asked for by name, for tasks with changes only', () => {
    const one = mapper(addColumn('x', '$BI_note'));
    expect(one.assess([table({ id: INT, note: TEXT })], { changes: true })).toMatchObject([
      {
        severity: 'error',
        code: 'MAPPING_NEEDS_FULL_IDENTITY',
        remedy: expect.stringContaining('ALTER TABLE "public"."t" REPLICA IDENTITY FULL'),
      },
    ]);
    expect(one.assess([table({ id: INT, note: TEXT })], { changes: false })).toEqual([]);
    expect(codes(one, fullTable({ id: INT, note: TEXT }))).toEqual([]);
  });

  test('large values that an update may leave out are a warning', () => {
    expect(codes(mapper(addColumn('x', '$id || $note')), table({ id: INT, note: TEXT }))).toEqual([
      'warning MAPPING_MAY_NEED_FULL_IDENTITY public.t',
    ]);
    expect(codes(mapper(addColumn('x', 'upper($note)')), table({ id: INT, note: TEXT }))).toEqual([]);
  });

  test('a rule that names a missing column is an error; a pattern that matches no table a warning', () => {
    expect(codes(mapper(onColumn('remove-column', 'emial')), table({ id: INT, email: TEXT }))).toEqual([
      'error MAPPING_RULE_MATCHES_NOTHING source',
    ]);
    expect(codes(mapper(onTable('rename', { value: 'x' }, 'gone')), table({ id: INT }))).toEqual([
      'warning MAPPING_RULE_MATCHES_NOTHING source',
    ]);
  });

  test('a rule that loses to a lower rule-id is named with the winner', () => {
    const exact = (value: string) => ({
      ...onColumn('rename', 'note', { value }),
      'object-locator': locate({ schema: 'public', table: 't', column: 'note' }),
    });
    const found = mapper(exact('a'), exact('b')).assess([table({ id: INT, note: TEXT })], { changes: true });
    expect(found).toMatchObject([
      { severity: 'warning', code: 'MAPPING_RULE_WITHOUT_EFFECT', message: expect.stringMatching(/^Rule 3 .* rule 2 applies/) },
    ]);
  });

  test('a filter that cannot work, or needs old values, is an error with its rule', () => {
    const filtered = (column: string, value: string) =>
      createTableMapper(
        parseTableMappings(
          JSON.stringify({
            rules: [
              {
                ...SELECT,
                filters: [
                  { 'filter-type': 'source', 'column-name': column, 'filter-conditions': [{ 'filter-operator': 'eq', value }] },
                ],
              },
            ],
          }),
        ),
      );
    expect(codes(filtered('id', 'x'), table({ id: INT }))).toEqual(['error MAPPING_FILTER_INVALID public.t']);
    expect(codes(filtered('n', '1'), table({ id: INT, n: INT }))).toEqual(['error MAPPING_NEEDS_FULL_IDENTITY public.t']);
    expect(codes(filtered('id', '1'), table({ id: INT }))).toEqual([]);
    const mapped = filtered('id', '1').mapTable(table({ id: INT }));
    expect(mapped).toMatchObject({ kind: 'identity', filter: { kind: 'compare', column: 'id' } });
    expect(mapped.mapChange({ kind: 'insert', before: null, after: [2] }, ORIGIN)).toBeNull();
  });
});
