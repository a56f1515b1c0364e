import type { TableSchema } from '@millrace/contract/table.js';
import { expect, test } from 'vitest';
import { CaptureHarness, selectPublic } from './testing/capture-harness.js';

async function started(setup = 'CREATE TABLE t (id int PRIMARY KEY)'): Promise<CaptureHarness> {
  const capture = await CaptureHarness.open();
  await capture.sql.query(setup);
  await capture.first();
  // The tables as they are at the start: what later states are compared with.
  await capture.until('the catalogue was taken over', () => capture.journal.events.some(({ kind }) => kind === 'progress'));
  return capture;
}

/** What happened, in one line an event: versions with their columns, loads with their reasons, rows with their values. */
function story(capture: CaptureHarness): readonly string[] {
  return capture.journal.events.flatMap((event) => {
    switch (event.kind) {
      case 'schema':
        return [`${event.change.kind} ${event.schema.id.table}(${event.schema.columns.map(({ name }) => name).join()})`];
      case 'insert':
        return [
          `insert ${event.table.slice(7)}${JSON.stringify(Object.values(event.after).map((value) => (typeof value === 'symbol' ? '~' : value)))}`,
        ];
      case 'update':
      case 'delete':
        return [`${event.kind} ${event.table.slice(7)}`];
      case 'truncate':
        return [`truncate ${event.tables.map((table) => table.slice(7)).join()}`];
      default:
        return [];
    }
  });
}

const latest = (capture: CaptureHarness, table = 't'): TableSchema | undefined =>
  capture.journal.schemas.findLast(({ schema }) => schema.id.table === table)?.schema;
const column = (capture: CaptureHarness, name: string, table = 't') =>
  latest(capture, table)?.columns.find((each) => each.name === name);

test('a column that was added comes with its version before its first row, without a load', async () => {
  await using capture = await started();
  await capture.sql.query('INSERT INTO t VALUES (1)');
  await capture.sql.query('ALTER TABLE t ADD b text');
  await capture.sql.query(`INSERT INTO t VALUES (2, 'x')`);
  await capture.caughtUp();
  expect(story(capture)).toEqual(['version t(id)', 'insert t[1]', 'version t(id,b)', 'insert t[2,"x"]']);
  expect(capture.loads).toEqual([]);
  await capture.stop();
});

test('a constant default of an added column comes as the value that old rows show', async () => {
  await using capture = await started();
  await capture.sql.query(`ALTER TABLE t ADD b text NOT NULL DEFAULT 'old'`);
  await capture.until('the version is there', () => column(capture, 'b') !== undefined);
  expect(column(capture, 'b')).toMatchObject({ missingValue: 'old', default: `'old'::text`, nullable: false });
  expect(capture.loads).toEqual([]);
  await capture.stop();
});

test('DDL without a row behind it is followed', async () => {
  await using capture = await started('CREATE TABLE t (id int PRIMARY KEY, b int NOT NULL, c int)');
  await capture.sql.query('ALTER TABLE t DROP b');
  await capture.until('the drop', () => column(capture, 'b') === undefined);
  await capture.sql.query('ALTER TABLE t RENAME c TO d');
  await capture.until('the rename', () => column(capture, 'd')?.ordinal === 3);
  await capture.sql.query('ALTER TABLE t ALTER d SET DEFAULT 7, ALTER d SET NOT NULL');
  await capture.until('the default and NOT NULL', () => column(capture, 'd')?.default === '7' && !column(capture, 'd')?.nullable);
  await capture.sql.query('ALTER TABLE t REPLICA IDENTITY FULL');
  await capture.until('the identity', () => latest(capture)?.replicaIdentity === 'full');
  expect(capture.loads).toEqual([]);
  await capture.stop();
});

test.each([
  ['a default computed for each row', `ALTER TABLE t ADD b float DEFAULT random()`],
  ['an identity column', 'ALTER TABLE t ADD b int GENERATED ALWAYS AS IDENTITY'],
  ['another type', 'ALTER TABLE t ALTER v TYPE bigint'],
  ['values rewritten by USING, type and name as before', 'ALTER TABLE t ALTER v TYPE int USING v * 2'],
])('a rewrite that sends no rows loads the table: %s', async (_what, ddl) => {
  await using capture = await started('CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 1)');
  await capture.sql.query(ddl);
  await capture.sql.query('INSERT INTO t (id, v) VALUES (2, 2)');
  await capture.until('the load', () => capture.loads.length === 1);
  await capture.caughtUp();
  // The version that the load is announced with is the new one, and rows go on behind it.
  await capture.sql.query('INSERT INTO t (id, v) VALUES (3, 3)');
  await capture.caughtUp();
  expect(capture.journal.changes.at(-1)).toMatchObject({ kind: 'insert', after: { id: 3 } });
  expect(capture.loads).toHaveLength(1);
  await capture.stop();
});

