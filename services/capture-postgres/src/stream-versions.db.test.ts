import { scratchFolder, startPostgres } from '@millrace/testkit/servers.js';
import { expect, test } from 'vitest';
import { CaptureHarness, selectPublic } from './testing/capture-harness.js';

// The oldest and the newest: their streams, slots and catalogues differ from those that the other tests run on.
test.each([13, 18])('PostgreSQL %i is streamed like any other', { timeout: 300_000 }, async (major) => {
  await using server = await startPostgres({ dir: await scratchFolder(), major, settings: { fsync: 'off' } });
  await using capture = await CaptureHarness.open(selectPublic(), server.url);
  await capture.sql.query(`CREATE TABLE t (id int PRIMARY KEY, v text, twice int GENERATED ALWAYS AS (id * 2) STORED);
    CREATE TABLE r (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE r1 PARTITION OF r FOR VALUES FROM (0) TO (10)`);
  await capture.first();
  await capture.sql.query(`INSERT INTO t VALUES (1, 'x'); INSERT INTO r VALUES (1)`);
  await capture.sql.query(`UPDATE t SET id = 2; DELETE FROM r; TRUNCATE t`);
  await capture.caughtUp();
  expect(capture.journal.changes.map(({ kind }) => kind)).toEqual(['insert', 'insert', 'update', 'delete', 'truncate']);

  await capture.sql.query(
    'ALTER TABLE t ADD more int DEFAULT 7; CREATE TABLE n (id int); CREATE TABLE r2 PARTITION OF r FOR VALUES FROM (10) TO (20)',
  );
  await capture.until('the new table comes', () => capture.loads.length === 1);
  await capture.sql.query('INSERT INTO t VALUES (3); INSERT INTO n VALUES (1); UPDATE n SET id = 2; INSERT INTO r VALUES (11)');
  await capture.caughtUp();
  expect(capture.journal.changes.slice(5).map((change) => (change.kind === 'insert' ? change.table : change.kind))).toEqual([
    'public.t',
    'public.n',
    'public.r',
  ]);
  expect(capture.loads).toMatchObject([{ table: { id: { table: 'n' } } }]);
  await capture.stop();

  await capture.sql.query('INSERT INTO t VALUES (4); ALTER TABLE t ALTER more TYPE bigint');
  await capture.again();
  await capture.until('the rewrite is noticed', () => capture.loads.length === 2);
  await capture.caughtUp();
  expect(await capture.source.remove(capture.identity)).toHaveLength(3);
});
