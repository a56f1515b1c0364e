import { describe, expect, test } from 'vitest';
import { CaptureHarness, ENGINES } from './testing/capture-harness.js';

describe.each(ENGINES)('the stream of %s', (engine) => {
  test('brings rows of transactions in commit order, old and new, and nothing of what is rolled back', async () => {
    await using capture = await CaptureHarness.open(engine);
    await capture.sql.query('CREATE TABLE t (id int PRIMARY KEY, note varchar(20))');
    await capture.first();
    await capture.sql.query("INSERT INTO t VALUES (1, 'one'), (2, NULL)");
    await capture.sql.query(
      "BEGIN; UPDATE t SET note = 'ONE' WHERE id = 1; SAVEPOINT s; DELETE FROM t; ROLLBACK TO s; DELETE FROM t WHERE id = 2; COMMIT",
    );
    await capture.sql.query("BEGIN; INSERT INTO t VALUES (3, 'never'); ROLLBACK");
    await capture.caughtUp();
    const table = `${capture.database.name}.t`;
    expect(capture.journal.changes).toEqual([
      { kind: 'insert', table, after: { id: 1, note: 'one' } },
      { kind: 'insert', table, after: { id: 2, note: null } },
      { kind: 'update', table, before: { id: 1, note: 'one' }, after: { id: 1, note: 'ONE' } },
      { kind: 'delete', table, before: { id: 2, note: null } },
    ]);
    expect(capture.journal.commits).toHaveLength(2);
  });
});
