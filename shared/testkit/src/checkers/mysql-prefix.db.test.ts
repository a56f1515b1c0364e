import type mysql from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type MysqlServer, removeFolder, scratchFolder, startMysql, withConnection } from '../servers.js';
import { createMysqlPrefix, MYSQL_PREFIX_STEP, readMysqlPrefix } from './mysql-prefix.js';
import { isPrefix } from './prefix.js';

/** Each fault of a sink, put in by hand, and what must be seen of it. */
const FAULTS: readonly [claim: string, statements: string, found: object][] = [
  [
    'a dropped transaction is caught as lost',
    'DELETE FROM prefix.ledger_a WHERE n = 77; DELETE FROM prefix.ledger_b WHERE n = 77; DELETE FROM prefix.ledger_c WHERE n = 77',
    { lost: 1, duplicated: 0, torn: 0 },
  ],
  [
    'a transaction applied twice is caught as duplicated',
    'INSERT INTO prefix.ledger_c VALUES (77, NULL)',
    { lost: 0, duplicated: 1, torn: 0 },
  ],
  [
    'a transaction of which one row is missing is caught as torn',
    'DELETE FROM prefix.ledger_b WHERE n = 120',
    { lost: 0, duplicated: 0, torn: 1 },
  ],
  [
    'a batch that is there in part is caught as torn',
    'DELETE FROM prefix.batch WHERE n = 100 AND i > 50',
    { torn: 1, differences: ['torn: 1 (batch 100: 50 rows instead of 100)'] },
  ],
  [
    'two transactions applied in the wrong order are caught, by the row that the later one should have left',
    'UPDATE prefix.cells SET last = last - 32 WHERE cell = 120 % 32',
    { torn: 1 },
  ],
  [
    'a transaction ahead of the counter is caught as torn',
    "INSERT INTO prefix.ledger_a VALUES (121, 0, NOW(6)); INSERT INTO prefix.ledger_b VALUES (121, ''); INSERT INTO prefix.ledger_c VALUES (121, '')",
    { lost: 0, torn: 1 },
  ],
  [
    'a long value that became another is caught, also one that differs in case alone',
    'UPDATE prefix.cells SET document = UPPER(document) WHERE cell = 5',
    { torn: 1 },
  ],
];

describe.each(['mysql', 'mariadb'] as const)('%s', (engine) => {
  // Database `prefix` has one name for all, so it is on a server of its own.
  let dir: string;
  let server: MysqlServer;

  beforeAll(async () => {
    dir = await scratchFolder();
    const settings = { 'innodb-flush-log-at-trx-commit': '0', 'sync-binlog': '0' };
    server = await startMysql({ engine, dir, settings, report: () => undefined });
    await session(async (connection) => {
      await createMysqlPrefix(connection);
      await steps(connection, 120);
    });
  });

  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await removeFolder(dir);
  });

  function session<T>(work: (connection: mysql.Connection) => Promise<T>): Promise<T> {
    return withConnection({ host: '127.0.0.1', port: server.port, user: 'root', multipleStatements: true }, work);
  }

  test.each(FAULTS)('%s', async (_claim, statements, found) => {
    await session(async (connection) => {
      expect(await readMysqlPrefix(connection)).toEqual({ counter: 120, lost: 0, duplicated: 0, torn: 0, differences: [] });
      await connection.query(`START TRANSACTION; ${statements}`);
      expect(await readMysqlPrefix(connection)).toMatchObject(found);
      await connection.query('ROLLBACK');
    });
  });

  test('the history as it was written is a prefix, also after the first batches are gone', async () => {
    await session(async (connection) => {
      await steps(connection, 1_100);
      const reading = await readMysqlPrefix(connection);
      expect(reading).toEqual({ counter: 1_220, lost: 0, duplicated: 0, torn: 0, differences: [] });
      expect(isPrefix(reading)).toBe(true);
    });
  });
});

async function steps(connection: mysql.Connection, count: number): Promise<void> {
  for (let step = 0; step < count; step += 1) await connection.query(MYSQL_PREFIX_STEP.text);
}
