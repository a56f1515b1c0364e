import { Buffer } from 'node:buffer';
import type { Change } from '@millrace/apply/testing/blocks.js';
import type { Row } from '@millrace/contract/row.js';
import type { TableVersion } from '@millrace/contract/table.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ENGINES, SinkFixture } from './testing/sink-fixture.js';
import { column } from './testing/table-schemas.js';

/** Keys that a collation could take for one another, and a unique column besides. */
const KEYS = ['a', 'A', 'á', 'b', '', 'a ', 'ß', 'ss'];

/** Transactions of a source that has the table, as its log would tell them, and the rows that it ends with. */
function sourceOf(
  choices: readonly number[],
  table: TableVersion,
): { readonly transactions: readonly (readonly Change[])[]; readonly rows: readonly Row[] } {
  const rows = new Map<string, Row>();
  const transactions: Change[][] = [];
  let open: Change[] = [];
  for (const choice of choices) {
    const key = KEYS[choice % KEYS.length] ?? '';
    const other = KEYS[(choice >> 3) % KEYS.length] ?? '';
    const value = (choice >> 6) % 5 === 0 ? null : `v${choice % 1000}`;
    const before = rows.get(key);
    if (before === undefined) {
      const after: Row = [key, choice % 97, value];
      rows.set(key, after);
      open.push({ kind: 'insert', table, after });
    } else if (choice % 5 === 0) {
      rows.delete(key);
      open.push({ kind: 'delete', table, before });
    } else if (choice % 5 === 1 && !rows.has(other)) {
      const after: Row = [other, before[1] ?? 0, value];
      rows.delete(key);
      rows.set(other, after);
      open.push({ kind: 'update', table, before, after });
    } else if (choice % 61 === 0) {
      rows.clear();
      open.push({ kind: 'truncate', tables: [table] });
    } else {
      const after: Row = [key, choice % 97, value];
      rows.set(key, after);
      open.push({ kind: 'update', table, before, after });
    }
    if (choice % 3 === 0) {
      transactions.push(open);
      open = [];
    }
  }
  transactions.push(open);
  const byBytes = [...rows.values()].sort((left, right) =>
    Buffer.compare(Buffer.from(String(left[0])), Buffer.from(String(right[0]))),
  );
  return { transactions, rows: byBytes };
}

describe.each(ENGINES)('%s', (engine) => {
  test.each([
    ['with a key', ['k']],
    ['without a key', []],
  ] as const)('in any groups the target ends as the source: a table %s', async (_name, primaryKey) => {
    await using fixture = await SinkFixture.open(engine);
    let round = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(100_000), { maxLength: 60 }),
        fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 1 }),
        async (choices, sizes) => {
          const name = `t${round++}`;
          // Every key its own: no pad, no folding.
          const version = fixture.table(
            name,
            [column('k', 'varbinary(20)', { nullable: false }), column('n', 'int'), column('v', 'varchar(20)')],
            primaryKey,
          );
          const { transactions, rows } = sourceOf(choices, version);
          await fixture.create(version);
          const bytes = (row: Row): Row => [Buffer.from(String(row[0])), ...row.slice(1)];
          const sent = transactions.map((changes) =>
            changes.map((change): Change => {
              if (change.kind === 'insert') return { ...change, after: bytes(change.after) };
              if (change.kind === 'delete') return { ...change, before: bytes(change.before) };
              if (change.kind === 'update') return { ...change, before: bytes(change.before ?? []), after: bytes(change.after) };
              return change;
            }),
          );
          for (let at = 0, group = 0; at < sent.length; group++) {
            const size = sizes[group % sizes.length] ?? 1;
            expect(await fixture.apply(...sent.slice(at, at + size))).toMatchObject({ errors: 0 });
            at += size;
          }
          expect(await fixture.rows(`SELECT CAST(k AS CHAR), n, v FROM ${name} ORDER BY k, n, v`)).toEqual(rows);
        },
      ),
      { numRuns: 40 },
    );
  });
});
