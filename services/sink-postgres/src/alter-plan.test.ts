import { expect, test } from 'vitest';
import { planColumns, planNames } from './alter-plan.js';
import type { PresentColumn, PresentTable } from './present-table.js';
import { column, table } from './testing/table-schemas.js';

function present(...names: readonly string[]): PresentTable {
  return { oid: 1, columns: names.map((name) => presentColumn(name, 'integer')), primaryKey: null };
}

function presentColumn(name: string, declaration: string, more: Partial<PresentColumn> = {}): PresentColumn {
  return {
    name,
    declaration,
    base: declaration,
    notNull: false,
    hasDefault: false,
    generated: false,
    expression: null,
    identity: '',
    collation: null,
    enumLabels: null,
    ...more,
  };
}

const INT = 'integer';

test('columns are the same by their ordinal, whatever their names', () => {
  const from = table('t', [column('a', INT), column('b', INT)]);
  const to = table('t', [column('b', INT, { ordinal: 1 }), column('a', INT, { ordinal: 3 })]);
  expect(planNames(from, to, present('a', 'b'))).toEqual([
    { do: 'drop-column', column: 'b' },
    { do: 'rename-column', from: 'a', to: 'b' },
  ]);
  expect(planColumns(from, to, present('b'), () => true)).toEqual([{ do: 'add-column', column: to.columns[1] }]);
});

test('names that go round in a circle pass through one that nobody has', () => {
  const from = table('t', [column('a', INT), column('b', INT)]);
  const to = table('t', [column('b', INT), column('a', INT)]);
  expect(planNames(from, to, present('a', 'b'))).toEqual([
    { do: 'rename-column', from: 'a', to: 'millrace_renaming_1' },
    { do: 'rename-column', from: 'b', to: 'a' },
    { do: 'rename-column', from: 'millrace_renaming_1', to: 'b' },
  ]);
});

test('a rename onto a name that somebody else has is left for the target to refuse', () => {
  const from = table('t', [column('a', INT)]);
  const to = table('t', [column('mine', INT)]);
  expect(planNames(from, to, present('a', 'mine'))).toEqual([{ do: 'rename-column', from: 'a', to: 'mine' }]);
});

test('what the target does not have or has already is no step', () => {
  const from = table('t', [column('a', INT), column('b', INT), column('c', INT)]);
  const to = table('t', [
    column('z', INT),
    column('c', 'bigint', { ordinal: 3, default: '1' }),
    column('d', INT, { ordinal: 4 }),
  ]);
  const target = {
    ...present('z', 'd'),
    columns: [
      presentColumn('z', INT),
      presentColumn('c', 'bigint', { hasDefault: true, expression: '1' }),
      presentColumn('d', INT),
    ],
  };
  expect(planNames(from, to, target)).toEqual([]);
  expect(planColumns(from, to, target, () => true)).toEqual([]);
});

test('a type that the target chose itself changes only where it cannot hold the new one', () => {
  const from = table('t', [column('a', 'smallint')]);
  const to = table('t', [column('a', INT)]);
  const target = { ...present(), columns: [presentColumn('a', 'numeric')] };
  expect(planColumns(from, to, target, () => true)).toEqual([]);
  expect(planColumns(from, to, target, () => false)).toEqual([{ do: 'retype', column: to.columns[0] }]);
});

test('generated columns go before and come after what they are computed from', () => {
  const from = table('t', [column('a', INT), column('g', INT, { generated: '(a + 1)' })]);
  expect(planNames(from, table('t', []), present('a', 'g'))).toEqual([
    { do: 'drop-column', column: 'g' },
    { do: 'drop-column', column: 'a' },
  ]);
  const to = table('t', [column('g', INT, { generated: '(a + 1)', ordinal: 3 }), column('a', INT, { ordinal: 4 })]);
  expect(
    planColumns(table('t', []), to, present(), () => true).map((step) =>
      'column' in step && typeof step.column !== 'string' ? step.column.name : step.do,
    ),
  ).toEqual(['a', 'g']);
});
