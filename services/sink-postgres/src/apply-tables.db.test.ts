import { type Change, type ColumnSketch, position, tableVersion } from '@millrace/apply/testing/blocks.js';
import { type Row, UNCHANGED } from '@millrace/contract/row.js';
import type { TransactionGroup } from '@millrace/contract/sink.js';
import type { TableVersion } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import fc from 'fast-check';
import type { Client } from 'pg';
import { describe, expect, test } from 'vitest';
import { applyGroup } from './apply.js';
import { ApplyFixture } from './testing/apply-fixture.js';

const int = { kind: 'integer', bits: 32 } as const;
const text = { kind: 'text', maxLength: null, padded: false } as const;
const other = { kind: 'other' } as const;
const U: typeof UNCHANGED = UNCHANGED;

const ints = (...names: readonly string[]): ColumnSketch[] => names.map((name) => ({ name, type: int, declaration: 'integer' }));

describe('tables of every shape', () => {
  test('a keyless table: of equal rows one is deleted or updated, in source order; json, point and 1.0 are compared by their text', async () => {
    await using sink = await ApplyFixture.open();
    const columns: ColumnSketch[] = [
      { name: 'j', type: { kind: 'json' }, declaration: 'json' },
      { name: 'p', type: other, declaration: 'point' },
      { name: 'n', type: { kind: 'decimal', precision: null, scale: null }, declaration: 'numeric' },
      { name: 't', type: text, declaration: 'text' },
    ];
    const table = tableVersion({ schema: 'public', table: 'h' }, columns, []);
    await sink.table(table, 'CREATE TABLE public.h (j json, p point, n numeric, t text)');
    const row: Row = ['{"a": 1}', '(1,2)', '1.0', null];
    const twin: Row = ['{"a": 1}', '(1,2)', '1.00', null];
    const put = (after: Row): Change => ({ kind: 'insert', table, after });
    await sink.apply([
      put(row),
      put(row),
      put(twin),
      { kind: 'delete', table, before: twin },
      { kind: 'update', table, before: row, after: ['{}', U, '2', 'x'] },
      put(twin),
    ]);
    expect(await sink.rows('SELECT j::text, p::text, n::text, t FROM public.h ORDER BY n, t')).toEqual(
      [
        ['{"a": 1}', '(1,2)', '1.0', null],
        ['{"a": 1}', '(1,2)', '1.00', null],
        ['{}', '(1,2)', '2', 'x'],
      ].sort((left, right) => Number(left[2]) - Number(right[2])),
    );
    const result = await sink
      .apply([{ kind: 'delete', table, before: ['nothing', null, null, null] }])
      .catch((error: unknown) => error);
    expect(result).toMatchObject({ errors: 1 });
  });

  test('a key of a domain over an enum or a range finds its row, in bulk and one by one', async () => {
    await using sink = await ApplyFixture.open();
    const columns = [
      { name: 'm', type: other, declaration: 'public.mood_domain' },
      { name: 'r', type: other, declaration: 'public.span' },
      { name: 'n', type: int, declaration: 'integer' },
    ];
    const table = tableVersion({ schema: 'public', table: 'd' }, columns, ['m', 'r']);
    await sink.table(
      table,
      `CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN mood_domain AS mood; CREATE DOMAIN span AS int4range;
       CREATE TABLE public.d (m mood_domain, r span, n integer, PRIMARY KEY (m, r))`,
    );
    await sink.apply([
      { kind: 'insert', table, after: ['ok', '[1,5)', 1] },
      { kind: 'insert', table, after: ['sad', 'empty', 2] },
    ]);
    await sink.apply([
      { kind: 'update', table, before: ['ok', '[1,5)', U], after: ['ok', '[1,5)', 10] },
      { kind: 'delete', table, before: ['sad', 'empty', U] },
    ]);
    expect(await sink.rows('SELECT m::text, r::text, n FROM public.d')).toEqual([['ok', '[1,5)', 10]]);
    const missing = await sink.apply([
      { kind: 'update', table, before: ['ok', '[1,5)', U], after: ['ok', '[1,5)', 11] },
      { kind: 'delete', table, before: ['sad', 'empty', U] },
    ]);
    expect(missing).toMatchObject({ errors: 1 });
    expect(await sink.rows('SELECT n FROM public.d')).toEqual([[11]]);
  });

  test("identity ALWAYS and generated columns: the source's values are taken, the target's expressions computed", async () => {
    await using sink = await ApplyFixture.open();
    const table = tableVersion(
      { schema: 'public', table: 'g' },
      [
        { name: 'id', type: int, declaration: 'integer', identity: 'always' },
        { name: 'a', type: int, declaration: 'integer' },
        { name: 'twice', type: int, declaration: 'integer', generated: 'a * 2' },
      ],
      ['id'],
    );
    await sink.table(
      table,
      'CREATE TABLE public.g (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a integer, twice integer GENERATED ALWAYS AS (a * 2) STORED)',
    );
    const many: Change[] = Array.from({ length: 100 }, (_, id) => ({ kind: 'insert', table, after: [id + 100, id, null] }));
    await sink.apply(many);
    await sink.apply([
      { kind: 'insert', table, after: [7, 5, U] },
      { kind: 'update', table, after: [100, 9, null] },
      { kind: 'update', table, before: [101, U, U], after: [1, 3, U] },
    ]);
    expect(await sink.rows('SELECT * FROM public.g WHERE id <= 100 ORDER BY id')).toEqual([
      [1, 3, 6],
      [7, 5, 10],
      [100, 9, 18],
    ]);
    expect(sink.rowByRow).toBe(0);
  });

  test('an identity ALWAYS column that is no key follows the source too', async () => {
    await using sink = await ApplyFixture.open();
    const table = tableVersion(
      { schema: 'public', table: 'g' },
      [...ints('k'), { name: 'n', type: int, declaration: 'integer', identity: 'always' }, ...ints('a')],
      ['k'],
    );
    await sink.table(table, 'CREATE TABLE public.g (k integer PRIMARY KEY, n integer GENERATED ALWAYS AS IDENTITY, a integer)');
    await sink.apply([
      { kind: 'insert', table, after: [1, 50, 1] },
      { kind: 'insert', table, after: [2, 51, 1] },
    ]);
    const result = await sink.apply([
      { kind: 'update', table, after: [1, 50, 9] },
      { kind: 'update', table, after: [2, 99, U] },
    ]);
    expect(result.errors).toBe(0);
    expect(await sink.rows('SELECT * FROM public.g ORDER BY k')).toEqual([
      [1, 50, 9],
      [2, 99, 1],
    ]);
  });

  test('columns without a binary form, and keys of such types, go as text in the same bulk', async () => {
    await using sink = await ApplyFixture.open();
    await sink.admin.query('CREATE EXTENSION citext SCHEMA public');
    const columns: ColumnSketch[] = [
      { name: 'i', type: other, declaration: 'inet' },
      { name: 'c', type: other, declaration: 'citext' },
      { name: 'b', type: other, declaration: 'bit(3)' },
      { name: 'a', type: { kind: 'array', element: int }, declaration: 'integer[]' },
    ];
    const table = tableVersion({ schema: 'public', table: 'x' }, columns, ['i', 'c']);
    await sink.table(table, 'CREATE TABLE public.x (i inet, c public.citext, b bit(3), a integer[], PRIMARY KEY (i, c))');
    await sink.apply([
      { kind: 'insert', table, after: ['10.0.0.1', 'Ab', '101', '{1}'] },
      { kind: 'insert', table, after: ['::1', 'Cd', '000', null] },
    ]);
    const result = await sink.apply([
      { kind: 'update', table, after: ['10.0.0.1', 'Ab', '111', U] },
      { kind: 'update', table, before: ['::1', 'Cd', U, U], after: ['::2', 'cD', '001', U] },
    ]);
    expect(result.errors).toBe(0);
    expect(await sink.rows('SELECT i::text, c::text, b::text, a::text FROM public.x ORDER BY i')).toEqual([
      ['10.0.0.1/32', 'Ab', '111', '{1}'],
      ['::2/128', 'cD', '001', null],
    ]);
    expect(sink.rowByRow).toBe(0);
    const tooLong = await sink.apply([{ kind: 'insert', table, after: ['::9', 'z', '1111', null] }]);
    expect(tooLong.errors).toBe(1);
  });

  test('a table without columns, and names that need quoting', async () => {
    await using sink = await ApplyFixture.open();
    const bare = tableVersion({ schema: 'public', table: 'bare' }, [], []);
    const odd = tableVersion({ schema: 'O"dd. Schema', table: 'select' }, ints('a"b', 'from', '$1'), ['from']);
    await sink.table(bare, 'CREATE TABLE public.bare ()');
    await sink.table(
      odd,
      'CREATE SCHEMA "O""dd. Schema"',
      'CREATE TABLE "O""dd. Schema"."select" ("a""b" integer, "from" integer PRIMARY KEY, "$1" integer)',
    );
    await sink.apply([
      { kind: 'insert', table: bare, after: [] },
      { kind: 'insert', table: bare, after: [] },
      { kind: 'delete', table: bare, before: [] },
      { kind: 'insert', table: odd, after: [1, 2, 3] },
    ]);
    await sink.apply([{ kind: 'update', table: odd, after: [5, 2, U] }]);
    expect(await sink.rows('SELECT count(*)::int FROM public.bare')).toEqual([[1]]);
    expect(await sink.rows('SELECT * FROM "O""dd. Schema"."select"')).toEqual([[5, 2, 3]]);
  });
});