test.each([
  ['a longer text', 'ALTER TABLE t ALTER s TYPE varchar(20)'],
  ['a text without limit', 'ALTER TABLE t ALTER s TYPE text'],
  ['a higher precision', 'ALTER TABLE t ALTER n TYPE numeric(12,2)'],
  ['VACUUM FULL', 'VACUUM FULL t'],
  ['CLUSTER', 'CLUSTER t USING t_pkey'],
  ['TRUNCATE', 'TRUNCATE t'],
])('what leaves the values alone needs no load: %s', async (_what, ddl) => {
  await using capture = await started(
    `CREATE TABLE t (id int PRIMARY KEY, s varchar(10), n numeric(10,2)); INSERT INTO t VALUES (1, 'x', 1)`,
  );
  await capture.sql.query(ddl);
  await capture.sql.query(`INSERT INTO t VALUES (2, 'y', 2)`);
  // The look at the catalogue that finds another table has seen this one, too.
  await capture.sql.query('CREATE TABLE marker (id int)');
  await capture.until('the marker', () => capture.loads.length > 0);
  expect(capture.loads.map(({ table }) => table.id.table)).toEqual(['marker']);
  expect(capture.journal.changes).toContainEqual(expect.objectContaining({ kind: 'insert' }));
  await capture.stop();
});

test('rapid DDL and DML while nobody reads: each row comes under the version it was written with', async () => {
  await using capture = await started();
  await capture.stop();
  for (const statement of [
    'INSERT INTO t VALUES (1)',
    'ALTER TABLE t ADD a int',
    'INSERT INTO t VALUES (2, 20)',
    'ALTER TABLE t ADD b text',
    `INSERT INTO t VALUES (3, 30, 'x')`,
    'ALTER TABLE t DROP a',
    `INSERT INTO t VALUES (4, 'y')`,
    'ALTER TABLE t DROP b',
    'INSERT INTO t VALUES (5)',
  ]) {
    await capture.sql.query(statement);
  }
  await capture.again();
  await capture.caughtUp();
  expect(story(capture)).toEqual([
    'version t(id)',
    'insert t[1]',
    'version t(id,a)',
    'insert t[2,20]',
    'version t(id,a,b)',
    'insert t[3,30,"x"]',
    'version t(id,b)',
    'insert t[4,"y"]',
    'version t(id)',
    'insert t[5]',
  ]);
  expect(capture.journal.schemas.map(({ schema }) => schema.columns.map(({ ordinal }) => ordinal).join())).toEqual([
    '1',
    '1,2',
    '1,2,3',
    '1,3',
    '1',
  ]);
  expect(capture.loads).toEqual([]);
  await capture.stop();
});

test('a column that was added, filled and then declared NOT NULL comes with its nulls', async () => {
  await using capture = await started();
  await capture.sql.query('INSERT INTO t VALUES (1)');
  await capture.caughtUp();
  await capture.stop();
  await capture.sql.query('ALTER TABLE t ADD b int');
  await capture.sql.query('INSERT INTO t VALUES (2, NULL)');
  await capture.sql.query('UPDATE t SET b = 0');
  await capture.sql.query('ALTER TABLE t ALTER b SET NOT NULL');
  await capture.again();
  await capture.until('NOT NULL', () => column(capture, 'b')?.nullable === false);
  const versions = capture.journal.schemas.map(({ schema }) => schema.columns.find(({ name }) => name === 'b')?.nullable);
  expect(versions).toEqual([undefined, true, false]);
  await capture.stop();
});

test('a rename and rows behind it that came while nobody read keep names and values together', async () => {
  await using capture = await started('CREATE TABLE t (id int PRIMARY KEY, a int, b int)');
  await capture.stop();
  await capture.sql.query('INSERT INTO t VALUES (1, 10, 100)');
  await capture.sql.query('ALTER TABLE t RENAME a TO x');
  await capture.sql.query('INSERT INTO t VALUES (2, 20, 200)');
  await capture.again();
  await capture.caughtUp();
  expect(story(capture)).toEqual(['version t(id,a,b)', 'insert t[1,10,100]', 'version t(id,x,b)', 'insert t[2,20,200]']);
  await capture.stop();
});

