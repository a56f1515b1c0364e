import { describeSource } from '@millrace/testkit/conformance/describe-source.js';
import { createDatabase } from '@millrace/testkit/servers.js';
import { Client } from 'pg';
import { createPostgresSource } from './connector.js';

describeSource({
  engine: 'PostgreSQL',
  leavesSomething: true,
  open: async () => {
    const database = await createDatabase();
    const session = async (): Promise<Client> => {
      const client = new Client(database.url);
      await client.connect();
      return client;
    };
    const admin = await session();
    await admin.query('CREATE TABLE public.t (id int PRIMARY KEY, note text)');
    await admin.end();
    return {
      table: { schema: 'public', table: 't' },
      connect: () => createPostgresSource({ url: database.url, publication: null }),
      transaction: async (changes) => {
        const client = await session();
        const end = async (how: 'COMMIT' | 'ROLLBACK'): Promise<void> => {
          await client.query(how);
          await client.end();
        };
        await client.query('BEGIN');
        for (const change of changes) {
          if (change.kind === 'insert') await client.query('INSERT INTO t VALUES ($1, $2)', [change.id, change.note]);
          else if (change.kind === 'update') await client.query('UPDATE t SET note = $2 WHERE id = $1', [change.id, change.note]);
          else if (change.kind === 'move') await client.query('UPDATE t SET id = $2 WHERE id = $1', [change.id, change.to]);
          else await client.query('DELETE FROM t WHERE id = $1', [change.id]);
        }
        return { commit: () => end('COMMIT'), rollback: () => end('ROLLBACK') };
      },
      loseLog: async (source, identity) => {
        await source.remove(identity);
      },
      [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
    };
  },
});
