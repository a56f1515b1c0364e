import type { TableId } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { onAbort } from '@millrace/flow/abort.js';
import { Changes } from '@millrace/flow/changes.js';
import { closeSession, connect } from '@millrace/mysql/connect.js';
import { errorNumberOf } from '@millrace/mysql/connect-error.js';
import type { ConnectionSettings } from '@millrace/mysql/connection-url.js';
import { quoteTable } from '@millrace/mysql/quote-identifier.js';
import { queryRows } from '@millrace/mysql/server.js';
import type { Connection } from 'mysql2/promise';
import { z } from 'zod';
import { parseFileName } from './position.js';
import { queryError, RIGHTS } from './query-error.js';
import { gtidsAt, type LogEnd, readLogEnd, type SourceServer } from './server-log.js';

/** Snapshots cannot be joined later, so all sessions begin theirs at once. */
const SESSIONS = 4;
/** Without a lock the sessions agree only where nothing commits in between. */
const LOCK_FREE_TRIES = 20;
/** A table that a long query reads would otherwise hold everybody's writes up behind the lock. */
const LOCK_WAIT_SECONDS = 5;
const LOCK_TRIES = 6;

/** A session in the snapshot, lent to one reader. */
export interface Lease extends AsyncDisposable {
  readonly session: Connection;
  /** The session is free and in order: it may be lent again. Without this it ends with the lease. */
  keep(): void;
}

export interface SnapshotSessionsOptions {
  readonly connection: ConnectionSettings;
  readonly applicationName: string;
  readonly server: SourceServer;
  /** What is to be read: locked by name where the whole server cannot be. */
  readonly tables: readonly TableId[];
  readonly signal: AbortSignal;
}

/** Sessions that all see the database at one place of the log. */
export class SnapshotSessions implements AsyncDisposable {
  readonly #idle: Connection[];
  readonly #all: Set<Connection>;
  readonly #returned = new Changes();
  #closed = false;

  private constructor(
    readonly end: LogEnd,
    sessions: readonly Connection[],
  ) {
    this.#idle = [...sessions];
    this.#all = new Set(sessions);
  }

  /** @throws MillraceError SOURCE_SNAPSHOT_POSITION */
  static async open(options: SnapshotSessionsOptions): Promise<SnapshotSessions> {
    const sessions: Connection[] = [];
    try {
      for (let index = 0; index < SESSIONS; index++) sessions.push(await openSession(options));
      const end =
        (options.server.engine === 'mariadb' ? await withoutLock(sessions, options.server) : null) ??
        (await underLock(sessions, options));
      return new SnapshotSessions(end, sessions);
    } catch (cause) {
      await Promise.all(sessions.map(closeSession));
      throw queryError(cause, 'taking a snapshot');
    }
  }

