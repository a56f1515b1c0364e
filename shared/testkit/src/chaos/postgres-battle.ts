import { withClient } from '@millrace/local/postgres.js';
import pg from 'pg';
import { createPrefix, PREFIX_STEP, readPrefix } from '../checkers/prefix.js';
import { createBank } from '../demo/bank.js';
import { openPostgresBank, readSums } from '../demo/postgres-bank.js';
import { type BattleDatabase, type InvariantReader, READER_TIMEOUTS } from './battle-database.js';

/** A new database, named after the episode. */
export async function makePostgresBattle(admin: string, episode: string): Promise<BattleDatabase> {
  const database = episode.replaceAll('-', '_');
  await withClient(admin, async (client) => {
    await client.query(`CREATE DATABASE ${client.escapeIdentifier(database)}`);
  });
  const place = new URL(admin);
  place.pathname = `/${database}`;
  const url = place.href;
  return {
    engine: 'postgres',
    url,
    async createWorkload(accounts) {
      // How soon a source that is gone without a word is noticed; the default is a minute.
      await withClient(url, async (client) => {
        await client.query(`ALTER DATABASE ${client.escapeIdentifier(database)} SET wal_sender_timeout = '10s'`);
      });
      await using bank = openPostgresBank(url);
      await createBank(bank, accounts);
      await withClient(url, createPrefix);
    },
    step: PREFIX_STEP,
    transferOf: ({ account, teller, branch, amount }) => ({
      text: 'SELECT bank.transfer($1, $2, $3, $4)',
      values: [account, teller, branch, amount],
    }),
    countSteps: () =>
      withClient(url, async (client) => {
        const { rows } = await client.query<{ n: string }>('SELECT n FROM prefix.counter');
        return Number(rows[0]?.n);
      }),
    openReader: () => openReader(url),
  };
}

async function openReader(url: string): Promise<InvariantReader> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: READER_TIMEOUTS.connectMs,
    query_timeout: READER_TIMEOUTS.queryMs,
  });
  client.on('error', () => undefined);
  const end = (): Promise<void> => client.end().catch(() => undefined);
  try {
    await client.connect();
  } catch (error) {
    await end();
    throw error;
  }
  return {
    async inSnapshot(read) {
      await client.query('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY');
      try {
        await read({
          holdsFromHere: (task, tables) => holdsFromHere(client, task, tables),
          readPrefix: () => readPrefix(client),
          readSums: () => readSums(client),
        });
      } finally {
        await client.query('COMMIT');
      }
    },
    [Symbol.asyncDispose]: end,
  };
}

async function holdsFromHere(client: pg.Client, task: string, tables: number): Promise<boolean> {
  const { rows: found } = await client.query<{ there: boolean }>(
    `SELECT to_regclass('millrace.dead_letter') IS NOT NULL AS there`,
  );
  if (found[0]?.there !== true) return false;
  const { rows } = await client.query<{ holds: boolean | null }>(
    `SELECT count(*) = $2 AND bool_and(t.state = 'completed') AND max(t.as_of_key COLLATE "C") <= max(c.position_key COLLATE "C") AS holds
     FROM millrace.table_state t JOIN millrace.checkpoint c USING (task) WHERE t.task = $1`,
    [task, tables],
  );
  return rows[0]?.holds === true;
}