describe('#50 without the right to switch triggers off, foreign keys keep the order', () => {
  const parent = tableVersion({ schema: 'public', table: 'parent' }, ints('id', 'v'), ['id']);
  const child = tableVersion({ schema: 'public', table: 'child' }, ints('id', 'parent'), ['id']);

  async function family(): Promise<ApplyFixture> {
    const sink = await ApplyFixture.open();
    sink.triggersOff = false;
    await sink.table(parent, 'CREATE TABLE public.parent (id integer PRIMARY KEY, v integer)');
    await sink.table(child, 'CREATE TABLE public.child (id integer PRIMARY KEY, parent integer REFERENCES public.parent)');
    return sink;
  }

  test('parents go in before their children and out after them, whatever the order of tables in the group', async () => {
    await using sink = await family();
    const first = await sink.apply([
      { kind: 'insert', table: parent, after: [1, 0] },
      { kind: 'insert', table: child, after: [1, 1] },
      { kind: 'insert', table: parent, after: [2, 0] },
    ]);
    const second = await sink.apply([
      { kind: 'update', table: child, after: [1, 2] },
      { kind: 'delete', table: parent, before: [1, U] },
      { kind: 'delete', table: child, before: [1, U] },
      { kind: 'delete', table: parent, before: [2, U] },
    ]);
    expect([first.errors, second.errors, sink.rowByRow]).toEqual([0, 0, 0]);
    expect(await sink.rows('SELECT (SELECT count(*)::int FROM public.parent), (SELECT count(*)::int FROM public.child)')).toEqual(
      [[0, 0]],
    );
  });

  test('a row whose parent is missing is a conflict, and the others arrive', async () => {
    await using sink = await family();
    const result = await sink.apply([
      { kind: 'insert', table: child, after: [1, 99] },
      { kind: 'insert', table: parent, after: [1, 0] },
    ]);
    expect(result.errors).toBe(1);
    expect(await sink.rows('SELECT * FROM public.parent')).toEqual([[1, 0]]);
    expect(await sink.state.deadLetters(sink.admin, 5)).toMatchObject([{ code: 'APPLY_ROW_REFUSED', table: child.source }]);
  });

  test('a constraint that waits for the commit lets the group in; one that is still broken then is told row by row', async () => {
    await using sink = await family();
    await sink.admin.query('ALTER TABLE public.child ALTER CONSTRAINT child_parent_fkey DEFERRABLE INITIALLY IMMEDIATE');
    const result = await sink.apply([
      { kind: 'insert', table: child, after: [1, 1] },
      { kind: 'insert', table: parent, after: [1, 0] },
      { kind: 'insert', table: child, after: [2, 77] },
    ]);
    expect(result.errors).toBeGreaterThan(0);
    expect(await sink.rows('SELECT * FROM public.parent')).toEqual([[1, 0]]);
    expect((await sink.rows('SELECT id FROM public.child')).flat()).not.toContain(2);
  });
});

