import { waitUntil } from '@millrace/local/wait-until.js';
import mysql from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isPrefix } from '../checkers/prefix.js';
import { commitSteadily } from '../checkers/steady-load.js';
import { sumsAgree } from '../demo/bank-database.js';
import { removeFolder, scratchFolder, startMysql, startPostgres, withClient } from '../servers.js';
import type { BattleDatabase, InvariantReader } from './battle-database.js';
import { makeMysqlBattle } from './mysql-battle.js';
import { makePostgresBattle } from './postgres-battle.js';

const ACCOUNTS = 100;
/** As a sink has them in its target, in the columns that are read. */
const STATE_TABLES = [
  'CREATE TABLE millrace.checkpoint (task varchar(20) PRIMARY KEY, position_key text)',
  'CREATE TABLE millrace.table_state (task varchar(20), source_table varchar(20), state varchar(20), as_of_key text)',
  'CREATE TABLE millrace.dead_letter (id int PRIMARY KEY)',
];

describe.each(['postgres', 'mysql', 'mariadb'] as const)('an end of an episode on %s', (engine) => {
  let dir: string;
  let server: AsyncDisposable & { readonly url: string };
  let battle: BattleDatabase;
  let reader: InvariantReader;

  beforeAll(async () => {
    dir = await scratchFolder();
    const place = { dir, report: () => undefined };
    server = engine === 'postgres' ? await startPostgres(place) : await startMysql({ ...place, engine });
    battle = engine === 'postgres' ? await makePostgresBattle(server.url, 'chaos-1') : await makeMysqlBattle(engine, server.url);
    await battle.createWorkload(ACCOUNTS);
    reader = await battle.openReader();
  });

  afterAll(async () => {
    await reader[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
    await removeFolder(dir);
  });

  async function execute(...statements: readonly string[]): Promise<void> {
    if (engine === 'postgres')
      return await withClient(battle.url, async (client) => {
        for (const statement of statements) await client.query(statement);
      });
    const session = await mysql.createConnection({ uri: battle.url.replace(/^mariadb:/, 'mysql:') });
    try {
      for (const statement of statements) await session.query(statement);
    } finally {
      await session.end();
    }
  }

  async function commitSome(steps: number): Promise<void> {
    const goal = (await battle.countSteps()) + steps;
    const stop = new AbortController();
    let account = 0;
    const commit = (statement: () => BattleDatabase['step']): Promise<unknown> =>
      commitSteadily({ engine, url: battle.url, perSecond: 500, connections: 2, statement }, stop.signal);
    const running = [
      commit(() => battle.step),
      commit(() => battle.transferOf({ account: 1 + (account++ % ACCOUNTS), teller: 3, branch: 1, amount: 17 })),
    ];
    await waitUntil(async () => (await battle.countSteps()) >= goal, { what: `${steps} steps`, deadlineMs: 30_000 });
    stop.abort();
    await Promise.all(running);
  }

  async function holds(): Promise<boolean> {
    let answer = false;
    await reader.inSnapshot(async (snapshot) => {
      answer = await snapshot.holdsFromHere('t', 2);
    });
    return answer;
  }

  test('reads history and bank as one moment left them, whatever is committed meanwhile', async () => {
    await commitSome(60);
    await reader.inSnapshot(async (snapshot) => {
      const [prefix, sums] = [await snapshot.readPrefix(), await snapshot.readSums()];
      expect(prefix).toMatchObject({ differences: [] });
      expect(isPrefix(prefix)).toBe(true);
      expect(prefix.counter).toBeGreaterThanOrEqual(60);
      expect(sums.transfers).toBeGreaterThan(0n);
      expect(sumsAgree(sums)).toBe(true);
      await commitSome(5);
      expect(await snapshot.readPrefix()).toEqual(prefix);
      expect(await snapshot.readSums()).toEqual(sums);
    });
  });

  test('tells from when on the invariants hold: all tables loaded, and the checkpoint past the latest snapshot', async () => {
    expect(await holds(), 'no state tables').toBe(false);
    await execute(engine === 'postgres' ? 'CREATE SCHEMA millrace' : 'CREATE DATABASE millrace', ...STATE_TABLES);
    expect(await holds(), 'no rows').toBe(false);
    await execute(
      "INSERT INTO millrace.checkpoint VALUES ('t', NULL), ('other', 'ff')",
      "INSERT INTO millrace.table_state VALUES ('t', 'one', 'completed', '0a'), ('t', 'two', 'loading', NULL)",
    );
    expect(await holds(), 'one table still loads').toBe(false);
    await execute("UPDATE millrace.table_state SET state = 'completed', as_of_key = '0b' WHERE source_table = 'two'");
    expect(await holds(), 'nothing of the journal is applied').toBe(false);
    await execute("UPDATE millrace.checkpoint SET position_key = '0a' WHERE task = 't'");
    expect(await holds(), 'the checkpoint is before the second snapshot').toBe(false);
    await execute("UPDATE millrace.checkpoint SET position_key = '0b' WHERE task = 't'");
    expect(await holds()).toBe(true);
    await execute("INSERT INTO millrace.table_state VALUES ('t', 'three', 'error', NULL)");
    expect(await holds(), 'a table in error').toBe(false);
  });
});
