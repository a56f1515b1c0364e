import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createDatabase, uniqueWord, withClient } from '@millrace/testkit/servers.js';
import { expect, test } from 'vitest';
import { REPOSITORY_ROOT } from './paths.js';

const run = promisify(execFile);

/** psql with the variables, as the file's head says; a second run must do no harm. */
async function grant(file: string, url: string, variables: Readonly<Record<string, string>>): Promise<void> {
  const args = [
    url,
    '-qX',
    ...Object.entries(variables).flatMap(([name, value]) => ['-v', `${name}=${value}`]),
    '-f',
    join(REPOSITORY_ROOT, 'deploy/grants', file),
  ];
  await run('psql', args);
  await run('psql', args);
}

function as(role: string, url: string): string {
  const own = new URL(url);
  own.username = role;
  return own.href;
}

test('way A of the source grants lets the role read, publish and open a slot, and nothing else', async () => {
  await using database = await createDatabase();
  const role = uniqueWord();
  const owner = uniqueWord();
  await withClient(database.url, async (client) => {
    await client.query(`CREATE ROLE ${owner}; CREATE SCHEMA "Shop" AUTHORIZATION ${owner}`);
    await client.query(
      `SET ROLE ${owner}; CREATE TABLE "Shop".orders (id int PRIMARY KEY); INSERT INTO "Shop".orders VALUES (1); RESET ROLE`,
    );
    await client.query('CREATE TABLE public.other (id int PRIMARY KEY)');
  });
  await grant('postgres-source.sql', database.url, { role, schemas: 'Shop', owner });
  try {
    await withClient(as(role, database.url), async (client) => {
      expect((await client.query('SELECT * FROM "Shop".orders')).rows).toEqual([{ id: 1 }]);
      await client.query('CREATE PUBLICATION mine FOR TABLE "Shop".orders');
      await client.query("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", [`slot_${role}`]);
      await client.query('SELECT pg_drop_replication_slot($1)', [`slot_${role}`]);
      await expect(client.query('SELECT * FROM public.other')).rejects.toMatchObject({ code: '42501' });
    });
  } finally {
    await dropRoles(database.url, [role, owner]);
  }
});

test('way B of the source grants publishes the tables that have a replica identity and lets the role only read', async () => {
  await using database = await createDatabase();
  const role = uniqueWord();
  await withClient(database.url, async (client) => {
    await client.query(`CREATE TABLE keyed (id int PRIMARY KEY); CREATE TABLE keyless (id int); CREATE TABLE whole (id int);
      ALTER TABLE whole REPLICA IDENTITY FULL; CREATE UNLOGGED TABLE unlogged (id int PRIMARY KEY)`);
  });
  await grant('postgres-source.sql', database.url, { role, publication: 'for_millrace' });
  try {
    await withClient(as(role, database.url), async (client) => {
      const { rows } = await client.query(
        "SELECT tablename FROM pg_publication_tables WHERE pubname = 'for_millrace' ORDER BY 1",
      );
      expect(rows.map((row) => row.tablename)).toEqual(['keyed', 'whole']);
      await client.query("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", [`slot_${role}`]);
      await client.query('SELECT pg_drop_replication_slot($1)', [`slot_${role}`]);
      await expect(client.query('INSERT INTO keyed VALUES (1)')).rejects.toMatchObject({ code: '42501' });
      await expect(client.query('CREATE PUBLICATION mine FOR TABLE keyed')).rejects.toMatchObject({ code: '42501' });
    });
  } finally {
    await dropRoles(database.url, [role]);
  }
});

test('the target grants let the role make its schema and tables, write to those that are there, and set session_replication_role', async () => {
  await using database = await createDatabase();
  const role = uniqueWord();
  await withClient(database.url, async (client) => void (await client.query('CREATE TABLE there (id serial PRIMARY KEY)')));
  await grant('postgres-target.sql', database.url, { role });
  try {
    await withClient(as(role, database.url), async (client) => {
      await client.query(
        'CREATE SCHEMA millrace; CREATE TABLE millrace.checkpoint (id int); CREATE TABLE made (id int PRIMARY KEY)',
      );
      await client.query("INSERT INTO there VALUES (5); SELECT setval('there_id_seq', 5); TRUNCATE there");
      await client.query('SET session_replication_role = replica');
      await expect(client.query('DROP TABLE there')).rejects.toMatchObject({ code: '42501' });
    });
  } finally {
    await dropRoles(database.url, [role]);
  }
});

async function dropRoles(url: string, roles: readonly string[]): Promise<void> {
  await withClient(url, async (client) => {
    for (const role of roles) await client.query(`DROP OWNED BY ${role} CASCADE; DROP ROLE ${role}`);
  });
}
