import { expect, test } from 'vitest';
import { CaptureHarness } from './testing/capture-harness.js';

/** A table with a row in it, to which the statements happen while nobody reads. */
async function afterwards(setup: string, statements: readonly string[]): Promise<CaptureHarness> {
  const capture = await CaptureHarness.open();
  await capture.sql.query(setup);
  await capture.first();
  await capture.caughtUp();
  await capture.stop();
  for (const statement of statements) await capture.sql.query(statement);
  await capture.again();
  await capture.caughtUp();
  // The catalogue as it is now was taken over: behind it the marker is known.
  await capture.sql.query('ALTER TABLE t ALTER id SET DEFAULT 5');
  await capture.until('the marker', () =>
    capture.journal.schemas.some(({ schema }) => schema.columns.some((column) => column.default === '5')),
  );
  return capture;
}

/** What a target would have in the rows from before: by version, the names and missing values of columns that came. */
const newcomers = (capture: CaptureHarness) =>
  capture.journal.schemas.map(({ schema, change }) =>
    [change.kind, ...schema.columns.slice(1).map(({ name, missingValue }) => `${name}=${missingValue ?? ''}`)].join(' '),
  );

const ADD = 'ALTER TABLE t ADD b int NOT NULL DEFAULT 7';
const KEYED = 'CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)';
const WHOLE = 'CREATE TABLE t (id int); ALTER TABLE t REPLICA IDENTITY FULL; INSERT INTO t VALUES (1)';
const INSERT = 'INSERT INTO t VALUES (2, 8)';

test('a column that was renamed since it was added brings the value of the rows before it', async () => {
  await using capture = await afterwards(KEYED, [ADD, INSERT, 'ALTER TABLE t RENAME b TO c', 'INSERT INTO t VALUES (3, 9)']);
  expect(newcomers(capture).slice(0, 3)).toEqual(['version', 'version b=7', 'version c=7']);
  expect(capture.loads).toEqual([]);
  await capture.stop();
});

test('a column of a partitioned table brings the value of the rows before it', async () => {
  const setup = `CREATE TABLE t (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE part PARTITION OF t FOR VALUES FROM (0) TO (9);
    INSERT INTO t VALUES (1)`;
  await using capture = await afterwards(setup, [ADD, INSERT, 'ALTER TABLE t RENAME b TO c', 'INSERT INTO t VALUES (3, 9)']);
  expect(newcomers(capture).slice(0, 3)).toEqual(['version', 'version b=7', 'version c=7']);
  expect(capture.loads).toEqual([]);
  await capture.stop();
});

test("a table's own rows tell, not those of the tables that inherit from it", async () => {
  const setup = `${KEYED}; CREATE TABLE child () INHERITS (t); ALTER TABLE child ADD b int NOT NULL DEFAULT 6; ALTER TABLE child REPLICA IDENTITY FULL`;
  await using capture = await afterwards(setup, [ADD, INSERT, 'ALTER TABLE t RENAME b TO c']);
  const own = capture.journal.schemas.filter(({ schema }) => schema.id.table === 't');
  expect(own.at(-1)?.schema.columns.at(-1)).toMatchObject({ name: 'c', missingValue: '7' });
  await capture.stop();
});

test.each([
  ['rewritten', [ADD, INSERT, 'ALTER TABLE t ALTER b TYPE text', "INSERT INTO t VALUES (3, 'x')"]],
  [
    'rewritten and without its default',
    [ADD, INSERT, 'ALTER TABLE t ALTER b DROP DEFAULT', 'ALTER TABLE t ALTER b TYPE text', "INSERT INTO t VALUES (3, 'x')"],
  ],
  ['rewritten, and nothing was written', [ADD, INSERT, 'ALTER TABLE t ALTER b DROP DEFAULT', 'ALTER TABLE t ALTER b TYPE text']],
  ['rewritten before anything was written', [ADD, 'ALTER TABLE t ALTER b DROP DEFAULT', 'ALTER TABLE t ALTER b TYPE text']],
  [
    'dropped and made anew',
    [ADD, INSERT, 'ALTER TABLE t DROP b', 'ALTER TABLE t ADD b int DEFAULT 9', 'INSERT INTO t VALUES (3, 9)'],
  ],
])('a column that was %s since it was added brings a load', async (_, statements) => {
  await using capture = await afterwards(KEYED, statements);
  await capture.until('the load', () => capture.loads.length === 1);
  await capture.stop();
});

test('a column that was dropped since is followed with nulls until its drop; where it tells rows apart, by a load', async () => {
  const statements = [ADD, INSERT, 'ALTER TABLE t DROP b', 'INSERT INTO t VALUES (3)'];
  await using keyed = await afterwards(KEYED, statements);
  expect(newcomers(keyed).slice(0, 3)).toEqual(['version', 'version b=', 'version']);
  expect(keyed.loads).toEqual([]);
  await keyed.stop();
  await using whole = await afterwards(WHOLE, statements);
  expect(whole.loads).toHaveLength(1);
  await whole.stop();
});
