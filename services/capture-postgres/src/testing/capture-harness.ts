import type { CaptureSource, TableSelector } from '@millrace/contract/capture.js';
import type { Snapshot } from '@millrace/contract/load.js';
import type { Position } from '@millrace/contract/position.js';
import type { TableSchema } from '@millrace/contract/table.js';
import { closeSession } from '@millrace/postgres/connect.js';
import { parseConnectionUrl } from '@millrace/postgres/connection-url.js';
import { createDatabase, type TestDatabase, uniqueWord, waitUntil } from '@millrace/testkit/servers.js';
import type { Client } from 'pg';
import { createPostgresSource } from '../connector.js';
import { openSession } from '../session.js';
import { RecordingJournal } from './recording-journal.js';

/** Everything of schema public, but what the predicate takes out. */
export function selectPublic(without: (table: string) => boolean = () => false): TableSelector {
  return {
    select: ({ id }) => ({ selected: id.schema === 'public' && !without(id.table), explicit: false, loadOrder: 0 }),
    filter: () => null,
    assess: () => [],
  };
}

export interface RequestedLoad {
  readonly table: TableSchema;
  readonly reason: string;
}

/** A database with a capture on it, its journal in memory. Everything that the journal holds is taken as durable, unless told otherwise. */
export class CaptureHarness implements AsyncDisposable {
  journal = new RecordingJournal();
  readonly loads: RequestedLoad[] = [];
  acknowledging = true;
  /** The role that the capture connects as; null: the superuser. */
  user: string | null = null;
  /** The server of this machine that the capture connects to; null: the database's own. */
  port: number | null = null;
  /** The position that the journal began with. */
  start: Position | undefined;
  #source: CaptureSource | undefined;
  #stop = new AbortController();
  #streaming: Promise<void> = Promise.resolve();

  private constructor(
    readonly database: TestDatabase,
    readonly sql: Client,
    readonly identity: { readonly task: string; readonly journal: string },
    readonly selector: TableSelector,
  ) {}

  static async open(selector: TableSelector = selectPublic(), serverUrl?: string): Promise<CaptureHarness> {
    const database = await createDatabase(serverUrl);
    const sql = await openSession(parseConnectionUrl(database.url, 'source'), { applicationName: 'test' });
    await sql.query(`SET search_path = public; SET TimeZone = 'Asia/Kolkata'; SET DateStyle = 'SQL, DMY'`);
    return new CaptureHarness(database, sql, { task: uniqueWord(), journal: uniqueWord() }, selector);
  }

  /** First start: slot, publication, one version of each table; then streams. */
  async first(withSnapshot: (snapshot: Snapshot) => Promise<void> = async () => undefined): Promise<void> {
    this.#source = createPostgresSource({ url: this.#url(), publication: null });
    const attached = await this.#source.attach(this.identity, this.selector, null);
    if (attached.snapshot !== null) await withSnapshot(attached.snapshot);
    await attached.snapshot?.[Symbol.asyncDispose]();
    for (const schema of await this.#source.describe(this.selector)) await this.journal.schema(schema, { kind: 'version' });
    this.start = attached.acknowledged;
    this.#stream(attached.acknowledged);
  }

  /** Attaches a new incarnation where the journal ends, and streams. */
  async again(position: Position | undefined = this.journal.position ?? this.start): Promise<Position> {
    if (position === undefined) throw new Error('the journal is empty');
    this.#source = createPostgresSource({ url: this.#url(), publication: null });
    const attached = await this.#source.attach(this.identity, this.selector, position);
    this.#stream(position);
    return attached.acknowledged;
  }

  /** Another session on the same database. */
  static async secondSession(capture: CaptureHarness): Promise<AsyncDisposable & { readonly client: Client }> {
    const client = await openSession(parseConnectionUrl(capture.database.url, 'source'), { applicationName: 'test' });
    return { client, [Symbol.asyncDispose]: () => closeSession(client) };
  }

  get source(): CaptureSource {
    if (this.#source === undefined) throw new Error('not started');
    return this.#source;
  }

  /** Ends the stream as a stop does. Rejects where it failed before. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#streaming;
    await this.#source?.[Symbol.asyncDispose]();
  }

  /** The stream's own end, by failure. */
  get ended(): Promise<void> {
    return this.#streaming;
  }

  /** Waits until the journal has passed everything that is committed now. */
  async caughtUp(): Promise<void> {
    const end = await this.source.currentPosition();
    await this.until('the journal has passed the end of the log', () => (this.journal.position?.key ?? '') >= end.key);
  }

  /** Waits for a condition on the journal; a failed stream fails it at once. */
  async until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
    const failed = this.#streaming.then(() => 'ended' as const);
    const met = waitUntil(condition, { what, deadlineMs: 20_000, everyMs: 10 }).then(() => 'met' as const);
    if ((await Promise.race([failed, met])) === 'ended') throw new Error(`the stream ended before: ${what}`);
  }

  async slot(): Promise<{ readonly confirmed: string; readonly active: boolean; readonly name: string }> {
    const { rows } = await this.sql.query<{ confirmed: string; active: boolean; name: string }>(
      `SELECT confirmed_flush_lsn::text AS confirmed, active, slot_name::text AS name FROM pg_replication_slots WHERE database = current_database() AND NOT temporary`,
    );
    const [row] = rows;
    if (row === undefined) throw new Error('there is no slot');
    return row;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#streaming.catch(() => undefined);
    await this.#source?.[Symbol.asyncDispose]();
    await closeSession(this.sql);
    await this.database[Symbol.asyncDispose]();
  }

  #url(): string {
    const url = new URL(this.database.url);
    if (this.user !== null) url.username = this.user;
    if (this.port !== null) url.port = String(this.port);
    return url.href;
  }

  #stream(after: Position): void {
    this.#stop = new AbortController();
    const { source, journal } = this;
    const acknowledge = setInterval(() => {
      if (this.acknowledging && journal.position !== undefined) source.acknowledge(journal.position);
    }, 20);
    this.#streaming = source
      .stream(after, journal, {
        selector: this.selector,
        known: [...journal.versions.values()],
        signal: this.#stop.signal,
        needsLoad: (table, reason) => {
          this.loads.push({ table, reason });
          return `load-${this.loads.length}`;
        },
      })
      .finally(() => clearInterval(acknowledge));
    this.#streaming.catch(() => undefined);
  }
}
