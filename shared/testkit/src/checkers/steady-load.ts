import { setTimeout as delay } from 'node:timers/promises';
import type { StackEngine } from '@millrace/local/stack.js';
import mysql from 'mysql2/promise';
import pg from 'pg';

/** One whole transaction in the engine's own words: the statement commits by itself. */
export interface Statement {
  readonly text: string;
  readonly values: readonly (string | number)[];
}

export interface SteadyLoad {
  readonly engine: StackEngine;
  readonly url: string;
  readonly perSecond: number;
  readonly connections: number;
  readonly statement: () => Statement;
}

export interface LoadTally {
  committed: number;
  /** The connection was lost before the server's answer: the transaction may have committed or not. */
  unknown: number;
}

const RECONNECT_AFTER_MS = 200;
const CONNECT_TIMEOUT_MS = 5_000;
const STATEMENT_TIMEOUT_MS = 20_000;

/** Commits transactions at a steady rate until the signal, over crashes and restarts of the server. Resolves with what was committed. */
export async function commitSteadily(load: SteadyLoad, signal: AbortSignal): Promise<LoadTally> {
  const tally: LoadTally = { committed: 0, unknown: 0 };
  await Promise.all(Array.from({ length: load.connections }, () => connection(load, tally, signal)));
  return tally;
}

async function connection(load: SteadyLoad, tally: LoadTally, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      await using session = await (load.engine === 'postgres' ? openPostgres(load.url) : openMysql(load.url));
      await commitAll(session, load, tally, signal);
    } catch {
      await delay(RECONNECT_AFTER_MS, undefined, { signal }).catch(() => undefined);
    }
  }
}

interface Session extends AsyncDisposable {
  commit(statement: Statement): Promise<unknown>;
}

async function commitAll(session: Session, load: SteadyLoad, tally: LoadTally, signal: AbortSignal): Promise<void> {
  const everyMs = (1_000 * load.connections) / load.perSecond;
  for (let next = performance.now(); !signal.aborted; next = Math.max(next + everyMs, performance.now() - everyMs)) {
    const waitMs = next - performance.now();
    if (waitMs > 0) await delay(waitMs, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    const statement = load.statement();
    try {
      await session.commit(statement);
    } catch (error) {
      tally.unknown += 1;
      throw error;
    }
    tally.committed += 1;
  }
}

async function openPostgres(url: string): Promise<Session> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: STATEMENT_TIMEOUT_MS,
  });
  client.on('error', () => undefined);
  const end = (): Promise<void> => client.end().catch(() => undefined);
  try {
    await client.connect();
  } catch (error) {
    await end();
    throw error;
  }
  return { commit: ({ text, values }) => client.query({ text, values: [...values] }), [Symbol.asyncDispose]: end };
}

async function openMysql(url: string): Promise<Session> {
  const session = await mysql.createConnection({
    uri: url.replace(/^mariadb:/, 'mysql:'),
    connectTimeout: CONNECT_TIMEOUT_MS,
  });
  session.on('error', () => undefined);
  return {
    commit: ({ text, values }) => session.query({ sql: text, values: [...values], timeout: STATEMENT_TIMEOUT_MS }),
    // A goodbye would wait behind a statement that a server does not answer.
    [Symbol.asyncDispose]: async () => session.destroy(),
  };
}
