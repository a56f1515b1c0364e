import type { SourceTable } from '@millrace/contract/capture.js';
import { describe, expect, test } from 'vitest';
import { mappingFromPatterns } from '../command-line-patterns.js';
import { parseTableMappings } from '../parse.js';
import { createSelector } from './selector.js';

function table(name: string, kind: SourceTable['kind'] = 'table', root: string | null = null): SourceTable {
  return { id: { schema: 'public', table: name }, kind, root: root === null ? null : { schema: 'public', table: root } };
}

interface Selection {
  readonly action?: string;
  readonly schema?: string;
  readonly table: string;
  readonly more?: object;
}

function selector(...rules: readonly Selection[]) {
  const text = rules.map(({ action = 'include', schema = 'public', table, more = {} }, index) => ({
    'rule-type': 'selection',
    'rule-id': String(index + 1),
    'rule-name': `rule ${index + 1}`,
    'object-locator': { 'schema-name': schema, 'table-name': table },
    'rule-action': action,
    ...more,
  }));
  return createSelector(parseTableMappings(JSON.stringify({ rules: text })));
}

const codes = (findings: readonly { severity: string; code: string; where: string }[]) =>
  findings.map(({ severity, code, where }) => `${severity} ${code} ${where}`);

describe('a selection', () => {
  test('takes what an include rule matches and no exclude rule does, case-sensitively', () => {
    const one = selector({ table: '%' }, { action: 'exclude', table: 'tmp%' });
    expect(one.select(table('orders')).selected).toBe(true);
    expect(one.select(table('tmp_orders')).selected).toBe(false);
    expect(one.select(table('TMP_orders')).selected).toBe(true);
    expect(one.select({ ...table('orders'), id: { schema: 'Public', table: 'orders' } }).selected).toBe(false);
  });

  test('exclude wins over explicit, whatever the order', () => {
    expect(selector({ action: 'exclude', table: 'a' }, { action: 'explicit', table: 'a' }).select(table('a')).selected).toBe(
      false,
    );
  });

  test('explicit takes no wildcards', () => {
    const one = selector({ action: 'explicit', table: 'a%' });
    expect(one.select(table('abc')).selected).toBe(false);
    expect(one.select(table('a%'))).toMatchObject({ selected: true, explicit: true });
    expect(
      one
        .assess([table('abc')])
        .map((finding) => finding.message)
        .join(),
    ).toContain('"explicit" takes no wildcards');
  });

  test('explicit tells a named table from one that a wildcard caught', () => {
    const one = selector({ table: 'order_items' }, { table: 'p%' });
    expect(one.select(table('order_items')).explicit).toBe(true);
    expect(one.select(table('payments')).explicit).toBe(false);
  });

  test('the highest load-order of the rules that take a table counts', () => {
    const one = selector(
      { table: '%', more: { 'load-order': '1' } },
      { table: 'first', more: { 'load-order': 2 } },
      { table: 'plain' },
    );
    expect(one.select(table('first')).loadOrder).toBe(2);
    expect(one.select(table('plain')).loadOrder).toBe(1);
  });

  test.each(['view', 'materialized-view', 'foreign', 'temporary', 'system'] as const)(
    'a wildcard passes over a %s, which is refused by name',
    (kind) => {
      const wild = selector({ table: '%' });
      expect(wild.select(table('thing', kind)).selected).toBe(false);
      expect(codes(wild.assess([table('a'), table('thing', kind)]))).toEqual([]);
      const named = selector({ table: 'a' }, { table: 'thing' });
      expect(named.select(table('thing', kind))).toMatchObject({ selected: false, explicit: true });
      expect(codes(named.assess([table('a'), table('thing', kind)]))).toEqual(['error SELECTION_TABLE_REFUSED public.thing']);
    },
  );

  test('a wildcard passes over an unlogged table with a finding that names the rule; by name it is refused', () => {
    const findings = selector({ table: '%' }).assess([table('a'), table('fast', 'unlogged')]);
    expect(codes(findings)).toEqual(['warning SELECTION_UNLOGGED_SKIPPED public.fast']);
    expect(findings[0]?.message).toContain('rule 1');
    expect(
      codes(selector({ table: 'a' }, { action: 'explicit', table: 'fast' }).assess([table('a'), table('fast', 'unlogged')])),
    ).toEqual(['error SELECTION_TABLE_REFUSED public.fast']);
  });

  test('a partition goes as its root does, also where a wildcard matches the leaf itself', () => {
    const tables = [table('orders', 'partitioned'), table('orders_2024', 'partition', 'orders')];
    const all = selector({ table: 'orders%' });
    expect(tables.map((one) => all.select(one).selected)).toEqual([true, true]);
    expect(codes(all.assess(tables))).toEqual([]);
    const rootOnly = selector({ table: 'orders' });
    expect(tables.map((one) => rootOnly.select(one).selected)).toEqual([true, true]);
  });

  test('a partition that is selected without its root, or excluded from it, is an error', () => {
    const tables = [table('a'), table('orders', 'partitioned'), table('orders_2024', 'partition', 'orders')];
    expect(codes(selector({ table: 'a' }, { table: 'orders_2%' }).assess(tables))).toEqual([
      'error SELECTION_PARTITION_ALONE public.orders_2024',
    ]);
    expect(codes(selector({ table: '%' }, { action: 'exclude', table: 'orders_2024' }).assess(tables))).toEqual([
      'error SELECTION_PARTITION_EXCLUDED public.orders_2024',
    ]);
    expect(codes(selector({ table: '%' }, { action: 'exclude', table: 'orders' }).assess(tables))).toEqual([]);
  });

  test('a selection that matches nothing is an error that names its rules', () => {
    const findings = selector({ table: 'Orders%' }).assess([table('orders')]);
    expect(codes(findings)).toEqual(['error SELECTION_MATCHES_NOTHING source', 'warning SELECTION_RULE_MATCHES_NOTHING source']);
    expect(findings[0]?.message).toContain('1: public."Orders%"');
  });

  test('a table that is named and not there is an error', () => {
    expect(codes(selector({ table: 'a' }, { table: 'order_item' }).assess([table('a'), table('order_items')]))).toEqual([
      'error SELECTION_TABLE_MISSING source',
    ]);
  });

  test('two rules that filter one table are an error that names both', () => {
    const filters = [
      { 'filter-type': 'source', 'column-name': 'id', 'filter-conditions': [{ 'filter-operator': 'eq', value: '1' }] },
    ];
    const one = selector({ table: '%', more: { filters } }, { table: 'a', more: { filters } });
    expect(one.assess([table('a')])[0]).toMatchObject({
      code: 'MAPPING_FILTERS_OVERLAP',
      message: 'Rules 1 and 2 both filter public.a.',
    });
    expect(() => one.filter({ schema: 'public', table: 'a' })).toThrow('both filter');
    expect(one.filter({ schema: 'public', table: 'b' })).toEqual({ kind: 'compare', column: 'id', operator: 'eq', value: '1' });
  });
});

