import { describe, expect, test } from 'vitest';
import { planAlter } from './alter-plan.js';
import type { TargetColumn, TargetTable } from './target-table.js';
import { column, table } from './testing/table-schemas.js';

const id = column('id', 'int', { nullable: false, ordinal: 1 });
const a = column('a', 'varchar(20)', { ordinal: 2 });
const b = column('b', 'varchar(20)', { ordinal: 3 });
const NAME = { schema: 's', table: 't' };
const before = table(NAME, [id, a, b], { primaryKey: ['id'] });

function present(...columns: readonly (readonly [name: string, declaration: string])[]): TargetTable {
  return {
    columns: columns.map(
      ([name, declaration]): TargetColumn => ({
        name,
        declaration,
        type: /^\w+/.exec(declaration)?.[0] ?? '',
        nullable: name !== 'id',
        default: null,
        autoIncrement: false,
        generated: false,
        expression: null,
        charset: declaration.startsWith('varchar') ? 'utf8mb4' : null,
        collation: declaration.startsWith('varchar') ? 'utf8mb4_bin' : null,
      }),
    ),
    primaryKey: ['id'],
    uniqueKeys: [['id']],
    storageEngine: 'InnoDB',
    kind: 'BASE TABLE',
    triggers: [],
  };
}

const target = present(['id', 'int(11)'], ['a', 'varchar(20)'], ['b', 'varchar(20)']);
const plan = (columns: Parameters<typeof table>[1], there = target, more: Parameters<typeof table>[2] = { primaryKey: ['id'] }) =>
  planAlter(before, table(more.id ?? NAME, columns, more), there, () => true);

describe('one statement takes a table from one version to the next', () => {
  test('the same version needs none', () => {
    expect(plan([id, a, b])).toEqual({ statement: null, afterwards: [] });
  });

  test('two columns that swap their names', () => {
    const swapped = [id, { ...a, name: 'b' }, { ...b, name: 'a' }];
    expect(plan(swapped).statement).toBe('ALTER TABLE `s`.`t` RENAME COLUMN `a` TO `b`, RENAME COLUMN `b` TO `a`');
  });

  test('dropped, retyped and added columns, another key and another name', () => {
    const next = [
      { ...id, native: { ...id.native, declaration: 'bigint' } },
      b,
      column('c', 'int', { ordinal: 4, nullable: false, default: '1', missingValue: '7' }),
    ];
    expect(plan(next, target, { primaryKey: ['c', 'id'], id: { schema: 's', table: 'u' } })).toEqual({
      statement:
        "ALTER TABLE `s`.`t` DROP COLUMN `a`, ADD COLUMN `c` int NOT NULL DEFAULT '7', CHANGE COLUMN `id` `id` bigint NOT NULL, DROP PRIMARY KEY, ADD PRIMARY KEY (`c`, `id`), RENAME TO `s`.`u`",
      afterwards: ['ALTER TABLE `s`.`u` ALTER COLUMN `c` SET DEFAULT 1'],
    });
  });

  test("a type of the target's own that holds the new one's values stays", () => {
    const wide = present(['id', 'int'], ['a', 'varchar(200)'], ['b', 'varchar(20)']);
    const longer = [id, column('a', 'varchar(100)', { ordinal: 2 }), b];
    expect(plan(longer, wide).statement).toBeNull();
    expect(plan(longer).statement).toContain('CHANGE COLUMN `a` `a` varchar(100)');
  });

  test('what the catalogue shows as done is left out', () => {
    expect(plan([id, b], present(['id', 'int'], ['b', 'varchar(20)'])).statement).toBeNull();
  });
});
