import { type Row, UNCHANGED } from '@millrace/contract/row.js';
import type { TableSchema } from '@millrace/contract/table.js';
import { describe, expect, test } from 'vitest';
import { parseTableMappings } from './parse.js';
import { createTableMapper, type TableMapper } from './table-mapper.js';
import {
  addColumn,
  change,
  load,
  locate,
  mapper,
  names,
  ORIGIN,
  onColumn,
  onTable,
  refused,
  SELECT,
} from './testing/mapping-rules.js';
import { DECIMAL, fullTable, INT, LONG, TEXT, table } from './testing/tables.js';

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

  test.each([
    ['$AR_H_OPERATION', 'UPDATE', 'INSERT'],
    ['$AR_H_STREAM_POSITION', '00000000016b3748', ''],
    ['$AR_H_TIMESTAMP', '2024-02-29 12:34:56.789012', '2024-02-29 12:34:56.789012'],
    ['$AR_H_COMMIT_TIMESTAMP', '2024-02-29 12:34:56.789012', '2024-02-29 12:34:56.789012'],
    ['$AR_H_TRANSACTION_ID', '731', ''],
    // The time is the stream's clock, not the commit's, which may go back.
    ['$AR_H_CHANGE_SEQ', '20240229123457000000000000000000042', ''],
    ['datetime()', '2024-02-29 12:34:56', '2024-02-29 12:34:56'],
    ["strftime('%Y-%m-%dT%H:%M:%fZ', 'now')", '2024-02-29T12:34:56.789Z', '2024-02-29T12:34:56.789Z'],
    ['$AR_M_SOURCE_SCHEMA', 'public', 'public'],
    ['$AR_M_SOURCE_TABLE_NAME', 't', 't'],
  ])('%s is %j for a change, %j for a loaded row', (expression, changed, loaded) => {
    const one = mapper(addColumn('x', expression));
    const schema = table({ id: INT });
    expect(change(one, schema, { kind: 'update', before: null, after: [1] })?.after).toEqual([1, changed]);
    expect(load(one, schema, [1])).toEqual([1, loaded]);
  });

  test('the stream position makes a pg_lsn', () => {
    const one = mapper(addColumn('lsn', "substr($AR_H_STREAM_POSITION, 1, 8) || '/' || substr($AR_H_STREAM_POSITION, 9)"));
    expect(change(one, table({ id: INT }), { kind: 'insert', before: null, after: [1] })?.after?.[1]).toBe('00000000/016b3748');
  });

  test.each(['$AR_H_COMMIT_TIMESTAMP', '$AR_H_CHANGE_SEQ', 'datetime()', "'x' || date('now')"])(
    '%s of a row whose origin is not known stops, rather than being made up; other columns go on',
    (expression) => {
      const mapped = mapper(addColumn('x', expression)).mapTable(table({ id: INT }));
      const failure = refused('MAPPING_ORIGIN_UNKNOWN', 'Rule 2 on public.t');
      expect(() => mapped.mapRow([1], null)).toThrow(failure);
      expect(() => mapped.mapChange({ kind: 'insert', before: null, after: [1] }, null)).toThrow(failure);
      expect(mapped.mapChange({ kind: 'delete', before: [1], after: null }, null)).toMatchObject({ before: [1, UNCHANGED] });
      expect(
        mapper(addColumn('x', '$AR_H_OPERATION'))
          .mapTable(table({ id: INT }))
          .mapRow([1], null),
      ).toEqual([1, 'INSERT']);
    },
  );

  test("a text that happens to be 'now' is the change's time too, and no time is made up for it", () => {
    const mapped = mapper(addColumn('x', 'datetime($note)')).mapTable(table({ id: INT, note: TEXT }));
    expect(mapped.mapRow([1, 'now'], ORIGIN)).toEqual([1, 'now', '2024-02-29 12:34:56']);
    expect(() => mapped.mapRow([1, 'now'], null)).toThrow(refused('MAPPING_EXPRESSION_FAILED', "'now' has no meaning here"));
  });

  test("'now' in a new name is refused: a table would have another name at each start", () => {
    const one = mapper(onTable('rename', { expression: "$AR_M_SOURCE_TABLE_NAME || date('now')" }));
    expect(() => one.mapTable(SCHEMA)).toThrow(refused('MAPPING_EXPRESSION_FAILED', "'now' has no meaning here"));
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
      kind: 'insert',
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

  test('is refused, saying what to set, where an insert does not overwrite: a row inserted again would be lost', () => {
    const rule = { 'rule-type': 'transformation', 'rule-id': 2, ...addColumn('op', "operation_indicator('D', 'U', 'I')") };
    const refusing = createTableMapper(parseTableMappings(JSON.stringify({ rules: [SELECT, rule] })));
    expect(() => refusing.mapTable(schema)).toThrow(refused('MAPPING_RULE_UNSUPPORTED', 'ApplyErrorInsertPolicy'));
    expect(refusing.assess([schema], { changes: true })).toMatchObject([
      { severity: 'error', code: 'MAPPING_RULE_UNSUPPORTED', remedy: expect.stringContaining('UPDATE_RECORD') },
    ]);
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
