import { createDatabase, scratchFolder, startMysql, withClient, withConnection } from '@millrace/testkit/servers.js';
import type { TypeCastField } from 'mysql2';
import { expect, test } from 'vitest';
import { createMysqlTables, createPostgresTables, mysqlContents, postgresContents, writeMysqlBacklog } from './mysql-workload.js';

test('both engines tell the same rows by the same text, and any other row, value or sentinel by another', async () => {
  // A server of its own: the tables' database has one name, and a backlog's place is the whole log's.
  await using source = await startMysql({ engine: 'mariadb', dir: await scratchFolder() });
  await using target = await createDatabase();
  await createMysqlTables(source.url);
  await createPostgresTables(target.url);
  expect(await postgresContents(target.url)).toBe(await mysqlContents(source.url));

  const backlog = await writeMysqlBacklog(source.url, 2_345);
  expect(backlog.bytes).toBeGreaterThan(2_345 * 200);
  const expected = await mysqlContents(source.url);
  expect(expected).toMatch(/^events=2345:\d+ sentinels=1$/);

  // As the server's texts: the driver's own reading of a double is off by a bit now and then.
  const where = { uri: source.url.replace('mariadb:', 'mysql:'), typeCast: (field: TypeCastField) => field.string() };
  const rows = await withConnection(where, async (connection) => (await connection.query('SELECT * FROM bench.events'))[0]);
  await withClient(target.url, async (client) => {
    await client.query('INSERT INTO bench.events SELECT * FROM json_populate_recordset(null::bench.events, $1)', [
      JSON.stringify(rows),
    ]);
    expect(await postgresContents(target.url)).not.toBe(expected);
    await client.query('INSERT INTO bench.sentinel VALUES (1)');
    expect(await postgresContents(target.url)).toBe(expected);
    for (const statement of [
      "UPDATE bench.events SET note = 'other' WHERE id = 7",
      "UPDATE bench.events SET placed = placed + interval '1 microsecond' WHERE id = 8",
      'UPDATE bench.events SET id = 3000 WHERE id = 9',
      'DELETE FROM bench.events WHERE id = 10',
    ]) {
      const before = await postgresContents(target.url);
      expect((await client.query(statement)).rowCount).toBe(1);
      const after = await postgresContents(target.url);
      expect([before, expected]).not.toContain(after);
    }
  });
});
