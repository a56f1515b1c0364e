import { describeSource } from '@millrace/testkit/conformance/describe-source.js';
import { createMysqlDatabase, type MysqlServer, scratchFolder, startMysql, withConnection } from '@millrace/testkit/servers.js';
import { createConnection } from 'mysql2/promise';
import { afterAll } from 'vitest';
import { createMysqlSource } from './connector.js';
import { ENGINES, type Engine } from './testing/capture-harness.js';

const NAMES = { mysql: 'MySQL', mariadb: 'MariaDB' } as const;
const servers = new Map<Engine, Promise<MysqlServer>>();

/** Servers of this file's own: one of its tests makes them lose their logs. */
async function serverOf(engine: Engine): Promise<MysqlServer> {
  const started = servers.get(engine) ?? scratchFolder().then((dir) => startMysql({ engine, dir }));
  servers.set(engine, started);
  return await started;
}

afterAll(async () => {
  for (const server of servers.values()) await (await server)[Symbol.asyncDispose]();
});

for (const engine of ENGINES) {
  describeSource({
    engine: NAMES[engine],
    leavesSomething: false,
    open: async () => {
      const database = await createMysqlDatabase(engine, (await serverOf(engine)).url);
      await withConnection(database.url, (sql) =>
        sql.query('CREATE TABLE t (id int PRIMARY KEY, note text CHARACTER SET utf8mb4)'),
      );
      return {
        table: { schema: database.name, table: 't' },
        connect: () => createMysqlSource({ url: database.url }),
        transaction: async (changes) => {
          const sql = await createConnection({ uri: database.url.replace(/^mariadb:/, 'mysql:'), charset: 'utf8mb4' });
          const end = async (how: 'COMMIT' | 'ROLLBACK'): Promise<void> => {
            await sql.query(how);
            await sql.end();
          };
          await sql.query('BEGIN');
          for (const change of changes) {
            if (change.kind === 'insert') await sql.query('INSERT INTO t VALUES (?, ?)', [change.id, change.note]);
            else if (change.kind === 'update') await sql.query('UPDATE t SET note = ? WHERE id = ?', [change.note, change.id]);
            else if (change.kind === 'move') await sql.query('UPDATE t SET id = ? WHERE id = ?', [change.to, change.id]);
            else await sql.query('DELETE FROM t WHERE id = ?', [change.id]);
          }
          return { commit: () => end('COMMIT'), rollback: () => end('ROLLBACK') };
        },
        loseLog: () => withConnection(database.url, async (sql) => void (await sql.query('RESET MASTER'))),
        [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
      };
    },
  });
}