describe('a reply to COMMIT that is lost', () => {
  const table = tableVersion({ schema: 'public', table: 'a' }, ints('id'), ['id']);

  /** The next COMMIT of the applying session is turned into `instead`, and the connection is gone before its answer. */
  async function loseCommit(sink: ApplyFixture, instead: 'COMMIT' | 'ROLLBACK'): Promise<void> {
    const { client } = await sink.session(new AbortController().signal);
    const query = client.query.bind(client);
    const lossy = async (...parameters: Parameters<Client['query']>): Promise<unknown> => {
      if (String(parameters[0]) !== 'COMMIT') return query(...parameters);
      await query(instead);
      client.connection.stream.destroy();
      throw new Error('Connection terminated unexpectedly');
    };
    Object.assign(client, { query: lossy });
  }

  test.each(['COMMIT', 'ROLLBACK'] as const)(
    'the checkpoint tells what became of it (%s), and the group is in exactly once',
    async (fate) => {
      await using sink = await ApplyFixture.open();
      await sink.table(table, 'CREATE TABLE public.a (id integer PRIMARY KEY)');
      await loseCommit(sink, fate);
      const result = await sink.apply([{ kind: 'insert', table, after: [1] }]);
      expect(result).toMatchObject({ rows: 1, errors: 0 });
      expect(await sink.rows('SELECT id FROM public.a')).toEqual([[1]]);
      expect((await sink.stored()).checkpoint).toEqual(sink.script.checkpoint);
      expect((await sink.stored()).tables[0]?.counts.inserts).toBe(1n);
    },
  );
});

