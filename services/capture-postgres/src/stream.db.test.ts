import { UNCHANGED } from '@millrace/contract/row.js';
import { scratchFolder, startPostgres, waitUntil } from '@millrace/testkit/servers.js';
import { expect, test } from 'vitest';
import { CaptureHarness, selectPublic } from './testing/capture-harness.js';

/** Runs statements, one transaction each, on a captured database and gives the changes that came. */
async function changesOf(setup: string, ...statements: readonly string[]) {
  await using capture = await CaptureHarness.open();
  await capture.sql.query(setup);
  await capture.first();
  for (const statement of statements) await capture.sql.query(statement);
  await capture.caughtUp();
  await capture.stop();
  expect(capture.loads).toEqual([]);
  return capture.journal.changes;
}

test('inserts, updates and deletes come in commit order with their values', async () => {
  await using capture = await CaptureHarness.open();
  await capture.sql.query('CREATE TABLE t (id int PRIMARY KEY, name text, amount numeric(10,2))');
  await capture.first();
  await capture.sql.query(`INSERT INTO t VALUES (1, 'one', 1.50), (2, NULL, -0.01)`);
  await capture.sql.query(`UPDATE t SET name = 'eins' WHERE id = 1; DELETE FROM t WHERE id = 2`);
  await capture.caughtUp();
  expect(capture.journal.changes).toEqual([
    { kind: 'insert', table: 'public.t', after: { id: 1, name: 'one', amount: '1.50' } },
    { kind: 'insert', table: 'public.t', after: { id: 2, name: null, amount: '-0.01' } },
    { kind: 'update', table: 'public.t', before: null, after: { id: 1, name: 'eins', amount: '1.50' } },
    { kind: 'delete', table: 'public.t', before: { id: 2, name: UNCHANGED, amount: UNCHANGED } },
  ]);
  expect(capture.journal.commits).toHaveLength(2);
  await capture.stop();
});

test('transactions come in the order of their commits, not of their begins', async () => {
  await using capture = await CaptureHarness.open();
  await capture.sql.query('CREATE TABLE t (id int PRIMARY KEY)');
  await capture.first();
  await using other = await CaptureHarness.secondSession(capture);
  await other.client.query('BEGIN; INSERT INTO public.t VALUES (1)');
  await capture.sql.query('INSERT INTO t VALUES (2)');
  await other.client.query('COMMIT');
  await capture.caughtUp();
  expect(capture.journal.changes).toMatchObject([{ after: { id: 2 } }, { after: { id: 1 } }]);
  await capture.stop();
});

test('a rolled back transaction and a rolled back savepoint leave no event', async () => {
  const changes = await changesOf(
    'CREATE TABLE t (id int PRIMARY KEY)',
    'BEGIN; INSERT INTO t VALUES (1); ROLLBACK',
    'BEGIN; INSERT INTO t VALUES (2); SAVEPOINT s; INSERT INTO t VALUES (3); ROLLBACK TO s; INSERT INTO t VALUES (4); COMMIT',
  );
  expect(changes).toMatchObject([{ after: { id: 2 } }, { after: { id: 4 } }]);
});

test('values of every wire type keep their exact form', async () => {
  const changes = await changesOf(
    `CREATE TABLE t (id int PRIMARY KEY, small int2, big int8, yes bool, single float4, double float8, exact numeric, raw bytea, at timestamptz,
       day date, span interval, words text[], doc json, docb jsonb, money money, bits varbit, padded char(4))`,
    `INSERT INTO t VALUES (-2147483648, -32768, 9223372036854775807, true, '1e-45', 'NaN', 'NaN', '\\x00ff5c', '294276-12-31 23:59:59.999999+00',
       'infinity', '1 mon -1 days 00:00:00.000001', '{a,NULL,"b,c"}', '{"a":1,  "a":9007199254740993}', '{"a": 9007199254740993}', '-1.5', B'101', 'ab')`,
    `INSERT INTO t VALUES (2147483647, 32767, -9223372036854775808, false, '-0', '-Infinity', 'Infinity', '', '0001-01-01 00:00:00+00 BC',
       '4713-01-01 BC', '-178000000 years', '{{1,2},{3,4}}', '""', 'null', '92233720368547758.07', B'', '')`,
    'INSERT INTO t (id, big, double) VALUES (0, 999999999999999, 1.7976931348623157e308), (1, -9999999999999999, 5e-324)',
  );
  const rows = changes.map((change) => (change.kind === 'insert' ? change.after : {}));
  expect(rows[0]).toEqual({
    id: -2147483648,
    small: -32768,
    big: 9223372036854775807n,
    yes: true,
    single: 1e-45,
    double: Number.NaN,
    exact: 'NaN',
    raw: Uint8Array.of(0, 255, 92),
    at: '294276-12-31 23:59:59.999999+00',
    day: 'infinity',
    span: '1 mon -1 days +00:00:00.000001',
    words: '{a,NULL,"b,c"}',
    doc: '{"a":1,  "a":9007199254740993}',
    docb: '{"a": 9007199254740993}',
    money: '-$1.50',
    bits: '101',
    padded: 'ab  ',
  });
  expect(rows[1]).toMatchObject({
    big: -9223372036854775808n,
    single: -0,
    double: Number.NEGATIVE_INFINITY,
    exact: 'Infinity',
    raw: new Uint8Array(0),
    at: '0001-01-01 00:00:00+00 BC',
    day: '4713-01-01 BC',
    span: '-178000000 years',
    words: '{{1,2},{3,4}}',
    money: '$92,233,720,368,547,758.07',
    padded: '    ',
  });
  expect(rows[2]).toMatchObject({ big: 999999999999999, double: 1.7976931348623157e308 });
  expect(rows[3]).toMatchObject({ big: -9999999999999999n, double: 5e-324 });
});

