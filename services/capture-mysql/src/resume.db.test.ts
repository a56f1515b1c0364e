import { scratchFolder, startMysql, waitUntil } from '@millrace/testkit/servers.js';
import { describe, expect, test } from 'vitest';
import { CaptureHarness, ENGINES } from './testing/capture-harness.js';

describe.each(ENGINES)('the log of %s', (engine) => {
  test('#25 #24 purged, reset, or of another server: each is refused with its remedy, at the start', async () => {
    await using server = await startMysql({ engine, dir: await scratchFolder() });
    await using capture = await CaptureHarness.open(engine, server.url);
    await capture.sql.query('CREATE TABLE t (id int PRIMARY KEY)');
    await capture.first();
    await capture.sql.query('INSERT INTO t VALUES (1)');
    await capture.caughtUp();
    await capture.stop();
    await capture.sql.query('INSERT INTO t VALUES (2); FLUSH BINARY LOGS; FLUSH BINARY LOGS');
    // Its file is there still: nothing is lost.
    await capture.again();
    await capture.caughtUp();
    expect(capture.journal.changes.map((change) => ('after' in change ? change.after : null))).toEqual([{ id: 1 }, { id: 2 }]);
    await capture.stop();
    const last = capture.journal.position;
    await capture.sql.query('INSERT INTO t VALUES (3); FLUSH BINARY LOGS');
    const [rows] = await capture.sql.query('SHOW BINARY LOGS');
    const newest = Array.isArray(rows) ? rows.at(-1) : undefined;
    const name = newest !== undefined && 'Log_name' in newest ? String(newest['Log_name']) : '';
    // A file is kept while its reader is not known to be gone.
    const oldest = async (): Promise<unknown> => {
      await capture.sql.query('PURGE BINARY LOGS TO ?', [name]);
      const [files] = await capture.sql.query('SHOW BINARY LOGS');
      return Array.isArray(files) && files[0] !== undefined && 'Log_name' in files[0] ? files[0]['Log_name'] : null;
    };
    await waitUntil(async () => (await oldest()) === name, { what: 'the log to be purged', deadlineMs: 30_000, everyMs: 100 });
    await expect(capture.again(last)).rejects.toMatchObject({ code: 'SOURCE_LOG_PURGED', class: 'operator' });
    await capture.sql.query('RESET MASTER');
    await expect(capture.again(last)).rejects.toMatchObject({ code: 'SOURCE_LOG_FOREIGN', class: 'operator' });
    await capture.sql.query('INSERT INTO t VALUES (4), (5), (6)');
    await expect(capture.again(last)).rejects.toMatchObject({ class: 'operator' });
  }, 120_000);

  test('#23 a server that is killed in the middle of transactions loses and repeats nothing', async () => {
    const dir = await scratchFolder();
    const first = await startMysql({ engine, dir });
    const running = { server: first };
    await using _ = { [Symbol.asyncDispose]: () => running.server[Symbol.asyncDispose]() };
    await using capture = await CaptureHarness.open(engine, first.url);
    await capture.sql.query('CREATE TABLE t (id int PRIMARY KEY)');
    await capture.first();
    await capture.sql.query('INSERT INTO t VALUES (1)');
    await capture.caughtUp();
    const { ended } = capture;
    await first.kill('SIGKILL');
    await expect(ended).rejects.toMatchObject({ code: 'SOURCE_CONNECTION_LOST', class: 'retry' });
    running.server = await startMysql({ engine, dir });
    await capture.again();
    await capture.caughtUp();
    expect(capture.journal.changes).toHaveLength(1);
    await capture.stop();
  }, 120_000);

  test('#26 a session that writes statements is refused, naming the statement and its database', async () => {
    await using capture = await CaptureHarness.open(engine);
    await capture.sql.query('CREATE TABLE t (id int PRIMARY KEY)');
    await capture.first();
    await capture.sql.query("SET SESSION binlog_format = 'STATEMENT'; INSERT INTO t VALUES (1)");
    await expect(capture.ended).rejects.toMatchObject({
      code: 'SOURCE_BINLOG_STATEMENT',
      details: { verb: 'INSERT', database: capture.database.name },
    });
  });

  test('#27 a row that is not whole is refused, naming its table', async () => {
    await using capture = await CaptureHarness.open(engine);
    await capture.sql.query("CREATE TABLE t (id int PRIMARY KEY, a int, b text); INSERT INTO t VALUES (1, 1, 'b')");
    await capture.first();
    await capture.sql.query("SET SESSION binlog_row_image = 'MINIMAL'; UPDATE t SET a = 2");
    await expect(capture.ended).rejects.toMatchObject({
      code: 'SOURCE_ROW_IMAGE',
      details: { table: `${capture.database.name}.t` },
    });
  });

  test('an XA transaction with rows of the selection is refused, one without is passed over', async () => {
    await using capture = await CaptureHarness.open(engine, undefined, (table) => table === 'other');
    await capture.sql.query('CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE other (id int PRIMARY KEY)');
    await capture.first();
    await capture.sql.query("XA START 'a'; INSERT INTO other VALUES (1); XA END 'a'; XA PREPARE 'a'; XA COMMIT 'a'");
    await capture.sql.query('INSERT INTO t VALUES (1)');
    await capture.caughtUp();
    expect(capture.journal.changes).toHaveLength(1);
    await capture.sql.query("XA START 'b'; INSERT INTO t VALUES (2); XA END 'b'; XA PREPARE 'b'; XA COMMIT 'b'");
    await expect(capture.ended).rejects.toMatchObject({ code: 'SOURCE_XA_PREPARED' });
  });
});
