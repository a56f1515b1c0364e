import { scratchFolder, startMysql, waitUntil } from '@millrace/testkit/servers.js';
import { describe, expect, test } from 'vitest';
import { CaptureHarness, ENGINES, type Engine } from './testing/capture-harness.js';

/** What the servers call a log without the columns' names. */
const NO_NAMES: Record<Engine, string> = { mysql: 'MINIMAL', mariadb: 'NO_LOG' };

describe.each(ENGINES)('forms of the log of %s', (engine) => {
  test('without column names rows are read by the version in force, and a changed table is refused', async () => {
    const settings = { 'binlog-row-metadata': NO_NAMES[engine], 'binlog-checksum': 'NONE' };
    await using server = await startMysql({ engine, dir: await scratchFolder(), settings });
    await using capture = await CaptureHarness.open(engine, server.url);
    await capture.sql.query(`CREATE TABLE t (id int unsigned PRIMARY KEY, a varchar(20) CHARACTER SET latin1, b varbinary(9), e enum('x','é'), u tinyint unsigned);
      CREATE TABLE quiet (id int PRIMARY KEY)`);
    await capture.first();
    await capture.sql.query("INSERT INTO t VALUES (4000000000, 'é', x'e900', 'é', 200); ALTER TABLE quiet ADD c int");
    await capture.until('the row has come', () => capture.journal.changes.length === 1);
    expect(capture.journal.changes).toMatchObject([
      { after: { id: 4_000_000_000, a: 'é', b: Uint8Array.of(0xe9, 0), e: 'é', u: 200 } },
    ]);
    // Where no row comes before the log's end is reached, the catalogue proves itself.
    await capture.until('the new column is there', () => capture.journal.schemas.at(-1)?.schema.columns.length === 2);
    await capture.stop();
    await capture.sql.query(`ALTER TABLE t CHANGE a z varchar(20) CHARACTER SET latin1; INSERT INTO t (id, z) VALUES (2, 'b');
      ALTER TABLE t CHANGE z a varchar(20) CHARACTER SET latin1`);
    await capture.again();
    await expect(capture.ended).rejects.toMatchObject({ code: 'SOURCE_SCHEMA_UNPROVED' });
  }, 120_000);

  test('rows above 16 MB, statements that change many rows, LOAD DATA and several statements in one transaction', async () => {
    const settings = { 'max-allowed-packet': '128M', 'innodb-log-file-size': '256M' };
    await using server = await startMysql({ engine, dir: await scratchFolder(), settings });
    await using capture = await CaptureHarness.open(engine, server.url);
    await capture.sql.query('CREATE TABLE t (id int PRIMARY KEY AUTO_INCREMENT, b longblob)');
    await capture.first();
    await capture.sql.query("INSERT INTO t (b) VALUES (REPEAT('x', 20000000))");
    await capture.sql.query('INSERT INTO t (b) VALUES ?', [Array.from({ length: 1_000 }, (_, index) => [`row ${index}`])]);
    await capture.sql.query('UPDATE t SET b = CONCAT(b, id) WHERE id > 1; DELETE FROM t WHERE id > 1');
    await capture.caughtUp();
    const of = (kind: string): number => capture.journal.changes.filter((change) => change.kind === kind).length;
    expect([of('insert'), of('update'), of('delete')]).toEqual([1_001, 1_000, 1_000]);
    const [first] = capture.journal.changes;
    expect(first?.kind === 'insert' && first.after['b'] instanceof Uint8Array ? first.after['b'].length : 0).toBe(20_000_000);
  }, 120_000);

  test('#24 after a failover to a replica the stream goes on by GTID, and one that lacks transactions is refused', async () => {
    const settings = { 'log-slave-updates': 'ON' };
    await using primary = await startMysql({ engine, dir: await scratchFolder(), settings });
    await using replica = await startMysql({ engine, dir: await scratchFolder(), settings });
    await using follower = await CaptureHarness.open(engine, replica.url);
    await follower.sql.query(
      engine === 'mysql'
        ? `RESET MASTER; CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = ${primary.port}, MASTER_USER = 'root', MASTER_AUTO_POSITION = 1, GET_MASTER_PUBLIC_KEY = 1; START SLAVE`
        : `RESET MASTER; CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = ${primary.port}, MASTER_USER = 'root', MASTER_USE_GTID = slave_pos; START SLAVE`,
    );
    await using capture = await CaptureHarness.open(engine, primary.url);
    await capture.sql.query('CREATE TABLE t (id int PRIMARY KEY)');
    await capture.first();
    await capture.sql.query('INSERT INTO t VALUES (1); FLUSH BINARY LOGS; INSERT INTO t VALUES (2)');
    await capture.caughtUp();
    await capture.stop();
    const before = capture.journal.position;
    await waitForRow(follower, capture.database.name);
    await follower.sql.query(`STOP SLAVE; INSERT INTO \`${capture.database.name}\`.t VALUES (3)`);
    capture.url = follower.database.url;
    await capture.again();
    await capture.caughtUp();
    expect(capture.journal.changes.map((change) => ('after' in change ? change.after : null))).toEqual([
      { id: 1 },
      { id: 2 },
      { id: 3 },
    ]);
    const [last] = capture.journal.commits.slice(-1);
    expect((last?.key ?? '') > (before?.key ?? '')).toBe(true);
    expect(last?.source).toBe(before?.source);
    await capture.stop();
    // The old primary went on alone: it never had what the journal has by now.
    capture.url = capture.database.url;
    await expect(capture.again().then(() => capture.ended)).rejects.toMatchObject({ class: 'operator' });
  }, 180_000);
});

async function waitForRow(follower: CaptureHarness, database: string): Promise<void> {
  await waitUntil(
    async () => {
      const [rows] = await follower.sql.query(`SELECT id FROM \`${database}\`.t WHERE id = 2`);
      return Array.isArray(rows) && rows.length === 1;
    },
    { what: 'the replica to have the rows', deadlineMs: 30_000, everyMs: 50 },
  );
}

test('compressed events of MariaDB are inflated', async () => {
  const settings = { 'log-bin-compress': 'ON', 'log-bin-compress-min-len': '10' };
  await using server = await startMysql({ engine: 'mariadb', dir: await scratchFolder(), settings });
  await using capture = await CaptureHarness.open('mariadb', server.url);
  await capture.sql.query('CREATE TABLE t (id int PRIMARY KEY, a text)');
  await capture.first();
  await capture.sql.query(
    "INSERT INTO t VALUES (1, REPEAT('abc', 1000)), (2, REPEAT('x', 300)); UPDATE t SET a = REPEAT('y', 500) WHERE id = 2",
  );
  await capture.sql.query(
    'ALTER TABLE t ADD a_column_with_a_name_that_is_long_enough_to_be_compressed int; DELETE FROM t WHERE id = 1',
  );
  await capture.caughtUp();
  expect(capture.journal.changes).toMatchObject([
    { kind: 'insert', after: { id: 1, a: 'abc'.repeat(1_000) } },
    { kind: 'insert', after: { id: 2, a: 'x'.repeat(300) } },
    { kind: 'update', before: { id: 2 }, after: { id: 2, a: 'y'.repeat(500) } },
    { kind: 'delete', before: { id: 1 } },
  ]);
});
