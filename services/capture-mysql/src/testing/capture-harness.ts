import type { CaptureSource, TableSelector } from '@millrace/contract/capture.js';
import type { Snapshot } from '@millrace/contract/load.js';
import type { Position } from '@millrace/contract/position.js';
import type { TableSchema } from '@millrace/contract/table.js';
import { closeSession, connect } from '@millrace/mysql/connect.js';
import { parseConnectionUrl } from '@millrace/mysql/connection-url.js';
import { createMysqlDatabase, type TestDatabase, uniqueWord, waitUntil } from '@millrace/testkit/servers.js';
import type { Connection } from 'mysql2/promise';
import { createMysqlSource } from '../connector.js';
import { RecordingJournal } from './recording-journal.js';

export type Engine = 'mysql' | 'mariadb';
export const ENGINES: readonly Engine[] = ['mariadb', 'mysql'];

export interface RequestedLoad {
  readonly table: TableSchema;
  readonly reason: string;
}

/** A database with a capture on it, its journal in memory. */
export class CaptureHarness implements AsyncDisposable {
  journal = new RecordingJournal();
  readonly loads: RequestedLoad[] = [];
  /** The server that the capture connects to; null: the database's own. */
  url: string | null = null;
  /** The position that the journal began with. */
  start: Position | undefined;
  #source: CaptureSource | undefined;
  #stop = new AbortController();
  #streaming: Promise<void> = Promise.resolve();

  private constructor(
    readonly database: TestDatabase,
    readonly sql: Connection,
    readonly identity: { readonly task: string; readonly journal: string },
    readonly selector: TableSelector,
  ) {}

  /** Selects every table of the database but what the predicate takes out. */
  static async open(
    engine: Engine,
    serverUrl?: string,
    without: (table: string) => boolean = () => false,
  ): Promise<CaptureHarness> {
    const database = await createMysqlDatabase(engine, serverUrl);
    const settings = parseConnectionUrl(database.url, 'source');
    const sql = await connect(settings, {
      applicationName: 'test',
      settings: { time_zone: "'+05:30'" },
      multipleStatements: true,
    });
    const selector: TableSelector = {
      select: ({ id }) => ({ selected: id.schema === database.name && !without(id.table), explicit: false, loadOrder: 0 }),
      filter: () => null,
      assess: () => [],
    };
    return new CaptureHarness(database, sql, { task: uniqueWord(), journal: uniqueWord() }, selector);
  }

  /** First start: one version of each table; then streams. */
  async first(withSnapshot: (snapshot: Snapshot) => Promise<void> = async () => undefined): Promise<void> {
    this.#source = createMysqlSource({ url: this.url ?? this.database.url });
    const attached = await this.#source.attach(this.identity, this.selector, null);
    for (const schema of await this.#source.describe(this.selector)) await this.journal.schema(schema, { kind: 'version' });
    if (attached.snapshot !== null) await withSnapshot(attached.snapshot);
    await attached.snapshot?.[Symbol.asyncDispose]();
    this.start = attached.acknowledged;
    this.#stream(attached.acknowledged);
  }

  /** Attaches a new incarnation where the journal ends, and streams. */
  async again(position: Position | undefined = this.journal.position ?? this.start): Promise<void> {
    if (position === undefined) throw new Error('the journal is empty');
    this.#source = createMysqlSource({ url: this.url ?? this.database.url });
    await this.#source.attach(this.identity, this.selector, position);
    this.#stream(position);
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

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#streaming.catch(() => undefined);
    await this.#source?.[Symbol.asyncDispose]();
    await closeSession(this.sql);
    await this.database[Symbol.asyncDispose]();
  }

  #stream(after: Position): void {
    this.#stop = new AbortController();
    const { source, journal } = this;
    this.#streaming = source.stream(after, journal, {
      selector: this.selector,
      known: [...journal.versions.values()],
      signal: this.#stop.signal,
      needsLoad: (table, reason) => {
        this.loads.push({ table, reason });
        return `load-${this.loads.length}`;
      },
    });
    this.#streaming.catch(() => undefined);
  }
}
