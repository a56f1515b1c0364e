import { type Change, position, tableVersion } from '@millrace/apply/testing/blocks.js';
import { type Row, UNCHANGED } from '@millrace/contract/row.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { describe, expect, test } from 'vitest';
import { ApplyFixture, LOG_ALL } from './testing/apply-fixture.js';

const int = { kind: 'integer', bits: 32 } as const;
const text = { kind: 'text', maxLength: null, padded: false } as const;
const U: typeof UNCHANGED = UNCHANGED;

const accounts = tableVersion(
  { schema: 'public', table: 'accounts' },
  [
    { name: 'id', type: int, declaration: 'integer' },
    { name: 'balance', type: int, declaration: 'integer' },
    { name: 'note', type: text, declaration: 'text' },
  ],
  ['id'],
);
const CREATE_ACCOUNTS = 'CREATE TABLE public.accounts (id integer PRIMARY KEY, balance integer, note text)';
const ALL = 'SELECT * FROM public.accounts ORDER BY id';

const insert = (...after: Row): Change => ({ kind: 'insert', table: accounts, after });
const update = (...after: Row): Change => ({ kind: 'update', table: accounts, after });
const move = (from: number, ...after: Row): Change => ({ kind: 'update', table: accounts, before: [from, U, U], after });
const remove = (id: number): Change => ({ kind: 'delete', table: accounts, before: [id, U, U] });

async function withAccounts(): Promise<ApplyFixture> {
  const fixture = await ApplyFixture.open();
  await fixture.table(accounts, CREATE_ACCOUNTS);
  return fixture;
}

describe('a group is one target transaction', () => {
  test('inserts, updates, deletes and moves arrive, the checkpoint moves and the changes are counted', async () => {
    await using sink = await withAccounts();
    await sink.apply([insert(1, 10, 'a'), insert(2, 20, 'b'), insert(3, 30, 'c')]);
    const result = await sink.apply([update(1, 11, U), remove(2)], [move(3, 4, 31, U), insert(5, 50, null)]);
    expect(await sink.rows(ALL)).toEqual([
      [1, 11, 'a'],
      [4, 31, 'c'],
      [5, 50, null],
    ]);
    expect(result).toMatchObject({ checkpoint: sink.script.checkpoint, transactions: 2, rows: 4, errors: 0, suspended: [] });
    expect(sink.rowByRow).toBe(0);
    const { checkpoint, tables } = await sink.stored();
    expect(checkpoint).toEqual(sink.script.checkpoint);
    expect(tables[0]?.counts).toMatchObject({ inserts: 4n, updates: 2n, deletes: 1n, errors: 0n });
  });

  test('many inserts go by COPY, the rest by unnest, with the same result as one by one', async () => {
    await using sink = await withAccounts();
    await sink.apply(Array.from({ length: 500 }, (_, id) => insert(id, id * 2, `row ${id}`)));
    await sink.apply(
      Array.from({ length: 500 }, (_, id) =>
        id % 3 === 0 ? remove(id) : id % 3 === 1 ? update(id, -1, U) : move(id, id + 1000, -2, U),
      ),
    );
    expect(await sink.rows('SELECT count(*)::int, sum(balance)::int, count(note)::int FROM public.accounts')).toEqual([
      [333, -167 - 2 * 166, 333],
    ]);
    expect(await sink.rows('SELECT * FROM public.accounts WHERE id IN (1, 1002) ORDER BY id')).toEqual([
      [1, -1, 'row 1'],
      [1002, -2, 'row 2'],
    ]);
    expect(sink.rowByRow).toBe(0);
  });

  test('progress alone moves the checkpoint', async () => {
    await using sink = await withAccounts();
    const from = sink.script.checkpoint;
    await sink.applyBlocks([sink.script.progress()], from);
    expect((await sink.stored()).checkpoint).toEqual(sink.script.checkpoint);
  });

  test('#47 a delete and insert of one key, a swap of keys and a chain of moves arrive in one group', async () => {
    await using sink = await withAccounts();
    await sink.apply([insert(1, 1, 'one'), insert(2, 2, 'two'), insert(3, 3, 'three')]);
    await sink.apply([move(1, 9, 1, U), move(2, 1, 2, U), move(9, 2, 1, U), remove(3), insert(3, 33, 'new')]);
    expect(await sink.rows(ALL)).toEqual([
      [1, 2, 'two'],
      [2, 1, 'one'],
      [3, 33, 'new'],
    ]);
    expect(sink.rowByRow).toBe(0);
  });

  test('a truncation drops what came before it and keeps what comes after', async () => {
    await using sink = await withAccounts();
    await sink.apply([insert(1, 1, 'x')]);
    await sink.apply([insert(2, 2, 'y'), { kind: 'truncate', tables: [accounts] }, insert(1, 5, 'z')]);
    expect(await sink.rows(ALL)).toEqual([[1, 5, 'z']]);
  });

  test('swapped values of a secondary unique key arrive, since they then go row by row in source order', async () => {
    await using sink = await withAccounts();
    await sink.admin.query('CREATE UNIQUE INDEX ON public.accounts (balance)');
    await sink.apply([insert(1, 1, 'x'), insert(2, 2, 'y')]);
    const result = await sink.apply([update(1, 0, U), update(2, 1, U), update(1, 2, U)]);
    expect(await sink.rows('SELECT id, balance FROM public.accounts ORDER BY id')).toEqual([
      [1, 2],
      [2, 1],
    ]);
    expect(result.errors).toBe(0);
  });

  test('a sink whose checkpoint another one has moved writes nothing: SINK_FENCED', async () => {
    await using sink = await withAccounts();
    await sink.state.claim(sink.admin, 'definition');
    await expect(sink.apply([insert(1, 1, 'x')])).rejects.toMatchObject({ code: 'SINK_FENCED' });
    expect(await sink.rows(ALL)).toEqual([]);
  });

  test('#53 a group that was applied already is refused, so nothing is doubled', async () => {
    await using sink = await withAccounts();
    const from = sink.script.checkpoint;
    const block = sink.script.transaction([insert(1, 1, 'x')]);
    await sink.applyBlocks([block], from);
    await expect(sink.applyBlocks([block], from)).rejects.toMatchObject({ code: 'SINK_FENCED' });
    expect(await sink.rows(ALL)).toEqual([[1, 1, 'x']]);
  });

  test('further columns of the target keep their values, also where a row moves to another key', async () => {
    await using sink = await withAccounts();
    await sink.admin.query("ALTER TABLE public.accounts ADD COLUMN extra text DEFAULT 'default'");
    await sink.apply([insert(1, 1, 'x')]);
    await sink.admin.query("UPDATE public.accounts SET extra = 'mine'");
    await sink.apply([move(1, 2, 5, U)], [update(2, 6, 'y')]);
    expect(await sink.rows(ALL)).toEqual([[2, 6, 'y', 'mine']]);
  });
});

