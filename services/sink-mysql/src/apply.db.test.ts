import type { Row } from '@millrace/contract/row.js';
import { UNCHANGED } from '@millrace/contract/row.js';
import { waitUntil, withConnection } from '@millrace/testkit/servers.js';
import { describe, expect, test } from 'vitest';
import { ENGINES, LOG_ALL, SinkFixture } from './testing/sink-fixture.js';
import { column } from './testing/table-schemas.js';

const id = column('id', 'int', { nullable: false });
const note = column('note', 'varchar(20)');

describe.each(ENGINES)('changes in %s', (engine) => {
  test('keys of several columns: inserts, updates, moves and deletes of many rows', async () => {
    await using fixture = await SinkFixture.open(engine);
    const version = fixture.table(
      't',
      [column('k', 'varchar(10)', { nullable: false }), column('n', 'bigint', { nullable: false }), note],
      ['k', 'n'],
    );
    await fixture.create(version);
    const rows = Array.from({ length: 3_000 }, (_value, index): Row => [`k${index % 7}`, BigInt(index), `note ${index}`]);
    await fixture.apply(rows.map((after) => ({ kind: 'insert' as const, table: version, after })));
    expect(await fixture.rows('SELECT CAST(COUNT(*) AS CHAR), CAST(SUM(n) AS CHAR) FROM t')).toEqual([['3000', '4498500']]);
    await fixture.apply(
      rows.map((before, index) =>
        index % 3 === 0
          ? { kind: 'delete' as const, table: version, before }
          : {
              kind: 'update' as const,
              table: version,
              before,
              after: [before[0] ?? '', index % 3 === 1 ? BigInt(index + 10_000) : BigInt(index), null],
            },
      ),
    );
    expect(
      await fixture.rows('SELECT CAST(COUNT(*) AS CHAR), CAST(SUM(n >= 10000) AS CHAR), CAST(COUNT(note) AS CHAR) FROM t'),
    ).toEqual([['2000', '1000', '0']]);
    const [state] = (await fixture.sink.inspect()).tables;
    expect(state?.counts).toMatchObject({ inserts: 3_000n, updates: 2_000n, deletes: 1_000n, errors: 0n });
  });

  test('#49 a collation that takes two keys for one: neither is written over, deleted for the other, or lost', async () => {
    await using fixture = await SinkFixture.open(engine);
    await fixture.run(
      'CREATE TABLE t (k varchar(10) COLLATE utf8mb4_general_ci PRIMARY KEY, note varchar(20)) CHARACTER SET utf8mb4',
    );
    const version = fixture.table('t', [column('k', 'varchar(10)', { nullable: false }), note], ['k']);
    await fixture.create(version);
    const result = await fixture.apply(
      [{ kind: 'insert', table: version, after: ['a', 'small'] }],
      [{ kind: 'insert', table: version, after: ['A', 'large'] }],
    );
    expect(result).toMatchObject({ errors: 1 });
    expect(
      await fixture.apply([{ kind: 'update', table: version, before: ['A', 'large'], after: ['A', 'larger'] }]),
    ).toMatchObject({ errors: 1 });
    expect(await fixture.apply([{ kind: 'delete', table: version, before: ['A', 'larger'] }])).toMatchObject({ errors: 1 });
    expect(await fixture.rows('SELECT k, note FROM t')).toEqual([['a', 'small']]);
    expect((await fixture.sink.deadLetters(10)).map(({ code }) => code)).toEqual([
      'APPLY_DUPLICATE_ROW',
      'APPLY_ROW_MISSING',
      'APPLY_ROW_MISSING',
    ]);
  });

  test('a value that the server would bend without an error is refused, and the others of the transaction arrive', async () => {
    await using fixture = await SinkFixture.open(engine);
    const version = fixture.table('t', [id, column('d', 'decimal(10,4)'), note], ['id']);
    await fixture.create(version);
    await fixture.run('ALTER TABLE t MODIFY d decimal(10,1), MODIFY note varchar(3)');
    const result = await fixture.apply([
      { kind: 'insert', table: version, after: [1, '1.2500', null] },
      { kind: 'insert', table: version, after: [2, '1.5000', 'abc   '] },
      { kind: 'insert', table: version, after: [3, '2.5000', 'abc'] },
      { kind: 'insert', table: version, after: [4, '99999999999999', null] },
    ]);
    expect(await fixture.rows('SELECT id, d, note FROM t')).toEqual([[3, '2.5', 'abc']]);
    expect(result).toMatchObject({ errors: 3 });
    expect((await fixture.sink.deadLetters(10)).map(({ ordinal, code }) => [ordinal, code])).toEqual([
      [0, 'APPLY_ROW_REFUSED'],
      [1, 'APPLY_ROW_REFUSED'],
      [3, 'APPLY_ROW_REFUSED'],
    ]);
  });

  test('conflicts go by the policy: overwritten, inserted, or the table set aside with every later change', async () => {
    await using fixture = await SinkFixture.open(engine, {
      ...LOG_ALL,
      insertConflict: 'UPDATE_RECORD',
      updateConflict: 'INSERT_RECORD',
      deleteConflict: 'SUSPEND_TABLE',
    });
    const version = fixture.table('t', [id, note], ['id']);
    await fixture.create(version);
    await fixture.run("INSERT INTO t VALUES (1, 'there')");
    await fixture.apply([
      { kind: 'insert', table: version, after: [1, 'over'] },
      { kind: 'update', table: version, before: [2, 'x'], after: [2, 'in'] },
    ]);
    expect(await fixture.rows('SELECT id, note FROM t ORDER BY id')).toEqual([
      [1, 'over'],
      [2, 'in'],
    ]);
    const result = await fixture.apply(
      [{ kind: 'delete', table: version, before: [9, null] }],
      [{ kind: 'insert', table: version, after: [3, 'passed over'] }],
    );
    expect(result.suspended).toEqual([version.source]);
    expect(await fixture.rows('SELECT id FROM t ORDER BY id')).toEqual([[1], [2]]);
  });

  test('rows arrive before the ones they name: foreign keys of the target hold at the end, and nothing cascades', async () => {
    await using fixture = await SinkFixture.open(engine);
    await fixture.run(
      'CREATE TABLE parent (id int PRIMARY KEY) ENGINE=InnoDB',
      'CREATE TABLE child (id int PRIMARY KEY, parent int, FOREIGN KEY (parent) REFERENCES parent (id) ON DELETE CASCADE) ENGINE=InnoDB',
    );
    const parent = fixture.table('parent', [id], ['id']);
    const child = fixture.table('child', [id, column('parent', 'int')], ['id']);
    await fixture.create(parent);
    await fixture.create(child);
    await fixture.apply([{ kind: 'insert', table: child, after: [1, 1] }], [{ kind: 'insert', table: parent, after: [1] }]);
    const result = await fixture.apply([
      { kind: 'delete', table: parent, before: [1] },
      { kind: 'delete', table: child, before: [1, 1] },
    ]);
    expect(result).toMatchObject({ errors: 0 });
    expect(await fixture.rows('SELECT * FROM child')).toEqual([]);
  });

  test('a transaction in slices is one transaction of the target, and its conflicts have its position', async () => {
    await using fixture = await SinkFixture.open(engine);
    const version = fixture.table('t', [id, note], ['id']);
    await fixture.create(version);
    await fixture.run("INSERT INTO t VALUES (7, 'in the way')");
    const changes = Array.from({ length: 60 }, (_value, index) => ({
      kind: 'insert' as const,
      table: version,
      after: [index, `n${index}`],
    }));
    const result = await fixture.applyBlocks(fixture.script.slices(changes, 20));
    expect(result).toMatchObject({ errors: 1, rows: 60, transactions: 1 });
    expect(await fixture.rows('SELECT CAST(COUNT(*) AS CHAR) FROM t')).toEqual([['60']]);
    const [letter] = await fixture.sink.deadLetters(10);
    expect(letter).toMatchObject({ ordinal: 7, position: result.checkpoint.position });
  });

  test('a value that the log did not carry stays, also where its row moves', async () => {
    await using fixture = await SinkFixture.open(engine);
    const version = fixture.table('t', [id, note, column('large', 'longtext')], ['id']);
    await fixture.create(version);
    await fixture.apply([{ kind: 'insert', table: version, after: [1, 'a', 'kept'] }]);
    await fixture.apply([{ kind: 'update', table: version, before: [1, UNCHANGED, UNCHANGED], after: [2, 'b', UNCHANGED] }]);
    expect(await fixture.rows('SELECT id, note, large FROM t')).toEqual([[2, 'b', 'kept']]);
  });

  test('a session that the server ends in the middle of a group: all of it arrives, once', async () => {
    await using fixture = await SinkFixture.open(engine);
    const version = fixture.table('t', [id, note], ['id']);
    await fixture.create(version);
    await fixture.apply([{ kind: 'insert', table: version, after: [1, 'a'] }]);
    await withConnection(fixture.database.url, async (blocker) => {
      await blocker.query('START TRANSACTION');
      await blocker.query('SELECT * FROM t WHERE id = 1 FOR UPDATE');
      const applying = fixture.apply([
        { kind: 'insert', table: version, after: [2, 'b'] },
        { kind: 'update', table: version, before: [1, 'a'], after: [1, 'z'] },
      ]);
      await waitUntil(
        async () => {
          const [found] = await fixture.rows(
            "SELECT ID FROM information_schema.PROCESSLIST WHERE INFO LIKE 'UPDATE%`t`%' OR INFO LIKE 'INSERT INTO%`t`%'",
          );
          if (found === undefined) return false;
          await blocker.query(`KILL CONNECTION ${String(found[0])}`);
          return true;
        },
        { what: 'the group to wait for the lock', deadlineMs: 20_000 },
      );
      await blocker.query('ROLLBACK');
      expect(await applying).toMatchObject({ errors: 0 });
    });
    expect(await fixture.rows('SELECT id, note FROM t ORDER BY id')).toEqual([
      [1, 'z'],
      [2, 'b'],
    ]);
  });

  test('a deadlock repeats the group', async () => {
    await using fixture = await SinkFixture.open(engine);
    const version = fixture.table('t', [id, note], ['id']);
    await fixture.create(version);
    await fixture.apply([1, 2].map((key) => ({ kind: 'insert' as const, table: version, after: [key, 'a'] })));
    await withConnection(fixture.database.url, async (rival) => {
      await rival.query('START TRANSACTION');
      // The heavier transaction survives.
      await rival.query('CREATE TABLE IF NOT EXISTS ballast (n int)').catch(() => undefined);
      await rival.query('START TRANSACTION');
      await rival.query(`INSERT INTO ballast VALUES ${Array.from({ length: 500 }, (_value, n) => `(${n})`).join(', ')}`);
      await rival.query("UPDATE t SET note = 'rival' WHERE id = 2");
      const applying = fixture.apply([
        { kind: 'update', table: version, before: [1, 'a'], after: [1, 'z'] },
        { kind: 'update', table: version, before: [2, 'a'], after: [2, 'z'] },
      ]);
      await waitUntil(
        async () =>
          (await fixture.rows("SELECT ID FROM information_schema.PROCESSLIST WHERE INFO LIKE 'UPDATE%`t`%'")).length > 0,
        { what: 'the group to wait for the second row', deadlineMs: 20_000 },
      );
      await rival.query("UPDATE t SET note = 'rival' WHERE id = 1");
      await rival.query('COMMIT');
      expect(await applying).toMatchObject({ errors: 0 });
    });
    expect(await fixture.rows('SELECT id, note FROM t ORDER BY id')).toEqual([
      [1, 'z'],
      [2, 'z'],
    ]);
  });
});