test('an update of the key brings the old key, and nothing else of the old row', async () => {
  const changes = await changesOf(
    'CREATE TABLE t (a int, b text, c text, PRIMARY KEY (c, a))',
    `INSERT INTO t VALUES (1, 'x', 'k')`,
    `UPDATE t SET c = 'l'`,
  );
  expect(changes[1]).toEqual({
    kind: 'update',
    table: 'public.t',
    before: { a: 1, b: UNCHANGED, c: 'k' },
    after: { a: 1, b: 'x', c: 'l' },
  });
});

test('under REPLICA IDENTITY FULL the whole old row comes, nulls included', async () => {
  const changes = await changesOf(
    'CREATE TABLE t (a int, b text); ALTER TABLE t REPLICA IDENTITY FULL',
    `INSERT INTO t VALUES (1, NULL)`,
    `UPDATE t SET b = 'x'`,
    'DELETE FROM t',
  );
  expect(changes.slice(1)).toEqual([
    { kind: 'update', table: 'public.t', before: { a: 1, b: null }, after: { a: 1, b: 'x' } },
    { kind: 'delete', table: 'public.t', before: { a: 1, b: 'x' } },
  ]);
});

test("under REPLICA IDENTITY USING INDEX the old row comes by the index's columns", async () => {
  const changes = await changesOf(
    'CREATE TABLE t (a int PRIMARY KEY, b text NOT NULL UNIQUE, c text); ALTER TABLE t REPLICA IDENTITY USING INDEX t_b_key',
    `INSERT INTO t VALUES (1, 'x', 'y')`,
    `UPDATE t SET b = 'z'`,
    'DELETE FROM t',
  );
  expect(changes.slice(1)).toEqual([
    { kind: 'update', table: 'public.t', before: { a: UNCHANGED, b: 'x', c: UNCHANGED }, after: { a: 1, b: 'z', c: 'y' } },
    { kind: 'delete', table: 'public.t', before: { a: UNCHANGED, b: 'z', c: UNCHANGED } },
  ]);
});

test('#14 an update that leaves a TOASTed value alone brings it as unchanged, never as null', async () => {
  const changes = await changesOf(
    'CREATE TABLE t (id int PRIMARY KEY, n int, big text, none text); ALTER TABLE t ALTER big SET STORAGE EXTERNAL',
    `INSERT INTO t VALUES (1, 1, repeat('x', 10000), NULL)`,
    'UPDATE t SET n = 2',
    `UPDATE t SET big = repeat('y', 10000)`,
  );
  expect(changes[1]).toEqual({
    kind: 'update',
    table: 'public.t',
    before: null,
    after: { id: 1, n: 2, big: UNCHANGED, none: null },
  });
  expect(changes[2]).toMatchObject({ after: { big: 'y'.repeat(10000) } });
});