describe('conflicts go to the policy', () => {
  test('LOG_ERROR sets each conflicting change aside whole, in order, and applies the others', async () => {
    await using sink = await withAccounts();
    await sink.admin.query("INSERT INTO public.accounts VALUES (1, 100, 'already here')");
    const result = await sink.apply([insert(1, 1, 'x'), insert(2, 2, 'y')], [update(7, 70, U), remove(8), insert(3, 3, 'z')]);
    expect(result.errors).toBe(3);
    expect(await sink.rows(ALL)).toEqual([
      [1, 100, 'already here'],
      [2, 2, 'y'],
      [3, 3, 'z'],
    ]);
    const letters = await sink.state.deadLetters(sink.admin, 10);
    expect(letters).toMatchObject([
      {
        kind: 'insert',
        code: 'APPLY_DUPLICATE_ROW',
        position: position(10),
        ordinal: 0,
        before: null,
        after: '{"id":1,"balance":1,"note":"x"}',
      },
      {
        kind: 'update',
        code: 'APPLY_ROW_MISSING',
        position: position(20),
        ordinal: 0,
        before: null,
        after: '{"id":7,"balance":70}',
      },
      { kind: 'delete', code: 'APPLY_ROW_MISSING', position: position(20), ordinal: 1, before: '{"id":8}', after: null },
    ]);
    expect((await sink.stored()).tables[0]?.counts).toMatchObject({ inserts: 2n, updates: 0n, deletes: 0n, errors: 3n });
  });

  test('UPDATE_RECORD overwrites the row that is there, INSERT_RECORD inserts the row that is not', async () => {
    await using sink = await withAccounts();
    sink.policy = { ...LOG_ALL, insertConflict: 'UPDATE_RECORD', updateConflict: 'INSERT_RECORD' };
    await sink.admin.query("INSERT INTO public.accounts VALUES (1, 100, 'already here')");
    await sink.apply([insert(1, 1, 'x'), update(2, 2, 'y'), update(3, 3, U)]);
    expect(await sink.rows(ALL)).toEqual([
      [1, 1, 'x'],
      [2, 2, 'y'],
    ]);
    expect(await sink.state.deadLetters(sink.admin, 10)).toMatchObject([{ code: 'APPLY_ROW_INCOMPLETE' }]);
  });

  test('STOP_TASK rolls the whole group back and names row and table', async () => {
    await using sink = await withAccounts();
    sink.policy = { ...LOG_ALL, deleteConflict: 'STOP_TASK' };
    const before = sink.script.checkpoint;
    const error = await sink.apply([insert(1, 1, 'x'), remove(8)]).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(MillraceError);
    expect(error).toMatchObject({ code: 'APPLY_REFUSED', details: { kind: 'a delete', table: 'public.accounts', key: 'id=8' } });
    expect(await sink.rows(ALL)).toEqual([]);
    expect((await sink.stored()).checkpoint).toEqual(before);
  });

  test('SUSPEND_TABLE stops that table alone, at that change', async () => {
    await using sink = await withAccounts();
    const other = tableVersion({ schema: 'public', table: 'other' }, [{ name: 'id', type: int, declaration: 'integer' }], ['id']);
    await sink.table(other, 'CREATE TABLE public.other (id integer PRIMARY KEY)');
    sink.policy = { ...LOG_ALL, updateConflict: 'SUSPEND_TABLE' };
    const result = await sink.apply([
      insert(1, 1, 'x'),
      update(9, 9, 'y'),
      insert(2, 2, 'y'),
      { kind: 'insert', table: other, after: [1] },
    ]);
    expect(result.suspended).toEqual([accounts.source]);
    await sink.apply([insert(3, 3, 'z'), { kind: 'insert', table: other, after: [2] }]);
    expect(await sink.rows(ALL)).toEqual([[1, 1, 'x']]);
    expect(await sink.rows('SELECT * FROM public.other ORDER BY id')).toEqual([[1], [2]]);
    const { tables } = await sink.stored();
    expect(tables.find(({ source }) => source.table === 'accounts')).toMatchObject({
      state: 'error',
      error: { code: 'APPLY_ROW_MISSING' },
      counts: { inserts: 1n, errors: 3n },
    });
  });

  test('a value that the target cannot hold is set aside, the rows around it are applied', async () => {
    await using sink = await withAccounts();
    await sink.admin.query('ALTER TABLE public.accounts ADD CHECK (balance < 1000), ALTER COLUMN note TYPE varchar(3)');
    const result = await sink.apply(
      Array.from({ length: 200 }, (_, id) => insert(id, id === 77 ? 5000 : 0, id === 150 ? 'too long' : 'x')),
    );
    expect(result.errors).toBe(2);
    expect(await sink.rows('SELECT count(*)::int FROM public.accounts')).toEqual([[198]]);
    expect((await sink.state.deadLetters(sink.admin, 10)).map(({ code, ordinal }) => [code, ordinal])).toEqual([
      ['APPLY_ROW_REFUSED', 77],
      ['APPLY_ROW_REFUSED', 150],
    ]);
  });

  test('a table that was dropped in the target is set aside alone', async () => {
    await using sink = await withAccounts();
    await sink.apply([insert(1, 1, 'x')]);
    await sink.admin.query('DROP TABLE public.accounts');
    const result = await sink.apply([insert(2, 2, 'x')], [insert(3, 2, 'x')]);
    expect(result.suspended).toEqual([accounts.source]);
    expect((await sink.stored()).tables[0]).toMatchObject({ state: 'error', error: { code: 'APPLY_TABLE_CHANGED' } });
  });
});

