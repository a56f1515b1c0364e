import type { TypeDefinition } from '@millrace/contract/table.js';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addLabels, renameLabels, withPresentNames } from './enum-labels.js';
import { table } from './testing/table-schemas.js';

function mood(...labels: readonly string[]): TypeDefinition {
  return { schema: 'app', name: 'mood', kind: 'enum', create: '', labels };
}

function withMood(...labels: readonly string[]) {
  return table('t', [], { types: [mood(...labels)] });
}

/** What the statements do to the labels, by the rules of ALTER TYPE … ADD VALUE. */
function apply(statements: readonly string[], present: readonly string[]): readonly string[] {
  const labels = [...present];
  for (const statement of statements) {
    const [, label = '', place, neighbour = ''] = /NOT EXISTS '(\w+)'(?: (BEFORE|AFTER) '(\w+)')?$/.exec(statement) ?? [];
    const at = labels.indexOf(neighbour);
    if (place !== undefined) expect(at).not.toBe(-1);
    labels.splice(place === 'BEFORE' ? at : place === 'AFTER' ? at + 1 : labels.length, 0, label);
  }
  return labels;
}

test('missing labels come to their places, in whatever order they were missing', () => {
  const all = ['a', 'b', 'c', 'd', 'e', 'f'];
  fc.assert(
    fc.property(fc.subarray(all), (present) => {
      expect(apply(addLabels(mood(...all), present), present)).toEqual(all);
    }),
  );
});

test('labels that only the target has stay', () => {
  const labels = apply(addLabels(mood('a', 'b', 'c'), ['mine', 'b', 'too']), ['mine', 'b', 'too']);
  expect(labels.filter((label) => ['a', 'b', 'c'].includes(label))).toEqual(['a', 'b', 'c']);
  expect(labels.filter((label) => !['a', 'b', 'c'].includes(label))).toEqual(['mine', 'too']);
});

test('a label that is gone was renamed, and stands where it stood', () => {
  const statements = renameLabels(withMood('a', 'b', "c'"), withMood('first', 'a', 'B', "c'", 'last'));
  expect(statements).toEqual([`ALTER TYPE "app"."mood" RENAME VALUE 'b' TO 'B'`]);
  expect(renameLabels(withMood('a', 'b'), withMood('a', 'b', 'c'))).toEqual([]);
  expect(() => renameLabels(withMood('a'), withMood('b', 'c'))).toThrow('which label a became cannot be told');
});

test('a renamed label that the target still has under its old name is not a missing one', () => {
  const from = withMood('a', 'b');
  expect(withPresentNames(mood('a', 'B'), ['a', 'b'], from).labels).toEqual(['a', 'b']);
  expect(withPresentNames(mood('a', 'B'), ['a', 'B'], from).labels).toEqual(['a', 'B']);
  expect(withPresentNames(mood('a', 'B'), ['a', 'b'], null).labels).toEqual(['a', 'B']);
});
