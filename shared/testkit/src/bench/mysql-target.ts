import { withConnection } from '@millrace/local/mysql.js';
import { withClient } from '@millrace/local/postgres.js';
import { waitUntil } from '@millrace/local/wait-until.js';
import { z } from 'zod';
import { createMysqlTables, createPostgresTables, mysqlContents, postgresContents, readRows } from './mysql-workload.js';
import { sentinelArrived } from './run.js';
import { settle } from './workload.js';

const RUN_DEADLINE_MS = 900_000;
const LOOK_EVERY_MS = 10;
const sentinelRow = z.object({ id: z.number() });

/** The tables that a line from MariaDB fills. */
export interface LineTarget {
  readonly engine: 'postgres' | 'mariadb';
  readonly url: string;
  /** Makes them anew, empty, with nothing left to write from the run before. */
  create(): Promise<void>;
  drop(): Promise<void>;
  /** The same text as the source's for the same rows (`mysqlContents`). */
  contents(): Promise<string>;
  /** The sentinel can be read. */
  sentinelArrived(): Promise<void>;
}

export function postgresTarget(url: string): LineTarget {
  return {
    engine: 'postgres',
    url,
    create: () => createPostgresTables(url),
    async drop() {
      await withClient(url, (client) => client.query('DROP SCHEMA IF EXISTS bench CASCADE'));
      await settle(url);
    },
    contents: () => postgresContents(url),
    sentinelArrived: () => sentinelArrived({ target: { url } }),
  };
}

export function mariadbTarget(url: string): LineTarget {
  return {
    engine: 'mariadb',
    url,
    create: () => createMysqlTables(url),
    async drop() {
      await withConnection(url, (connection) => connection.query('DROP DATABASE IF EXISTS bench'));
    },
    contents: () => mysqlContents(url),
    async sentinelArrived() {
      await withConnection(url, (connection) =>
        waitUntil(
          async () => (await readRows(connection, 'SELECT id FROM bench.sentinel WHERE id = 1', sentinelRow)).length === 1,
          { what: 'the last row in the target', deadlineMs: RUN_DEADLINE_MS, everyMs: LOOK_EVERY_MS },
        ),
      );
    },
  };
}