describe('failures that pass', () => {
  test('a group goes in after the session was ended by the server', async () => {
    await using sink = await withAccounts();
    await sink.apply([insert(1, 1, 'x')]);
    await sink.admin.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
    );
    await sink.apply([insert(2, 2, 'y')]);
    expect(await sink.rows(ALL)).toEqual([
      [1, 1, 'x'],
      [2, 2, 'y'],
    ]);
    expect(sink.sessions).toBe(2);
  });

  test('a lock that is held too long, or a deadlock, makes the group wait and try again', async () => {
    await using sink = await withAccounts();
    await sink.apply([insert(1, 1, 'x')]);
    await sink.admin.query('BEGIN');
    await sink.admin.query('UPDATE public.accounts SET balance = 7 WHERE id = 1');
    const applied = sink.apply([update(1, 2, U)]);
    const waited = new Promise((resolve) => setTimeout(resolve, 2_500));
    await waited;
    await sink.admin.query('ROLLBACK');
    await applied;
    expect(await sink.rows(ALL)).toEqual([[1, 2, 'x']]);
  });

  test('a stop between statements rolls back and leaves no transaction open', async () => {
    await using sink = await withAccounts();
    const from = sink.script.checkpoint;
    const block = sink.script.transaction([insert(1, 1, 'x')]);
    await expect(sink.applyBlocks([block], from, AbortSignal.abort(new Error('stop')))).rejects.toThrow('stop');
    expect((await sink.stored()).checkpoint).toEqual(from);
  });
});