  /** Lends a session, waiting for one where all are out. The signal's abort ends what the reader does with it. */
  async lease(signal: AbortSignal): Promise<Lease> {
    for (;;) {
      signal.throwIfAborted();
      if (this.#closed) throw lost('it was closed');
      if (this.#all.size === 0) throw lost('all its sessions have ended');
      const session = this.#idle.pop();
      if (session !== undefined) return this.#lend(session, signal);
      await this.#returned.wait(signal);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#returned.notify();
    await Promise.all([...this.#all].map(closeSession));
  }

  #lend(session: Connection, signal: AbortSignal): Lease {
    let usable = false;
    const link = onAbort(signal, () => session.destroy());
    return {
      session,
      keep: () => {
        usable = true;
      },
      [Symbol.asyncDispose]: async () => {
        link[Symbol.dispose]();
        if (usable && !this.#closed && !signal.aborted) this.#idle.push(session);
        else {
          this.#all.delete(session);
          session.destroy();
          await Promise.resolve();
        }
        this.#returned.notify();
      },
    };
  }
}

/** The first session of the snapshot that answers no more takes its part of the snapshot with it. */
export function lost(reason: string, cause?: unknown): MillraceError {
  return new MillraceError('SNAPSHOT_LOST', { reason }, { cause });
}

async function openSession({ connection, applicationName, server, signal }: SnapshotSessionsOptions): Promise<Connection> {
  const session = await connect(connection, {
    applicationName,
    // A reader that waits for Kafka must not be ended for it.
    settings: { net_write_timeout: '3600', wait_timeout: '86400' },
    signal,
  });
  await session.query('SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ');
  if (server.engine === 'mariadb') {
    // MariaDB keeps the lock on a table's definition behind ROLLBACK TO SAVEPOINT where the session logs. Who may not say so (BINLOG
    // ADMIN) lets the source's own DDL wait for the whole load.
    await session.query('SET SESSION sql_log_bin = 0').catch((error: unknown) => {
      if (!RIGHTS.has(errorNumberOf(error) ?? 0)) throw error;
    });
  }
  return session;
}

const placeRow = z.object({ Variable_name: z.string(), Value: z.string() });

/** MariaDB tells each snapshot's place in the log: where all are the same, the snapshot is one. Null: writes came in between each time. */
async function withoutLock(sessions: readonly Connection[], server: SourceServer): Promise<LogEnd | null> {
  for (let round = 0; round < LOCK_FREE_TRIES; round++) {
    await Promise.all(sessions.map((session) => session.query('START TRANSACTION WITH CONSISTENT SNAPSHOT')));
    const places = await Promise.all(
      sessions.map(async (session) => {
        const rows = await queryRows(session, "SHOW STATUS LIKE 'binlog_snapshot_%'", [], placeRow);
        const value = (name: string): string => rows.find(({ Variable_name: each }) => each.toLowerCase() === name)?.Value ?? '';
        return { name: value('binlog_snapshot_file'), offset: Number(value('binlog_snapshot_position')) };
      }),
    );
    const [first] = places;
    if (
      first !== undefined &&
      first.name !== '' &&
      places.every(({ name, offset }) => name === first.name && offset === first.offset)
    ) {
      const [session] = sessions;
      if (session === undefined) return null;
      return { ...parseFileName(first.name), offset: first.offset, gtids: await gtidsAt(session, server, first) };
    }
    await Promise.all(sessions.map((session) => session.query('ROLLBACK')));
  }
  return null;
}

/** Writes stand still while the sessions begin and the log's end is read: a moment, once the lock is there. */
async function underLock(sessions: readonly Connection[], options: SnapshotSessionsOptions): Promise<LogEnd> {
  const locker = await openSession(options);
  try {
    await takeLock(locker, options.tables);
    await Promise.all(sessions.map((session) => session.query('START TRANSACTION WITH CONSISTENT SNAPSHOT')));
    return await readLogEnd(locker, options.server);
  } finally {
    await locker.query('UNLOCK TABLES').catch(() => undefined);
    await closeSession(locker);
  }
}

/** Waits briefly, several times: while the lock waits, new writes wait behind it. */
async function takeLock(locker: Connection, tables: readonly TableId[]): Promise<void> {
  await locker.query(`SET SESSION lock_wait_timeout = ${LOCK_WAIT_SECONDS}`);
  let statement = 'FLUSH TABLES WITH READ LOCK';
  for (let round = 1; ; round++) {
    try {
      await locker.query(statement);
      return;
    } catch (cause) {
      const number = errorNumberOf(cause);
      const reason = cause instanceof Error ? cause.message : String(cause);
      const byName = tables.map((id) => `${quoteTable(id)} READ`).join(', ');
      if (number !== null && RIGHTS.has(number)) {
        // Who may not lock the server may lock the tables: nothing else matters to the snapshot.
        if (statement.startsWith('LOCK') || byName === '')
          throw new MillraceError('SOURCE_SNAPSHOT_POSITION', { reason }, { cause });
        statement = `LOCK TABLES ${byName}`;
      } else if (queryError(cause, 'locking').code !== 'SOURCE_TABLE_LOCKED' || round === LOCK_TRIES) throw cause;
    }
  }
}
