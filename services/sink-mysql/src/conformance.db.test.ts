import { describeSink } from '@millrace/testkit/conformance/describe-sink.js';
import { createMysqlDatabase, uniqueWord, withConnection } from '@millrace/testkit/servers.js';
import { z } from 'zod';
import { createMysqlSink } from './connector.js';
import { column, table } from './testing/table-schemas.js';

const row = z.tuple([z.number(), z.string().nullable()]);

for (const engine of ['mariadb', 'mysql'] as const) {
  describeSink({
    engine: engine === 'mysql' ? 'MySQL' : 'MariaDB',
    guarantee: 'transactional',
    open: async () => {
      const database = await createMysqlDatabase(engine);
      const task = `conformance-${uniqueWord()}`;
      return {
        schema: table(
          { schema: database.name, table: 't' },
          [column('id', 'int', { nullable: false }), column('note', 'varchar(200)')],
          { primaryKey: ['id'] },
        ),
        connect: (policy) => createMysqlSink({ url: database.url, task, policy }),
        rows: () =>
          withConnection(database.url, async (connection) => {
            const [rows] = await connection.query({ sql: 'SELECT id, note FROM t ORDER BY id', rowsAsArray: true });
            return z.array(row).parse(rows);
          }),
        [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
      };
    },
  });
}