describe('--include and --exclude', () => {
  test('select as rules do; an underscore stands for itself', () => {
    const one = createSelector(mappingFromPatterns(['public.order_%', 'public.x'], ['public.order_old']));
    expect(one.select(table('order_items')).selected).toBe(true);
    expect(one.select(table('orderXitems')).selected).toBe(false);
    expect(one.select(table('order_old')).selected).toBe(false);
    expect(one.select(table('x')).explicit).toBe(true);
  });

  test('a quoted part is taken as it is', () => {
    const one = createSelector(mappingFromPatterns(['"My.Schema"."100% ""x"""'], []));
    expect(one.select({ id: { schema: 'My.Schema', table: '100% "x"' }, kind: 'table', root: null })).toMatchObject({
      selected: true,
      explicit: true,
    });
  });

  test.each(['orders', 'a.b.c', '"a.b', '.a', 'a.', 'a.[b', ''])('%j is refused and says how to write it', (text) => {
    expect(() => mappingFromPatterns([text], [])).toThrow(
      expect.objectContaining({ code: 'SELECTION_PATTERN_INVALID', message: expect.stringContaining('--include') }),
    );
  });

  test('findings name the flag', () => {
    expect(createSelector(mappingFromPatterns(['public.ordres'], [])).assess([table('orders')])[1]?.message).toContain(
      'Rule --include public.ordres names',
    );
  });
});
