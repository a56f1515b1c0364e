import { describeSink } from '@millrace/testkit/conformance/describe-sink.js';
import { createDatabase, withClient } from '@millrace/testkit/servers.js';
import { createPostgresSink } from './connector.js';
import { column, table } from './testing/table-schemas.js';

const SCHEMA = table('t', [column('id', 'integer', { nullable: false }), column('note', 'text')], { primaryKey: ['id'] });

describeSink({
  engine: 'PostgreSQL',
  guarantee: 'transactional',
  open: async () => {
    const database = await createDatabase();
    return {
      schema: SCHEMA,
      connect: (policy) => createPostgresSink({ url: database.url, task: 'conformance', policy }),
      rows: () =>
        withClient(database.url, async (client) => {
          const { rows } = await client.query<[number, string | null]>({
            text: 'SELECT id, note FROM app.t ORDER BY id',
            rowMode: 'array',
          });
          return rows;
        }),
      [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
    };
  },
});
