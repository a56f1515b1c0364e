import type { ColumnSchema, TableVersion } from '@millrace/contract/table.js';
import { waitUntil, withConnection } from '@millrace/testkit/servers.js';
import { describe, expect, test } from 'vitest';
import { ENGINES, SinkFixture, versionOf } from './testing/sink-fixture.js';
import { column, table } from './testing/table-schemas.js';

const id = column('id', 'int', { nullable: false });
const a = column('a', 'varchar(20)');
const b = column('b', 'varchar(20)');

/** A version with other columns; those of the same ordinal are the same. */
function next(version: TableVersion, columns: readonly ColumnSchema[], more: Parameters<typeof table>[2] = {}): TableVersion {
  const { id: name, primaryKey } = version.schema;
  return versionOf(table(name, columns, { primaryKey, ...more }));
}

/** Waits until an ALTER TABLE of the sink waits for the table. */
async function altering(fixture: SinkFixture): Promise<void> {
  await waitUntil(
    async () =>
      (await fixture.rows("SELECT ID FROM information_schema.PROCESSLIST WHERE INFO LIKE 'ALTER TABLE%`t`%'")).length > 0,
    { what: 'the table to be altered', deadlineMs: 20_000 },
  );
}

describe.each(ENGINES)('Schema events in %s', (engine) => {
  test('rows before and behind each change land under their own version, in one group', async () => {
    await using fixture = await SinkFixture.open(engine);
    const first = fixture.table('t', [id, a, b], ['id']);
    const swapped = next(first, [id, { ...b, ordinal: 2 }, { ...a, ordinal: 3 }]);
    const widened = next(swapped, [
      { ...id, ordinal: 1 },
      { ...b, name: 'c', ordinal: 2 },
      column('added', 'int', { ordinal: 4, nullable: false, default: '9', missingValue: '7' }),
    ]);
    const { script } = fixture;
    await fixture.applyBlocks([
      script.schema(first, { kind: 'version' }),
      script.transaction([{ kind: 'insert', table: first, after: [1, 'a1', 'b1'] }]),
      script.schema(swapped, { kind: 'version' }),
      script.transaction([{ kind: 'insert', table: swapped, after: [2, 'b2', 'a2'] }]),
      script.schema(widened, { kind: 'version' }),
      script.transaction([
        { kind: 'insert', table: widened, after: [3, 'c3', 3] },
        { kind: 'update', table: widened, before: [1, 'a1', 7], after: [1, 'c1', 7] },
      ]),
    ]);
    expect(await fixture.rows('SELECT id, c, added FROM t ORDER BY id')).toEqual([
      [1, 'c1', 7],
      [2, 'b2', 7],
      [3, 'c3', 3],
    ]);
    await fixture.run("INSERT INTO t (id, c) VALUES (4, 'own')");
    expect(await fixture.rows('SELECT added FROM t WHERE id = 4')).toEqual([[9]]);
    const state = await fixture.sink.inspect();
    expect(state.checkpoint).toEqual(script.checkpoint);
    expect(state.tables[0]).toMatchObject({ state: 'completed', counts: { inserts: 3n, updates: 1n, ddls: 2n } });
  });

  test('keys, types, nulls, dropped and renamed tables are followed', async () => {
    await using fixture = await SinkFixture.open(engine);
    const first = fixture.table('t', [id, column('n', 'int'), a], ['id']);
    await fixture.create(first);
    await fixture.apply([{ kind: 'insert', table: first, after: [1, 5, 'x'] }]);
    const second = next(
      first,
      [id, column('n', 'bigint', { nullable: false }), column('a', 'varchar(200)', { default: "'d'" })],
      {
        primaryKey: ['n', 'id'],
      },
    );
    await fixture.create(second);
    await fixture.apply([{ kind: 'insert', table: second, after: [1, 2n ** 40n, 'y'.repeat(200)] }]);
    const renamed = versionOf({ ...second.schema, id: { schema: fixture.database.name, table: 'u' } });
    await fixture.applyBlocks([fixture.script.schema({ ...renamed, source: second.source }, { kind: 'version' })]);
    expect(await fixture.rows('SELECT CAST(n AS CHAR), CAST(LENGTH(a) AS CHAR) FROM u ORDER BY n')).toEqual([
      ['5', '1'],
      ['1099511627776', '200'],
    ]);
    const keys =
      "SELECT COLUMN_NAME FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'u' ORDER BY SEQ_IN_INDEX";
    expect(await fixture.rows(keys)).toEqual([['n'], ['id']]);
    await fixture.applyBlocks([fixture.script.schema({ ...renamed, source: second.source }, { kind: 'dropped' })]);
    expect(await fixture.rows("SHOW TABLES LIKE 'u'")).toEqual([]);
    expect((await fixture.sink.inspect()).tables).toEqual([]);
  });

  test('what the target cannot follow sets the table aside, alone', async () => {
    await using fixture = await SinkFixture.open(engine);
    await fixture.run('CREATE TABLE slow (id int PRIMARY KEY) ENGINE=MyISAM', 'CREATE VIEW v AS SELECT 1 AS id');
    const good = fixture.table('t', [id, a], ['id']);
    const unfit = next(good, [id, column('a', 'int')]);
    const { script } = fixture;
    await fixture.applyBlocks([
      script.schema(good, { kind: 'version' }),
      script.schema(fixture.table('slow', [id], ['id']), { kind: 'version' }),
      script.schema(fixture.table('v', [id], ['id']), { kind: 'version' }),
      script.transaction([{ kind: 'insert', table: good, after: [1, 'no number'] }]),
      script.schema(unfit, { kind: 'version' }),
      script.transaction([{ kind: 'insert', table: unfit, after: [2, 2] }]),
    ]);
    expect((await fixture.sink.inspect()).tables.map(({ target, state, error }) => [target.table, state, error?.code])).toEqual([
      ['slow', 'error', 'TARGET_NOT_TRANSACTIONAL'],
      ['t', 'error', 'ALTER_REFUSED'],
      ['v', 'error', 'TARGET_NOT_A_TABLE'],
    ]);
    expect(await fixture.rows('SELECT id, a FROM t')).toEqual([[1, 'no number']]);
  });

  test.each([
    ['before', false],
    ['behind', true],
  ])('#23 a sink that ends right %s ALTER TABLE: its successor goes on there, with nothing twice', async (_when, done) => {
    await using fixture = await SinkFixture.open(engine);
    const first = fixture.table('t', [id, a, b], ['id']);
    const swapped = next(first, [id, { ...b, ordinal: 2 }, { ...a, ordinal: 3 }]);
    await fixture.create(first);
    const { script } = fixture;
    const blocks = [
      script.transaction([{ kind: 'insert', table: first, after: [1, 'a1', 'b1'] }]),
      script.schema(swapped, { kind: 'version' }),
      script.transaction([{ kind: 'insert', table: swapped, after: [2, 'b2', 'a2'] }]),
    ];
    await withConnection(fixture.database.url, async (reader) => {
      // Whoever reads a table keeps it from being altered until the end of the transaction.
      await reader.query('START TRANSACTION');
      await reader.query('SELECT * FROM t');
      const applying = fixture.applyBlocks(blocks).catch((error: unknown) => error);
      await altering(fixture);
      // What came before is in; a look at the rows themselves would wait behind ALTER TABLE.
      expect((await fixture.sink.inspect()).tables[0]?.counts.inserts).toBe(1n);
      // The new one waits for the old one's definition, and then ends it.
      await fixture.connect();
      expect(await applying).toBeInstanceOf(Error);
      await reader.query('ROLLBACK');
    });
    // As if the server had done it, and nobody had heard.
    if (done) await fixture.run('ALTER TABLE t RENAME COLUMN a TO b, RENAME COLUMN b TO a');
    await fixture.applyBlocks(blocks);
    expect(await fixture.rows('SELECT id, a, b FROM t ORDER BY id')).toEqual([
      [1, 'b1', 'a1'],
      [2, 'a2', 'b2'],
    ]);
    expect((await fixture.sink.inspect()).checkpoint).toEqual(script.checkpoint);
  });

  test('a group that ends before the place that an earlier sink had reached leaves it to the next one', async () => {
    await using fixture = await SinkFixture.open(engine);
    const first = fixture.table('t', [id, a, b], ['id']);
    const swapped = next(first, [id, { ...b, ordinal: 2 }, { ...a, ordinal: 3 }]);
    await fixture.create(first);
    const { script } = fixture;
    const one = script.transaction([{ kind: 'insert', table: first, after: [1, 'a1', 'b1'] }]);
    const afterOne = script.checkpoint;
    const rest = [
      script.schema(swapped, { kind: 'version' }),
      script.transaction([{ kind: 'insert', table: swapped, after: [2, 'b2', 'a2'] }]),
    ];
    await withConnection(fixture.database.url, async (reader) => {
      await reader.query('START TRANSACTION');
      await reader.query('SELECT * FROM t');
      const applying = fixture.applyBlocks([one, ...rest]).catch((error: unknown) => error);
      await altering(fixture);
      await fixture.connect();
      expect(await applying).toBeInstanceOf(Error);
      await reader.query('ROLLBACK');
    });
    expect(await fixture.applyTo([one], afterOne)).toMatchObject({ errors: 0 });
    expect(await fixture.rows('SELECT id FROM t')).toEqual([[1]]);
    await fixture.applyBlocks(rest);
    expect(await fixture.rows('SELECT id, a, b FROM t ORDER BY id')).toEqual([
      [1, 'b1', 'a1'],
      [2, 'a2', 'b2'],
    ]);
  });

  test('in a transaction that may yet be abandoned a definition sets its table aside', async () => {
    await using fixture = await SinkFixture.open(engine);
    const first = fixture.table('t', [id, a], ['id']);
    const wider = next(first, [id, a, column('c', 'int')]);
    await fixture.create(first);
    const changes = [
      ...[1, 2, 3].map((key) => ({ kind: 'insert' as const, table: first, after: [key, 'x'] })),
      { kind: 'schema' as const, table: wider, change: { kind: 'version' as const } },
      ...[4, 5, 6].map((key) => ({ kind: 'insert' as const, table: wider, after: [key, 'x', 1] })),
    ];
    await fixture.applyBlocks(fixture.script.slices(changes, 2));
    expect((await fixture.sink.inspect()).tables[0]).toMatchObject({
      state: 'error',
      error: { code: 'DEFINITION_IN_LARGE_TRANSACTION' },
    });
    expect(await fixture.rows('SELECT CAST(COUNT(*) AS CHAR) FROM t')).toEqual([['3']]);
  });
});
