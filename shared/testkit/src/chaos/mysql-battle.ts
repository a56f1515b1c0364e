import { setTimeout as delay } from 'node:timers/promises';
import { withConnection } from '@millrace/local/mysql.js';
import type { MysqlEngine } from '@millrace/local/mysql-binaries.js';
import mysql from 'mysql2/promise';
import { z } from 'zod';
import { createMysqlPrefix, MYSQL_PREFIX_STEP, readMysqlPrefix } from '../checkers/mysql-prefix.js';
import { createBank } from '../demo/bank.js';
import { openMysqlBank, readMysqlSums } from '../demo/mysql-bank.js';
import { type BattleDatabase, type InvariantReader, type InvariantSnapshot, READER_TIMEOUTS } from './battle-database.js';

/** The whole server: what earlier episodes left in the databases of these names is dropped. */
export async function makeMysqlBattle(engine: MysqlEngine, admin: string): Promise<BattleDatabase> {
  const url = admin.replace(/^mariadb:/, 'mysql:');
  await withConnection(url, async (session) => {
    for (const database of ['bank', 'prefix', 'millrace']) await session.query('DROP DATABASE IF EXISTS ??', [database]);
  });
  return {
    engine,
    url: admin,
    async createWorkload(accounts) {
      await using bank = openMysqlBank(admin);
      await createBank(bank, accounts);
      await withConnection({ uri: url, multipleStatements: true }, createMysqlPrefix);
    },
    step: MYSQL_PREFIX_STEP,
    transferOf: ({ account, teller, branch, amount }) => ({
      text: 'CALL bank.transfer(?, ?, ?, ?)',
      values: [account, teller, branch, amount],
    }),
    countSteps: () =>
      withConnection(url, async (session) => {
        const [rows] = await session.query<mysql.RowDataPacket[]>('SELECT n FROM prefix.counter');
        return Number(rows[0]?.['n']);
      }),
    openReader: () => openReader(url),
  };
}

async function openReader(url: string): Promise<InvariantReader> {
  const session = await mysql.createConnection({
    uri: url,
    connectTimeout: READER_TIMEOUTS.connectMs,
    supportBigNumbers: true,
    bigNumberStrings: true,
  });
  session.on('error', () => undefined);
  const snapshot: InvariantSnapshot = {
    holdsFromHere: (task, tables) => holdsFromHere(session, task, tables),
    readPrefix: () => readMysqlPrefix(session),
    readSums: () => readMysqlSums(session),
  };
  const read = async (work: (snapshot: InvariantSnapshot) => Promise<void>): Promise<void> => {
    await session.query('SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ');
    await session.query('START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY');
    await work(snapshot);
    await session.query('COMMIT');
  };
  return {
    async inSnapshot(work) {
      const deadline = new AbortController();
      const late = delay(READER_TIMEOUTS.queryMs, null, { signal: deadline.signal }).then(() => {
        throw new Error(`no reading in ${READER_TIMEOUTS.queryMs} ms`);
      });
      try {
        await Promise.race([read(work), late]);
      } finally {
        deadline.abort();
      }
    },
    // A goodbye would wait behind a statement that a server does not answer.
    [Symbol.asyncDispose]: async () => session.destroy(),
  };
}

const stateRow = z.object({ state: z.string(), as_of: z.string().nullable(), applied: z.string().nullable() });

async function holdsFromHere(session: mysql.Connection, task: string, tables: number): Promise<boolean> {
  const [found] = await session.query<mysql.RowDataPacket[]>(
    "SELECT 1 FROM information_schema.tables WHERE table_schema = 'millrace' AND table_name = 'dead_letter'",
  );
  if (found.length === 0) return false;
  const [rows] = await session.query<mysql.RowDataPacket[]>(
    `SELECT t.state AS state, CAST(t.as_of_key AS CHAR) AS as_of, CAST(c.position_key AS CHAR) AS applied
     FROM millrace.table_state t JOIN millrace.checkpoint c ON c.task = t.task WHERE t.task = ?`,
    [task],
  );
  const states = stateRow.array().parse(rows);
  // Hexadecimal texts: JavaScript compares them as bytes.
  const passed = states.every(({ as_of, applied }) => as_of !== null && applied !== null && as_of <= applied);
  return states.length === tables && passed && states.every(({ state }) => state === 'completed');
}