describe('#55 changes that the loaded rows hold already', () => {
  const table = tableVersion({ schema: 'public', table: 'a' }, ints('id', 'v'), ['id']);

  test("changes up to the load's position are passed over, later ones are applied", async () => {
    await using sink = await ApplyFixture.open();
    await sink.table(table, 'CREATE TABLE public.a (id integer PRIMARY KEY, v integer)', 'INSERT INTO public.a VALUES (1, 2)');
    sink.coverage = () => ({ asOf: position(20), chunks: [] });
    const result = await sink.apply(
      [{ kind: 'insert', table, after: [1, 1] }],
      [{ kind: 'update', table, after: [1, 2] }],
      [{ kind: 'update', table, after: [1, 3] }],
    );
    expect(result.errors).toBe(0);
    expect(await sink.rows('SELECT * FROM public.a')).toEqual([[1, 3]]);
    expect((await sink.stored()).tables[0]?.counts).toMatchObject({ inserts: 0n, updates: 1n });
  });
});

describe('a large transaction', () => {
  const table = tableVersion(
    { schema: 'public', table: 'big' },
    [...ints('id', 'v'), { name: 'note', type: text, declaration: 'text' }],
    ['id'],
  );

  async function withBig(): Promise<ApplyFixture> {
    const sink = await ApplyFixture.open();
    await sink.table(table, 'CREATE TABLE public.big (id integer PRIMARY KEY, v integer, note text)');
    return sink;
  }
  const rows = (from: number, count: number): Change[] =>
    Array.from({ length: count }, (_, index) => ({ kind: 'insert', table, after: [from + index, 0, 'x'] }));

  test('its slices arrive together, changes of one key across slices included', async () => {
    await using sink = await withBig();
    const from = sink.script.checkpoint;
    const blocks = sink.script.slices(
      [...rows(0, 12_000), { kind: 'update', table, after: [5, 9, U] }, { kind: 'delete', table, before: [6, U, U] }],
      1500,
    );
    const result = await sink.applyBlocks(blocks, from);
    expect(result).toMatchObject({ transactions: 1, rows: 12_002, errors: 0, checkpoint: sink.script.checkpoint });
    expect(await sink.rows('SELECT count(*)::int, max(v) FROM public.big')).toEqual([[11_999, 9]]);
    expect((await sink.stored()).checkpoint).toEqual(sink.script.checkpoint);
  });

  test('a conflict in one slice is set aside with the position that the commit brings; the others arrive', async () => {
    await using sink = await withBig();
    await sink.admin.query("INSERT INTO public.big VALUES (5100, 1, 'mine')");
    const from = sink.script.checkpoint;
    const result = await sink.applyBlocks(sink.script.slices(rows(0, 6000), 1000), from);
    expect(result.errors).toBe(1);
    expect(await sink.rows('SELECT count(*)::int, max(v) FROM public.big')).toEqual([[6000, 1]]);
    expect(await sink.state.deadLetters(sink.admin, 5)).toMatchObject([{ position: position(sink.script.lsn), ordinal: 5100 }]);
    expect((await sink.stored()).tables[0]?.counts).toMatchObject({ inserts: 5999n, errors: 1n });
  });

  test('one that a Takeover breaks off in the middle leaves nothing', async () => {
    await using sink = await withBig();
    const from = sink.script.checkpoint;
    const blocks = sink.script.slices(rows(0, 11_000), 1000);
    const abandoned = new MillraceError('INTERNAL', { what: 'abandoned' });
    const group: TransactionGroup = {
      large: true,
      blocks: (async function* () {
        yield* blocks.slice(0, 8);
        throw abandoned;
      })(),
      from,
      next: () => sink.script.checkpoint,
      coverage: () => null,
    };
    await expect(applyGroup(sink, group, new AbortController().signal)).rejects.toBe(abandoned);
    await expect(sink.applyBlocks(blocks.slice(0, 8), from)).rejects.toMatchObject({ code: 'INTERNAL' });
    expect(await sink.rows('SELECT count(*)::int FROM public.big')).toEqual([[0]]);
    expect((await sink.stored()).checkpoint).toEqual(from);
  });

  test('one that a load holds is passed over; one that it turns out not to hold is applied at the next attempt', async () => {
    await using sink = await withBig();
    await sink.apply([{ kind: 'insert', table, after: [1_000_000, 0, 'first'] }]);
    const covered = sink.script.checkpoint;
    sink.coverage = () => ({ asOf: position(20), chunks: [] });
    await sink.applyBlocks(sink.script.slices(rows(0, 6000), 1000), covered);
    expect(await sink.rows('SELECT count(*)::int FROM public.big')).toEqual([[1]]);

    const from = sink.script.checkpoint;
    sink.coverage = () => ({ asOf: position(25), chunks: [] });
    const blocks = sink.script.slices(rows(0, 6000), 1000);
    await expect(sink.applyBlocks(blocks, from)).rejects.toMatchObject({ code: 'TARGET_BUSY', class: 'retry' });
    await sink.applyBlocks(blocks, from);
    expect(await sink.rows('SELECT count(*)::int FROM public.big')).toEqual([[6001]]);
  });
});

