import type { TableSchema } from '@millrace/contract/table.js';
import { describe, expect, test } from 'vitest';
import { CaptureHarness, ENGINES } from './testing/capture-harness.js';

const columnsOf = ({ columns }: TableSchema): readonly string[] => columns.map(({ name }) => name);

const NONE: TableSchema = {
  id: { schema: '', table: '' },
  columns: [],
  primaryKey: [],
  primaryKeyName: null,
  identityColumns: [],
  replicaIdentity: 'full',
  types: [],
  extensions: [],
};

describe.each(ENGINES)('schema changes of %s', (engine) => {
  test('rapid DDL, DML, DDL lands each row under its own columns, though the catalogue is ahead', async () => {
    await using capture = await CaptureHarness.open(engine);
    const table = `${capture.database.name}.t`;
    await capture.sql.query('CREATE TABLE t (id int PRIMARY KEY, a varchar(10))');
    await capture.first();
    await capture.stop();
    // While nobody reads: all of it is in the log before the catalogue is looked at.
    await capture.sql.query(`INSERT INTO t VALUES (1, 'one'); ALTER TABLE t ADD b int; INSERT INTO t VALUES (2, 'two', 2);
      ALTER TABLE t DROP a; INSERT INTO t VALUES (3, 3); ALTER TABLE t ADD c varchar(5) DEFAULT 'x'; INSERT INTO t (id, b) VALUES (4, 4)`);
    await capture.again();
    await capture.caughtUp();
    expect(capture.journal.changes).toEqual([
      { kind: 'insert', table, after: { id: 1, a: 'one' } },
      { kind: 'insert', table, after: { id: 2, a: 'two', b: 2 } },
      { kind: 'insert', table, after: { id: 3, b: 3 } },
      { kind: 'insert', table, after: { id: 4, b: 4, c: 'x' } },
    ]);
    // What an added column holds in older rows is not known for certain where the catalogue is ahead.
    expect(new Set(capture.loads.map(({ reason }) => reason))).toEqual(new Set(['its columns changed several times in a row']));
    expect(capture.journal.schemas.map(({ schema }) => columnsOf(schema)).at(-1)).toEqual(['id', 'b', 'c']);
  });

  test('an added column tells what older rows hold, also where no row follows', async () => {
    await using capture = await CaptureHarness.open(engine);
    await capture.sql.query('CREATE TABLE t (id int PRIMARY KEY)');
    await capture.first();
    await capture.sql.query("ALTER TABLE t ADD c varchar(5) NOT NULL DEFAULT 'x', ADD d int");
    await capture.until('the new version is there', () => columnsOf(capture.journal.schemas.at(-1)?.schema ?? NONE).length === 3);
    expect(capture.loads).toEqual([]);
    expect(capture.journal.schemas.at(-1)?.schema.columns.map(({ ordinal, missingValue }) => [ordinal, missingValue])).toEqual([
      [1, null],
      [2, 'x'],
      [3, null],
    ]);
    await capture.sql.query("ALTER TABLE t DROP c, ADD c varchar(5) DEFAULT 'x'");
    await capture.until('the load is asked for', () => capture.loads.length === 1);
  });

  test('a renamed or retyped column is a load, a widened one is not', async () => {
    await using capture = await CaptureHarness.open(engine);
    await capture.sql.query('CREATE TABLE t (id int PRIMARY KEY, a varchar(10), b int)');
    await capture.first();
    await capture.sql.query("ALTER TABLE t MODIFY a varchar(20); INSERT INTO t VALUES (1, 'one', 1)");
    await capture.caughtUp();
    expect(capture.loads).toEqual([]);
    await capture.sql.query("ALTER TABLE t CHANGE a z varchar(20); INSERT INTO t VALUES (2, 'two', 2)");
    await capture.caughtUp();
    expect(capture.loads.map(({ reason }) => reason)).toEqual(['columns were renamed, or dropped and added at once']);
    await capture.sql.query("ALTER TABLE t MODIFY b varchar(20); INSERT INTO t VALUES (3, 'three', 'x')");
    await capture.caughtUp();
    expect(capture.loads.map(({ reason }) => reason).slice(1)).toEqual(['the column b has another type']);
    expect(capture.journal.changes.at(-1)).toMatchObject({ after: { id: 3, z: 'three', b: 'x' } });
  });

  test('#28 the rename of an online schema change loads the table that takes the name', async () => {
    await using capture = await CaptureHarness.open(engine, undefined, (table) => table.startsWith('_'));
    await capture.sql.query('CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)');
    await capture.first();
    await capture.sql.query(`CREATE TABLE _t_gho (id int PRIMARY KEY, more int); INSERT INTO _t_gho VALUES (1, 1);
      RENAME TABLE t TO _t_del, _t_gho TO t; INSERT INTO t VALUES (2, 2)`);
    await capture.caughtUp();
    expect(capture.loads).toMatchObject([{ reason: 'another table took its name' }]);
    expect(capture.loads.map(({ table }) => columnsOf(table))).toEqual([['id', 'more']]);
    expect(capture.journal.changes).toMatchObject([{ kind: 'insert', after: { id: 2, more: 2 } }]);
  });

  test('tables that appear are loaded, TRUNCATE and DROP are events', async () => {
    await using capture = await CaptureHarness.open(engine);
    const { name } = capture.database;
    await capture.sql.query('CREATE TABLE t (id int PRIMARY KEY)');
    await capture.first();
    await capture.sql.query('CREATE TABLE fresh (id int PRIMARY KEY, `odd ``name` text); INSERT INTO fresh VALUES (1, 2)');
    // MySQL before 8.0.21 refuses it while GTIDs are consistent.
    const copy =
      engine === 'mariadb'
        ? 'CREATE TABLE copied AS SELECT 7 AS n'
        : 'CREATE TABLE copied (n int); INSERT INTO copied VALUES (7)';
    await capture.sql.query(copy);
    await capture.sql.query('INSERT INTO t VALUES (1); TRUNCATE TABLE t; INSERT INTO t VALUES (2); DROP TABLE t');
    await capture.caughtUp();
    expect(capture.loads.map(({ table }) => table.id.table).sort()).toEqual(['copied', 'fresh']);
    expect(
      capture.journal.changes.map((change) => ({ kind: change.kind, ...('tables' in change ? { tables: change.tables } : {}) })),
    ).toEqual([
      { kind: 'insert' },
      { kind: 'insert' },
      { kind: 'insert' },
      { kind: 'truncate', tables: [`${name}.t`] },
      { kind: 'insert' },
    ]);
    expect(capture.journal.schemas.at(-1)).toMatchObject({ schema: { id: { table: 't' } }, change: { kind: 'dropped' } });
  });

  test('keyless, generated and reordered columns', async () => {
    await using capture = await CaptureHarness.open(engine);
    const table = `${capture.database.name}.t`;
    await capture.sql.query(
      'CREATE TABLE t (a int, v int GENERATED ALWAYS AS (a + 1) VIRTUAL, s int GENERATED ALWAYS AS (a + 2) STORED, z varchar(5))',
    );
    await capture.first();
    await capture.sql.query("INSERT INTO t (a, z) VALUES (1, 'z'); ALTER TABLE t MODIFY z varchar(5) FIRST; UPDATE t SET a = 5");
    await capture.caughtUp();
    expect(capture.loads).toEqual([]);
    const [insert, update] = capture.journal.changes;
    expect(insert).toMatchObject({ kind: 'insert', table, after: { a: 1, z: 'z' } });
    expect(update).toMatchObject({ kind: 'update', before: { a: 1, z: 'z' }, after: { a: 5, z: 'z' } });
    expect(capture.journal.schemas[0]?.schema).toMatchObject({
      primaryKey: [],
      replicaIdentity: 'full',
      identityColumns: ['a', 'z'],
    });
  });
});
