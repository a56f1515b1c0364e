import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { guard } from '@millrace/local/guard.js';
import { withConnection } from '@millrace/local/mysql.js';
import type { MysqlEngine } from '@millrace/local/mysql-binaries.js';
import { withClient } from '@millrace/local/postgres.js';
import { inject } from 'vitest';
import type {} from './global-setup.js';
import type { SharedServer } from './server-desk.js';

export { type KafkaServer, startKafka } from '@millrace/local/kafka.js';
export { type MysqlServer, startMysql, withConnection } from '@millrace/local/mysql.js';
export { type PostgresServer, startPostgres, withClient } from '@millrace/local/postgres.js';
export { type RegistryServer, startRegistry } from '@millrace/local/registry.js';
export { waitUntil } from '@millrace/local/wait-until.js';

/**
 * The servers that all tests of one run share. Each is started when the first test asks for it and ends with the run. Never
 * stop, kill or reconfigure one of them: a test that needs that starts its own (`startPostgres({ dir: await scratchFolder() })`).
 */
export interface SharedServers {
  /** `postgres://…/postgres` of a superuser, `wal_level=logical`. Use `createDatabase()` for a place of your own. */
  readonly postgres: () => Promise<string>;
  /** `mysql://root@…/`: binary log in row format with full metadata, GTIDs on. Use `createMysqlDatabase()` for a place of your own. */
  readonly mysql: () => Promise<string>;
  /** `mariadb://root@…/`, the same for MariaDB. */
  readonly mariadb: () => Promise<string>;
  /** `host:port,…` */
  readonly kafka: () => Promise<string>;
  /** Host for a client of Confluent's schema registry, path included. */
  readonly registry: () => Promise<string>;
}

/** To be called in a `*.db.test.ts` or `*.e2e.test.ts`: only their projects have servers. */
export function sharedServers(): SharedServers {
  return {
    postgres: () => addressOf('postgres'),
    mysql: () => addressOf('mysql'),
    mariadb: () => addressOf('mariadb'),
    kafka: () => addressOf('kafka'),
    registry: () => addressOf('registry'),
  };
}

async function addressOf(server: SharedServer): Promise<string> {
  const desk: string | undefined = inject('millraceServerDesk');
  if (desk === undefined)
    throw new MillraceError('INTERNAL', { what: 'shared servers asked for outside *.db.test.ts and *.e2e.test.ts' });
  const response = await fetch(`${desk}/${server}`);
  const text = await response.text();
  if (!response.ok) throw new MillraceError('INTERNAL', { what: `the shared ${server} server did not start: ${text}` });
  return text;
}

export interface TestDatabase extends AsyncDisposable {
  readonly name: string;
  /** Superuser's URL of this database. */
  readonly url: string;
}

/**
 * A new database on the shared PostgreSQL server, or on the one whose URL is given: empty, or a copy of `template`, to which nobody may be
 * connected. Disposing ends its sessions and drops its replication slots and itself.
 */
export async function createDatabase(serverUrl?: string, template = 'template1'): Promise<TestDatabase> {
  const admin = serverUrl ?? (await sharedServers().postgres());
  const name = `test_${uniqueWord()}`;
  await withClient(admin, async (client) => void (await client.query(`CREATE DATABASE ${name} TEMPLATE ${template}`)));
  const url = new URL(admin);
  url.pathname = `/${name}`;
  return { name, url: url.href, [Symbol.asyncDispose]: () => dropDatabase(admin, name) };
}

async function dropDatabase(admin: string, name: string): Promise<void> {
  await withClient(admin, async (client) => {
    // A walsender counts as a user of its database, and a slot keeps the database from being dropped.
    await client
      .query('SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()', [
        name,
      ])
      .catch(
        // PostgreSQL 13 has no time-out argument.
        async () =>
          await client.query(
            'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()',
            [name],
          ),
      );
    await client.query(
      'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = $1 AND NOT active',
      [name],
    );
    await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  });
}

/** A new, empty database on the shared server of the engine, or on the one whose URL is given. Disposing drops it. */
export async function createMysqlDatabase(engine: MysqlEngine, serverUrl?: string): Promise<TestDatabase> {
  const admin = serverUrl ?? (await sharedServers()[engine]());
  const name = `test_${uniqueWord()}`;
  await withConnection(admin, (connection) => connection.query(`CREATE DATABASE ${name}`));
  const url = new URL(admin);
  url.pathname = `/${name}`;
  return {
    name,
    url: url.href,
    [Symbol.asyncDispose]: async () => {
      await withConnection(admin, (connection) => connection.query(`DROP DATABASE IF EXISTS ${name}`));
    },
  };
}

/** A prefix for topics, subjects and groups that no other test uses. */
export function uniqueTopicPrefix(): string {
  return `test-${uniqueWord()}`;
}

/** 12 characters of `[a-z0-9]`, of which the first is a letter: good in any server's names. */
export function uniqueWord(): string {
  return `t${randomBytes(6).toString('hex').slice(0, 11)}`;
}

/** A folder for one test's own servers and files, which the servers' user may pass through. It is removed with the test's process, or earlier by `removeFolder`. */
export async function scratchFolder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-test-'));
  await chmod(dir, 0o711);
  await guard.watchFolder(dir);
  return dir;
}

export async function removeFolder(dir: string): Promise<void> {
  await rm(dir, { recursive: true, force: true });
  await guard.forgetFolder(dir);
}