test('names that change places are followed or loaded, never mixed up', async () => {
  await using capture = await started('CREATE TABLE t (id int PRIMARY KEY, a int, b int)');
  await capture.stop();
  await capture.sql.query('INSERT INTO t VALUES (1, 10, 100)');
  await capture.sql.query('ALTER TABLE t RENAME a TO c; ALTER TABLE t RENAME b TO a; ALTER TABLE t RENAME c TO b');
  await capture.sql.query('INSERT INTO t (id, a, b) VALUES (2, 200, 20)');
  await capture.again();
  await capture.until('the second row or a load', () => capture.journal.changes.length === 2 || capture.loads.length > 0);
  await capture.caughtUp();
  await capture.until(
    'the version',
    () =>
      latest(capture)
        ?.columns.map(({ name }) => name)
        .join() === 'id,b,a',
  );
  for (const change of capture.journal.changes) expect(change).toMatchObject({ kind: 'insert' });
  await capture.stop();
});

test('a table that appears comes by a load, whatever made it, and its changes follow', async () => {
  await using capture = await started();
  await capture.sql.query('BEGIN; CREATE TABLE n (id int PRIMARY KEY); INSERT INTO n VALUES (1); COMMIT');
  await capture.sql.query('CREATE TABLE ctas AS SELECT 1 AS id; ALTER TABLE ctas ADD PRIMARY KEY (id)');
  await capture.until('both loads', () => capture.loads.length === 2);
  await capture.caughtUp();
  await capture.sql.query('INSERT INTO n VALUES (2); UPDATE ctas SET id = 2');
  await capture.caughtUp();
  expect(story(capture).slice(1)).toEqual(expect.arrayContaining(['load n(id)', 'load ctas(id)', 'insert n[2]', 'update ctas']));
  expect(story(capture).indexOf('load n(id)')).toBeLessThan(story(capture).indexOf('insert n[2]'));
  await capture.stop();
});

test('#10 a transaction that was open when its table was published brings its rows by the load or by the stream', async () => {
  await using capture = await started();
  await using other = await CaptureHarness.secondSession(capture);
  await capture.sql.query('CREATE TABLE n (id int PRIMARY KEY)');
  await other.client.query('BEGIN; INSERT INTO public.n VALUES (1)');
  await capture.until('the publication names it', async () => {
    const { rows } = await capture.sql.query(`SELECT 1 FROM pg_publication_tables WHERE tablename = 'n'`);
    return rows.length > 0;
  });
  await other.client.query('INSERT INTO public.n VALUES (2); COMMIT');
  await capture.until('the load', () => capture.loads.length === 1);
  await capture.sql.query('INSERT INTO n VALUES (3)');
  await capture.caughtUp();
  // The load's snapshot is taken after it was asked for and sees 1 and 2; what commits behind it is in the stream.
  expect(story(capture)[1]).toBe('load n(id)');
  expect(story(capture).at(-1)).toBe('insert n[3]');
  await capture.stop();
});

test("a keyless table that appears brings its inserts, blocks nobody's updates, and is loaded once it has a key", async () => {
  await using capture = await started();
  await capture.sql.query('CREATE TABLE k (id int)');
  await capture.until('the first load', () => capture.loads.length === 1);
  await capture.sql.query('INSERT INTO k VALUES (1); UPDATE k SET id = 2; INSERT INTO k VALUES (3); DELETE FROM k WHERE id = 3');
  await capture.caughtUp();
  expect(story(capture).slice(1)).toEqual(['load k(id)', 'insert k[1]', 'insert k[3]']);
  expect(latest(capture, 'k')?.replicaIdentity).toBe('nothing');
  await capture.sql.query('ALTER TABLE k ADD PRIMARY KEY (id)');
  await capture.until('the second load', () => capture.loads.length === 2);
  await capture.sql.query('DELETE FROM k');
  await capture.caughtUp();
  expect(story(capture).at(-1)).toBe('delete k');
  await capture.stop();
});

test("#15 a table that loses its key while running stops blocking the source's updates", async () => {
  await using capture = await started();
  await capture.sql.query('INSERT INTO t VALUES (1)');
  await capture.sql.query('ALTER TABLE t DROP CONSTRAINT t_pkey');
  await capture.until('the version', () => latest(capture)?.replicaIdentity === 'nothing');
  await capture.sql.query('UPDATE t SET id = 2');
  await capture.stop();
});

