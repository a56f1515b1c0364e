import { readFile } from 'node:fs/promises';
import { uniqueWord, withConnection } from '@millrace/testkit/servers.js';
import { describe, expect, test } from 'vitest';
import { createMysqlSink } from './connector.js';
import { ENGINES, LOG_ALL, SinkFixture } from './testing/sink-fixture.js';
import { column } from './testing/table-schemas.js';

const GRANTS = new URL('../../../deploy/grants/mysql-target.sql', import.meta.url);

describe.each(ENGINES)('deploy/grants/mysql-target.sql on %s', (engine) => {
  test('lets its user do a whole task, and nothing else', async () => {
    const user = uniqueWord();
    await using fixture = await SinkFixture.open(engine);
    const text = (await readFile(GRANTS, 'utf8'))
      .replaceAll(/^--.*$/gm, '')
      .replaceAll('{user}', user)
      .replaceAll('{host}', '%')
      .replaceAll('{database}', fixture.database.name);
    const statements = text.split(';').filter((statement) => statement.trim() !== '');
    // Twice: running it again does no harm.
    await fixture.run(...statements, ...statements);
    const url = new URL(fixture.database.url);
    url.username = user;
    try {
      await fixture.connect(url.href);
      const id = column('id', 'int', { nullable: false });
      const version = fixture.table('t', [id, column('note', 'varchar(20)')], ['id']);
      await fixture.load(version, [[1, 'a']]);
      await fixture.sink.finishLoad(version, '1.1', 1);
      expect(await fixture.sink.prepare(version, '1.1', { preparation: 'DO_NOTHING', firstAttempt: 2 })).toEqual([]);
      const wider = fixture.table('t', [id, column('note', 'varchar(200)')], ['id']);
      await fixture.create(wider);
      await fixture.apply([
        { kind: 'insert', table: wider, after: [1, 'a'] },
        { kind: 'update', table: wider, before: [1, 'a'], after: [1, 'b'] },
        { kind: 'delete', table: wider, before: [1, 'b'] },
      ]);
      await fixture.applyBlocks([fixture.script.schema(wider, { kind: 'dropped' })]);
      expect(await fixture.sink.deadLetters(1)).toEqual([]);
      // The next one finds this one, and could end it.
      await fixture.connect(url.href);
      await withConnection(url.href, async (connection) => {
        await expect(connection.query('SELECT * FROM mysql.user')).rejects.toMatchObject({ errno: 1142 });
      });
      await using other = createMysqlSink({ url: url.href, task: uniqueWord(), policy: LOG_ALL });
      expect(await other.assess([version.schema], 'DO_NOTHING')).toEqual([]);
    } finally {
      await fixture.run(`DROP USER '${user}'@'%'`);
    }
  });
});
