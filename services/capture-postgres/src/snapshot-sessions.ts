import { MillraceError } from '@millrace/errors/millrace-error.js';
import { onAbort } from '@millrace/flow/abort.js';
import { Changes } from '@millrace/flow/changes.js';
import { closeSession } from '@millrace/postgres/connect.js';
import { sqlStateOf } from '@millrace/postgres/connect-error.js';
import type { ConnectionSettings } from '@millrace/postgres/connection-url.js';
import { quoteLiteral } from '@millrace/postgres/quote-identifier.js';
import type { Client } from 'pg';
import { queryError } from './query-error.js';
import { openSession } from './session.js';

/** How long the session that holds the snapshot may take to answer before it counts as gone. */
const HOLDER_ANSWER_MS = 10_000;

export interface SnapshotSessionsOptions {
  readonly connection: ConnectionSettings;
  readonly applicationName: string;
  readonly snapshotName: string;
  /** Most sessions that read at once; further readers wait for one. */
  readonly maxSessions: number;
  /** Its abort ends every session at once. */
  readonly signal: AbortSignal;
}

/** A session inside the snapshot, lent to one reader. */
export interface Lease extends AsyncDisposable {
  readonly client: Client;
  /** The session is free and in order: it may be lent again. Without this it ends with the lease. */
  keep(): void;
}

/**
 * Sessions that all see one exported snapshot. The first imports it and exports it anew, and then only holds it; the readers import
 * from there. A further session, outside of the snapshot, sees the catalogue as it is now.
 */
export class SnapshotSessions implements AsyncDisposable {
  readonly #idle: Client[] = [];
  readonly #all = new Set<Client>();
  readonly #returned = new Changes();
  #lent = 0;
  #closed = false;
  #holderGone = false;
  #asking: Promise<boolean> | undefined;
  #outside: Promise<Client> | undefined;
  #outsideTurn: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly options: SnapshotSessionsOptions,
    private readonly holder: Client,
    private readonly name: string,
  ) {
    holder.on('end', () => {
      this.#holderGone = true;
    });
  }

  /** @throws MillraceError SNAPSHOT_LOST where the exporting session is gone already. */
  static async open(options: SnapshotSessionsOptions): Promise<SnapshotSessions> {
    const holder = await openInSnapshot(options, options.snapshotName);
    try {
      const { rows } = await holder.query<{ readonly name: string }>('SELECT pg_export_snapshot() AS name');
      return new SnapshotSessions(options, holder, rows[0]?.name ?? '');
    } catch (cause) {
      await closeSession(holder);
      throw queryError(cause, 'exporting the snapshot again');
    }
  }

  /** Lends a session, waiting for one where the most are out. The signal's abort ends what the reader does with it. */
  async lease(signal: AbortSignal): Promise<Lease> {
    while (this.#lent >= this.options.maxSessions && !this.#closed && !signal.aborted) await this.#returned.wait(signal);
    signal.throwIfAborted();
    if (this.#closed) throw lost('it was closed');
    this.#lent += 1;
    try {
      return this.#lend(this.#idle.pop() ?? (await this.#openReader()), signal);
    } catch (cause) {
      this.#giveBack();
      signal.throwIfAborted();
      throw await this.explain(cause, 'joining the snapshot');
    }
  }

  /** Runs queries one after the other outside of the snapshot: they see the catalogue as it is now. */
  async outside<T>(run: (client: Client) => Promise<T>): Promise<T> {
    const turn = this.#outsideTurn.then(async () => {
      this.#outside ??= this.#openOutside();
      try {
        return await run(await this.#outside);
      } catch (cause) {
        // A lost session is replaced at the next call.
        const broken = this.#outside;
        this.#outside = undefined;
        await broken.then(closeSession, () => undefined);
        throw cause;
      }
    });
    this.#outsideTurn = turn.catch(() => undefined);
    return await turn;
  }

  /** The error of a failed read: SNAPSHOT_LOST where the snapshot can no longer be joined, else what happened to this session. */
  async explain(cause: unknown, doing: string): Promise<unknown> {
    const error = queryError(cause, doing);
    if (error.code !== 'SOURCE_CONNECTION_LOST') return error;
    return (await this.#holderAnswers()) ? error : new MillraceError('SNAPSHOT_LOST', { reason: error.message }, { cause });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#returned.notify();
    const outside = this.#outside === undefined ? [] : [this.#outside.then(closeSession, () => undefined)];
    await Promise.all([closeSession(this.holder), ...[...this.#all].map(closeSession), ...outside]);
  }

  async #holderAnswers(): Promise<boolean> {
    if (this.#holderGone) return false;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(false), HOLDER_ANSWER_MS);
    });
    // One question at a time: readers that fail together share its answer.
    this.#asking ??= this.holder
      .query('SELECT 1')
      .then(
        () => true,
        () => false,
      )
      .finally(() => {
        this.#asking = undefined;
      });
    try {
      return await Promise.race([this.#asking, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  #openOutside(): Promise<Client> {
    const { connection, applicationName, signal } = this.options;
    return openSession(connection, { applicationName, signal });
  }

  async #openReader(): Promise<Client> {
    const client = await openInSnapshot(this.options, this.name);
    if (this.#closed) {
      await closeSession(client);
      throw lost('it was closed');
    }
    this.#all.add(client);
    return client;
  }

  #lend(client: Client, signal: AbortSignal): Lease {
    let usable = false;
    const link = onAbort(signal, () => void client.connection.stream.destroy());
    return {
      client,
      keep: () => {
        usable = true;
      },
      [Symbol.asyncDispose]: async () => {
        link[Symbol.dispose]();
        if (usable && !this.#closed && client.getTransactionStatus() === 'T' && client.connection.stream.writable) {
          this.#idle.push(client);
        } else {
          this.#all.delete(client);
          await closeSession(client);
        }
        this.#giveBack();
      },
    };
  }

  #giveBack(): void {
    this.#lent -= 1;
    this.#returned.notify();
  }
}

async function openInSnapshot(options: SnapshotSessionsOptions, name: string): Promise<Client> {
  const client = await openSession(options.connection, { applicationName: options.applicationName, signal: options.signal });
  try {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    await client.query(`SET TRANSACTION SNAPSHOT ${quoteLiteral(name)}`);
    return client;
  } catch (cause) {
    await closeSession(client);
    // 22023: no file of that name; 42704 from PostgreSQL 17 on; 55000: the exporting transaction has ended.
    if (['22023', '42704', '55000'].includes(sqlStateOf(cause) ?? ''))
      throw lost(cause instanceof Error ? cause.message : 'unknown', cause);
    throw queryError(cause, 'joining the snapshot');
  }
}

function lost(reason: string, cause?: unknown): MillraceError {
  return new MillraceError('SNAPSHOT_LOST', { reason }, { cause });
}