test('a dropped table is announced as dropped, a renamed one as dropped and loaded, one made anew as loaded', async () => {
  await using capture = await started(
    'CREATE TABLE gone (id int PRIMARY KEY); CREATE TABLE old (id int PRIMARY KEY); CREATE TABLE again (id int PRIMARY KEY)',
  );
  await capture.sql.query('DROP TABLE gone; ALTER TABLE old RENAME TO new');
  await capture.sql.query(
    'BEGIN; DROP TABLE again; CREATE TABLE again (id int PRIMARY KEY, more text); INSERT INTO again VALUES (1); COMMIT',
  );
  await capture.until('two loads', () => capture.loads.length === 2);
  await capture.sql.query(`INSERT INTO again VALUES (2, 'x'); INSERT INTO new VALUES (3)`);
  await capture.caughtUp();
  expect(story(capture).slice(3).toSorted()).toEqual(
    [
      'dropped gone(id)',
      'dropped old(id)',
      'load new(id)',
      'load again(id,more)',
      'insert again[2,"x"]',
      'insert new[3]',
    ].toSorted(),
  );
  await capture.stop();
});

test('a table that leaves the selection only stops: its copy is not dropped', async () => {
  await using capture = await CaptureHarness.open(selectPublic((table) => table.startsWith('archived')));
  await capture.sql.query('CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int PRIMARY KEY)');
  await capture.first();
  await capture.caughtUp();
  await capture.sql.query('ALTER TABLE u RENAME TO archived_u');
  await capture.until('the rename is seen', () => story(capture).includes('dropped u(id)'));
  await capture.sql.query('INSERT INTO archived_u VALUES (1); INSERT INTO t VALUES (1)');
  await capture.caughtUp();
  expect(capture.loads).toEqual([]);
  expect(capture.journal.changes).toHaveLength(1);
  await capture.stop();
});

const PARTITIONED = `CREATE TABLE r (id int PRIMARY KEY) PARTITION BY RANGE (id);
  CREATE TABLE r1 PARTITION OF r FOR VALUES FROM (0) TO (10); CREATE TABLE r2 PARTITION OF r FOR VALUES FROM (10) TO (20)`;

test('a partition that is created as one is carried from its first row, without a load', async () => {
  await using capture = await started(PARTITIONED);
  await capture.sql.query(
    'BEGIN; CREATE TABLE r3 PARTITION OF r FOR VALUES FROM (20) TO (30); INSERT INTO r VALUES (25); COMMIT',
  );
  await capture.sql.query('INSERT INTO r VALUES (1), (26)');
  await capture.sql.query('TRUNCATE r');
  await capture.caughtUp();
  expect(story(capture).filter((line) => !line.startsWith('version'))).toEqual([
    'insert r[25]',
    'insert r[1]',
    'insert r[26]',
    'truncate r',
  ]);
  expect(capture.loads).toEqual([]);
  await capture.stop();
});

test.each([
  [
    'attached',
    `CREATE TABLE x (id int PRIMARY KEY); INSERT INTO x VALUES (25); ALTER TABLE r ATTACH PARTITION x FOR VALUES FROM (20) TO (30)`,
  ],
  [
    'filled and attached in one transaction',
    `BEGIN; CREATE TABLE x (id int PRIMARY KEY); INSERT INTO x VALUES (25); ALTER TABLE r ATTACH PARTITION x FOR VALUES FROM (20) TO (30); COMMIT`,
  ],
  ['dropped', 'DROP TABLE r2'],
  ['truncated alone', 'TRUNCATE r2'],
])('a partition that is %s loads its root, since the stream has no rows of it', async (_what, ddl) => {
  await using capture = await started(`${PARTITIONED}; INSERT INTO r VALUES (1), (11)`);
  await capture.sql.query(ddl);
  await capture.until('the load', () => capture.loads.some(({ table }) => table.id.table === 'r'));
  await capture.sql.query('INSERT INTO r VALUES (2)');
  await capture.caughtUp();
  expect(capture.loads.filter(({ table }) => table.id.table === 'r')).toHaveLength(1);
  expect(story(capture).at(-1)).toBe('insert r[2]');
  await capture.stop();
});

test('a partition that is detached loads its root, and comes as a table of its own', async () => {
  await using capture = await started(`${PARTITIONED}; INSERT INTO r VALUES (1), (11)`);
  await capture.sql.query('ALTER TABLE r DETACH PARTITION r2');
  await capture.until('two loads', () => capture.loads.length === 2);
  expect(capture.loads.map(({ table }) => table.id.table).toSorted()).toEqual(['r', 'r2']);
  await capture.sql.query('INSERT INTO r2 VALUES (12); INSERT INTO r VALUES (2)');
  await capture.caughtUp();
  expect(story(capture).slice(-2)).toEqual(['insert r2[12]', 'insert r[2]']);
  await capture.stop();
});