test('#14 under REPLICA IDENTITY FULL the old row has the TOASTed value that the new one leaves unchanged', async () => {
  const changes = await changesOf(
    'CREATE TABLE t (id int, big text); ALTER TABLE t ALTER big SET STORAGE EXTERNAL; ALTER TABLE t REPLICA IDENTITY FULL',
    `INSERT INTO t VALUES (1, repeat('x', 10000))`,
    'UPDATE t SET id = 2',
  );
  const big = 'x'.repeat(10000);
  expect(changes[1]).toEqual({ kind: 'update', table: 'public.t', before: { id: 1, big }, after: { id: 2, big: UNCHANGED } });
});

test('TRUNCATE comes with its options and all the tables that it reached', async () => {
  const changes = await changesOf(
    'CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY REFERENCES p); CREATE TABLE other (id int PRIMARY KEY)',
    'TRUNCATE other',
    'TRUNCATE p RESTART IDENTITY CASCADE',
  );
  expect(changes).toEqual([
    { kind: 'truncate', tables: ['public.other'], cascade: false, restartIdentity: false },
    { kind: 'truncate', tables: ['public.p', 'public.c'], cascade: true, restartIdentity: true },
  ]);
});

test("a generated column is in no row: its value is the target's to compute", async () => {
  const changes = await changesOf(
    'CREATE TABLE t (id int PRIMARY KEY, double int GENERATED ALWAYS AS (id * 2) STORED, last text)',
    `INSERT INTO t VALUES (1, DEFAULT, 'x')`,
    'DELETE FROM t',
  );
  expect(changes).toEqual([
    { kind: 'insert', table: 'public.t', after: { id: 1, double: UNCHANGED, last: 'x' } },
    { kind: 'delete', table: 'public.t', before: { id: 1, double: UNCHANGED, last: UNCHANGED } },
  ]);
});

test('partitions come under the name of their root, whatever the order of their columns and the depth', async () => {
  const changes = await changesOf(
    `CREATE TABLE r (id int, part text, v text, PRIMARY KEY (id, part)) PARTITION BY LIST (part);
     CREATE TABLE r_a PARTITION OF r FOR VALUES IN ('a');
     CREATE TABLE r_b (v text, id int NOT NULL, junk int, part text NOT NULL, PRIMARY KEY (id, part));
     ALTER TABLE r_b DROP COLUMN junk; ALTER TABLE r ATTACH PARTITION r_b FOR VALUES IN ('b');
     CREATE TABLE r_c PARTITION OF r FOR VALUES IN ('c', 'd') PARTITION BY RANGE (id);
     CREATE TABLE r_c1 PARTITION OF r_c FOR VALUES FROM (0) TO (100)`,
    `INSERT INTO r VALUES (1, 'a', 'x'), (2, 'b', 'y'), (3, 'c', 'z')`,
    `UPDATE r SET part = 'b' WHERE id = 1`,
    `UPDATE r SET v = 'w' WHERE id = 2`,
    `DELETE FROM r WHERE id = 2`,
    'TRUNCATE r',
  );
  expect(changes).toEqual([
    { kind: 'insert', table: 'public.r', after: { id: 1, part: 'a', v: 'x' } },
    { kind: 'insert', table: 'public.r', after: { id: 2, part: 'b', v: 'y' } },
    { kind: 'insert', table: 'public.r', after: { id: 3, part: 'c', v: 'z' } },
    { kind: 'delete', table: 'public.r', before: { id: 1, part: 'a', v: UNCHANGED } },
    { kind: 'insert', table: 'public.r', after: { id: 1, part: 'b', v: 'x' } },
    { kind: 'update', table: 'public.r', before: null, after: { id: 2, part: 'b', v: 'w' } },
    { kind: 'delete', table: 'public.r', before: { id: 2, part: 'b', v: UNCHANGED } },
    { kind: 'truncate', tables: ['public.r'], cascade: false, restartIdentity: false },
  ]);
});

test('each table of an inheritance tree brings its own rows only', async () => {
  const changes = await changesOf(
    'CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child (extra text, PRIMARY KEY (id)) INHERITS (parent)',
    'INSERT INTO parent VALUES (1)',
    `INSERT INTO child VALUES (2, 'x')`,
    'UPDATE parent SET id = id + 10',
  );
  expect(changes).toMatchObject([
    { kind: 'insert', table: 'public.parent', after: { id: 1 } },
    { kind: 'insert', table: 'public.child', after: { id: 2, extra: 'x' } },
    { kind: 'update', table: 'public.parent', after: { id: 11 } },
    { kind: 'update', table: 'public.child', after: { id: 12, extra: 'x' } },
  ]);
});