describe('any history', () => {
  const versions: readonly TableVersion[] = [
    tableVersion(
      { schema: 'public', table: 'one' },
      [...ints('k', 'a'), { name: 'big', type: text, declaration: 'text' }],
      ['k'],
    ),
    tableVersion(
      { schema: 'public', table: 'two' },
      [{ name: 'big', type: text, declaration: 'text' }, ...ints('k', 'a')],
      ['k', 'a'],
    ),
  ];
  const step = fc.record({
    table: fc.nat(1),
    kind: fc.constantFrom('insert', 'insert', 'update', 'update', 'move', 'delete', 'truncate'),
    pick: fc.nat(999),
    key: fc.nat(7),
    value: fc.nat(3),
    keep: fc.boolean(),
    cut: fc.nat(4),
  });

  test('in any groups the target ends as the source', async () => {
    await using sink = await ApplyFixture.open();
    await sink.table(versions[0] ?? never(), 'CREATE TABLE public.one (k integer PRIMARY KEY, a integer, big text)');
    await sink.table(versions[1] ?? never(), 'CREATE TABLE public.two (big text, k integer, a integer, PRIMARY KEY (k, a))');
    const source = versions.map(() => new Map<string, Row>());
    const keyOf = (table: TableVersion, row: Row): string =>
      table.schema.columns.map(({ name }, index) => (table.schema.primaryKey.includes(name) ? String(row[index]) : '')).join();
    let group: Change[][] = [];
    for (const choice of fc.sample(step, { numRuns: 1500, seed: 20261121 })) {
      const table = versions[choice.table] ?? never();
      const state = source[choice.table] ?? never();
      const rows = [...state.values()];
      const chosen = rows[choice.pick % Math.max(1, rows.length)];
      const fresh: Row =
        choice.table === 0 ? [choice.key, choice.value, `t${choice.pick}`] : [`t${choice.pick}`, choice.key, choice.value];
      const big = choice.table === 0 ? 2 : 0;
      const keyOnly = (row: Row): Row =>
        row.map((value, index) => (table.schema.primaryKey.includes(table.schema.columns[index]?.name ?? '') ? value : U));
      const isFree = !state.has(keyOf(table, fresh));
      let change: Change | undefined;
      if (choice.kind === 'insert' && isFree) change = { kind: 'insert', table, after: fresh };
      else if (choice.kind === 'truncate' && choice.pick % 10 === 0) change = { kind: 'truncate', tables: [table] };
      else if (chosen !== undefined && choice.kind === 'delete') change = { kind: 'delete', table, before: keyOnly(chosen) };
      else if (chosen !== undefined && choice.kind === 'move' && isFree)
        change = {
          kind: 'update',
          table,
          before: keyOnly(chosen),
          after: fresh.map((value, index) => (index === big && choice.keep ? U : value)),
        };
      else if (chosen !== undefined && choice.kind === 'update')
        change = {
          kind: 'update',
          table,
          after: chosen.map((value, index) => (index === big ? (choice.keep ? U : `u${choice.pick}`) : value)),
        };
      if (change !== undefined) {
        if (change.kind === 'truncate') state.clear();
        if ((change.kind === 'delete' || change.kind === 'update') && chosen !== undefined) state.delete(keyOf(table, chosen));
        if (change.kind === 'insert' || change.kind === 'update') {
          const after = change.after.map((value, index) => (value === U ? (chosen?.[index] ?? null) : value));
          state.set(keyOf(table, after), after);
        }
        group.push([change]);
      }
      if (choice.cut > 0 || group.length === 0) continue;
      const result = await sink.apply(...group);
      expect(result.errors).toBe(0);
      group = [];
      expect(await sink.rows('SELECT * FROM public.one ORDER BY k')).toEqual(
        [...(source[0] ?? never()).values()].sort((x, y) => Number(x[0]) - Number(y[0])),
      );
      expect(await sink.rows('SELECT * FROM public.two ORDER BY k, a')).toEqual(
        [...(source[1] ?? never()).values()].sort((x, y) => Number(x[1]) - Number(y[1]) || Number(x[2]) - Number(y[2])),
      );
    }
    expect(sink.rowByRow).toBe(0);
  });
});

function never(): never {
  throw new Error('not there');
}