test.each([
  [
    'a rewrite by USING',
    'CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 1)',
    'ALTER TABLE t ALTER v TYPE int USING v * 2',
    't',
  ],
  ['a detached partition', `${PARTITIONED}; INSERT INTO r VALUES (11)`, 'ALTER TABLE r DETACH PARTITION r2; DROP TABLE r2', 'r'],
  [
    'a table made anew',
    'CREATE TABLE t (id int PRIMARY KEY)',
    'DROP TABLE t; CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)',
    't',
  ],
])('what happened while no capture ran is noticed at the next start: %s', async (_what, setup, ddl, table) => {
  await using capture = await started(setup);
  await capture.caughtUp();
  await capture.stop();
  await capture.sql.query(ddl);
  await capture.again();
  await capture.until('the load', () => capture.loads.length === 1);
  expect(capture.loads[0]?.table.id.table).toBe(table);
  await capture.stop();
});

test('a restart without changes announces nothing', async () => {
  await using capture = await started(
    `${PARTITIONED}; CREATE TYPE mood AS ENUM ('ok'); CREATE TABLE t (id int PRIMARY KEY, m mood DEFAULT 'ok')`,
  );
  await capture.sql.query('INSERT INTO t VALUES (1); INSERT INTO r VALUES (1)');
  await capture.caughtUp();
  await capture.stop();
  const before = capture.journal.schemas.length;
  await capture.again();
  await capture.sql.query('INSERT INTO t VALUES (2); INSERT INTO r VALUES (2)');
  await capture.caughtUp();
  await capture.stop();
  expect(capture.journal.schemas).toHaveLength(before);
  expect(capture.loads).toEqual([]);
});

test('a change that is left to a load is remembered by the journal: a crash before the load does not forget it', async () => {
  await using capture = await started(`${PARTITIONED}; CREATE TABLE t (id int PRIMARY KEY); INSERT INTO r VALUES (11)`);
  await capture.caughtUp();
  await capture.stop();
  await capture.sql.query('BEGIN; TRUNCATE r2; INSERT INTO t VALUES (1); COMMIT');
  capture.journal.dies = (change) => change.kind === 'load';
  await capture.again();
  await expect(capture.ended).rejects.toThrow('died here');
  expect(capture.journal.commits).toHaveLength(1);
  capture.journal.dies = () => false;
  await capture.again();
  await capture.until('the load', () => story(capture).includes('load r(id)'));
  await capture.stop();
});

test('a table whose name a view has taken is set aside, and loaded when it is a table again', async () => {
  await using capture = await started();
  await capture.sql.query('DROP TABLE t; CREATE VIEW t AS SELECT 1 AS id');
  await capture.until('it is set aside', () => story(capture).at(-1) === 'error t(id)');
  await capture.stop();
  await capture.again();
  await capture.sql.query('DROP VIEW t; CREATE TABLE t (id int PRIMARY KEY)');
  await capture.until('its load', () => story(capture).at(-1) === 'load t(id)');
  await capture.stop();
});

test('a new enum value comes with a version', async () => {
  await using capture = await started(`CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TABLE t (id int PRIMARY KEY, m mood)`);
  await capture.sql.query(`ALTER TYPE mood ADD VALUE 'happy'`);
  await capture.until('the version', () => latest(capture)?.types.some(({ labels }) => labels.includes('happy')) === true);
  expect(capture.loads).toEqual([]);
  await capture.stop();
});

test('a table that the source does not let be published is set aside alone, with the reason', async () => {
  await using capture = await started();
  const role = `owner_${capture.database.name}`;
  await capture.sql.query(
    `CREATE ROLE ${role} LOGIN REPLICATION; GRANT ALL ON DATABASE ${capture.database.name} TO ${role}; GRANT USAGE, CREATE ON SCHEMA public TO ${role}`,
  );
  try {
    await capture.stop();
    await capture.sql.query(
      `ALTER TABLE t OWNER TO ${role}; ALTER PUBLICATION "millrace_${capture.identity.task}" OWNER TO ${role}; ALTER PUBLICATION "millrace_${capture.identity.task}_inserts" OWNER TO ${role}`,
    );
    capture.user = role;
    await capture.again();
    await capture.caughtUp();
    await capture.sql.query('CREATE TABLE theirs (id int PRIMARY KEY)');
    await capture.until('it is set aside', () => story(capture).includes('error theirs(id)'));
    await capture.sql.query('INSERT INTO t VALUES (1); INSERT INTO theirs VALUES (1)');
    await capture.caughtUp();
    expect(story(capture).at(-1)).toBe('insert t[1]');
    await capture.stop();
  } finally {
    capture.user = null;
    await capture.stop().catch(() => undefined);
    await capture.sql.query(`REASSIGN OWNED BY ${role} TO postgres; DROP OWNED BY ${role}; DROP ROLE ${role}`);
  }
});