test('names that need every kind of quoting are carried as they are', async () => {
  const changes = await changesOf(
    `CREATE TABLE "Öffnungs.zeit ""A"" \\'x" ("select" int PRIMARY KEY, "a b" text, "ünïcode ""q""" text)`,
    `INSERT INTO "Öffnungs.zeit ""A"" \\'x" VALUES (1, 'x', 'y')`,
  );
  expect(changes).toEqual([
    { kind: 'insert', table: `public.Öffnungs.zeit "A" \\'x`, after: { select: 1, 'a b': 'x', 'ünïcode "q"': 'y' } },
  ]);
});

test('tables without columns and with 1,600 columns are tables like any other', async () => {
  const columns = Array.from({ length: 1600 }, (_, index) => `c${index} ${index === 0 ? 'int PRIMARY KEY' : 'bool'}`).join(', ');
  const changes = await changesOf(
    `CREATE TABLE wide (${columns}); CREATE TABLE empty (); ALTER TABLE empty REPLICA IDENTITY FULL`,
    'INSERT INTO wide (c0, c1599) VALUES (1, true)',
    'INSERT INTO empty DEFAULT VALUES',
  );
  expect(changes).toMatchObject([
    { table: 'public.wide', after: { c0: 1, c1: null, c1599: true } },
    { table: 'public.empty', after: {} },
  ]);
});

test('a value of 40 MB comes whole', async () => {
  const changes = await changesOf(
    'CREATE TABLE t (id int PRIMARY KEY, big text, raw bytea)',
    `INSERT INTO t SELECT 1, string_agg(md5(i::text), ''), decode(string_agg(md5(i::text), ''), 'hex') FROM generate_series(1, 1250000) i`,
  );
  const [change] = changes;
  const after = change?.kind === 'insert' ? change.after : {};
  expect(after['big']).toHaveLength(40_000_000);
  expect(after['raw']).toHaveLength(20_000_000);
});

test('only the selected tables come', async () => {
  await using capture = await CaptureHarness.open(selectPublic((table) => table === 'left_out'));
  await capture.sql.query('CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE left_out (id int)');
  await capture.first();
  await capture.sql.query('INSERT INTO left_out VALUES (1); UPDATE left_out SET id = 2; INSERT INTO t VALUES (1)');
  await capture.caughtUp();
  expect(capture.journal.changes).toHaveLength(1);
  await capture.stop();
});

test('the stream waits while the journal is not ready, and goes on from where it was', async () => {
  await using capture = await CaptureHarness.open();
  await capture.sql.query('CREATE TABLE t (id int PRIMARY KEY, filler text)');
  await capture.first();
  await capture.sql.query('INSERT INTO t VALUES (0)');
  await capture.until('the first row is there', () => capture.journal.changes.length === 1);
  let open = (): void => undefined;
  capture.journal.gate = new Promise((resolve) => {
    open = resolve;
  });
  await capture.sql.query(`INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(1, 40000) i`);
  // The socket's buffers at both ends take some megabytes at most; then the server stands.
  await capture.until('the server waits for us', async () => {
    const { rows } = await capture.sql.query(
      `SELECT 1 FROM pg_stat_activity WHERE wait_event = 'WalSenderWriteData' AND datname = current_database()`,
    );
    return rows.length === 1;
  });
  expect(capture.journal.changes.length).toBeLessThan(40_000);
  capture.journal.gate = undefined;
  open();
  await capture.caughtUp();
  expect(capture.journal.changes.map((change) => (change.kind === 'insert' ? change.after['id'] : -1))).toEqual(
    Array.from({ length: 40_001 }, (_, index) => index),
  );
  await capture.stop();
});

test('a server that goes away ends the stream with an error that is tried again', async () => {
  await using server = await startPostgres({ dir: await scratchFolder(), settings: { fsync: 'off' } });
  await using capture = await CaptureHarness.open(selectPublic(), server.url);
  await capture.sql.query('CREATE TABLE t (id int PRIMARY KEY)');
  await capture.first();
  await capture.sql.query('INSERT INTO t VALUES (1)');
  await capture.caughtUp();
  await capture.sql.query(`SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots`);
  await expect(capture.ended).rejects.toMatchObject({ class: 'retry' });
  await waitUntil(async () => !(await capture.slot()).active, { what: 'the slot is free', deadlineMs: 5_000 });
  await capture.sql.query('INSERT INTO t VALUES (2)');
  await capture.again();
  await capture.caughtUp();
  expect(capture.journal.changes).toMatchObject([{ after: { id: 1 } }, { after: { id: 2 } }]);
  await capture.stop();
});
