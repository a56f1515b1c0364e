import { expect, test, vi } from 'vitest';
import { captureNames } from './names.js';
import { PublishedTables } from './published-tables.js';
import { CaptureHarness } from './testing/capture-harness.js';

/** A capture whose role owns the table t, but not what others make; it may read that, though. */
async function withReader(work: (capture: CaptureHarness, role: string) => Promise<void>): Promise<void> {
  await using capture = await CaptureHarness.open();
  const role = `reader_${capture.database.name}`;
  await capture.sql.query(`CREATE TABLE t (id int PRIMARY KEY); CREATE ROLE ${role} LOGIN REPLICATION; ALTER TABLE t OWNER TO ${role};
    GRANT CREATE ON DATABASE ${capture.database.name} TO ${role}; GRANT USAGE ON SCHEMA public TO ${role};
    ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO ${role}`);
  try {
    capture.user = role;
    await capture.first();
    await capture.caughtUp();
    await work(capture, role);
  } finally {
    await capture.stop().catch(() => undefined);
    await capture.sql.query(`REASSIGN OWNED BY ${role} TO postgres; DROP OWNED BY ${role}; DROP ROLE ${role}`);
  }
}

const eventsOf = (capture: CaptureHarness, table: string): readonly string[] =>
  capture.journal.schemas.flatMap(({ schema, change }) => (schema.id.table === table ? [change.kind] : []));
const rowsOf = (capture: CaptureHarness, table: string): number =>
  capture.journal.changes.filter((event) => event.kind === 'insert' && event.table === `public.${table}`).length;

test('a table that the role may not publish is set aside alone, however often the watcher is cut off, and comes when it may', async () => {
  await withReader(async (capture, role) => {
    const write = async (from: number): Promise<void> => {
      for (let id = from; id < from + 20; id++) {
        await capture.sql.query(`INSERT INTO theirs VALUES (${id})`);
        await capture.sql.query(`INSERT INTO t VALUES (${id})`);
      }
    };
    await capture.sql.query('CREATE TABLE theirs (id int PRIMARY KEY)');
    await write(0);
    await capture.until('it is set aside', () => eventsOf(capture, 'theirs').includes('error'));
    const [aside] = capture.journal.schemas.filter(({ schema }) => schema.id.table === 'theirs');
    expect(aside?.change).toMatchObject({ kind: 'error', code: 'SOURCE_RIGHTS', message: expect.stringContaining('theirs') });
    for (const from of [20, 40]) {
      await write(from);
      await capture.until('the watcher is cut off', async () => {
        const { rowCount } = await capture.sql.query(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'millrace:%:catalog' AND datname = current_database()`,
        );
        return rowCount === 1;
      });
      await expect(capture.ended).rejects.toMatchObject({ code: 'SOURCE_CONNECTION_LOST', class: 'retry' });
      await capture.again();
    }
    await capture.caughtUp();
    expect([rowsOf(capture, 't'), rowsOf(capture, 'theirs')]).toEqual([60, 0]);
    expect(capture.loads).toEqual([]);

    await capture.sql.query(`ALTER TABLE theirs OWNER TO ${role}`);
    await capture.until('it is loaded', () => eventsOf(capture, 'theirs').includes('load'));
    await write(60);
    await capture.caughtUp();
    expect([rowsOf(capture, 't'), rowsOf(capture, 'theirs')]).toEqual([80, 20]);
    await capture.stop();
  });
});

test.each([
  ['a table to be published', 'CREATE TABLE other (id int PRIMARY KEY)', 'LOCK TABLE other IN SHARE UPDATE EXCLUSIVE MODE'],
  [
    'a partition',
    'CREATE TABLE other (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE part PARTITION OF other FOR VALUES FROM (0) TO (9)',
    'LOCK TABLE part IN ACCESS EXCLUSIVE MODE',
  ],
])('somebody’s lock on %s holds up neither the stream nor the watcher', async (_, create, lock) => {
  await using capture = await CaptureHarness.open();
  await capture.sql.query('CREATE TABLE t (id int PRIMARY KEY)');
  await capture.first();
  await capture.caughtUp();
  await capture.stop();
  await using other = await CaptureHarness.secondSession(capture);
  await other.client.query(`SET search_path = public; ${create}`);
  await other.client.query(`BEGIN; ${lock}`);
  await capture.again();
  await capture.sql.query('ALTER TABLE t ADD b int DEFAULT 7; INSERT INTO t VALUES (1, 1)');
  await capture.caughtUp();
  await capture.until('the default is known', () =>
    capture.journal.schemas.some(({ schema }) => schema.columns.some((column) => column.default === '7')),
  );
  await capture.sql.query('INSERT INTO t VALUES (2, 1)');
  await capture.caughtUp();
  expect(rowsOf(capture, 't')).toBe(2);
  await other.client.query('COMMIT');
  await capture.until('the other table came', () => eventsOf(capture, 'other').includes('load'));
  expect(eventsOf(capture, 'other')).not.toContain('error');
  await capture.stop();
});

test('a table that somebody took out of the publication is published and loaded again, running or not', async () => {
  await using capture = await CaptureHarness.open();
  await capture.sql.query('CREATE TABLE t (id int PRIMARY KEY)');
  await capture.first();
  await capture.caughtUp();
  const takeOut = `ALTER PUBLICATION millrace_${capture.identity.task} DROP TABLE t; INSERT INTO t VALUES`;
  await capture.sql.query(`${takeOut} (1)`);
  await capture.until('it is loaded again', () => capture.loads.length === 1);
  await capture.caughtUp();
  await capture.stop();
  await capture.sql.query(`${takeOut} (2)`);
  await capture.again();
  await capture.until('it is loaded again', () => capture.loads.length === 2);
  await capture.sql.query('INSERT INTO t VALUES (3)');
  await capture.caughtUp();
  expect(rowsOf(capture, 't')).toBe(1);
  await capture.stop();
});

test('a table that changes its publication is in one of them all the time', async () => {
  await using capture = await CaptureHarness.open();
  await capture.sql.query('CREATE TABLE t (id int PRIMARY KEY)');
  const published = new PublishedTables(captureNames(capture.identity), null);
  const id = { schema: 'public', table: 't' };
  await published.create(capture.sql, [id]);
  const query = vi.spyOn(capture.sql, 'query');
  await published.align(capture.sql, [id], [{ id, nameable: false }]);
  const changes = query.mock.calls.flatMap(([text]) => (/ (ADD|DROP) TABLE /.exec(String(text)) ?? []).slice(1));
  expect(changes).toEqual(['ADD', 'DROP']);
});
