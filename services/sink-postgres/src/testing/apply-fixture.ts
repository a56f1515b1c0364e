import { type Change, groupOf, JournalScript } from '@millrace/apply/testing/blocks.js';
import type { JournalBlock } from '@millrace/codec/block-reader.js';
import type { SchemaChange } from '@millrace/contract/events.js';
import type { Checkpoint } from '@millrace/contract/position.js';
import type { ApplyResult, Coverage, ErrorPolicy } from '@millrace/contract/sink.js';
import type { TableId, TableVersion } from '@millrace/contract/table.js';
import { createDatabase, type TestDatabase } from '@millrace/testkit/servers.js';
import { Client } from 'pg';
import { applyGroup } from '../apply.js';
import type { ApplyContext, ApplySession } from '../apply-context.js';
import { TaskState } from '../state.js';
import { createStateSchema } from '../state-schema.js';
import { readTargetTable } from '../target-catalog.js';
import type { TargetTable } from '../target-column.js';

export const LOG_ALL: ErrorPolicy = {
  data: 'LOG_ERROR',
  insertConflict: 'LOG_ERROR',
  updateConflict: 'LOG_ERROR',
  deleteConflict: 'LOG_ERROR',
};

const SETTINGS = "SET timezone = 'UTC'; SET search_path = pg_catalog; SET jit = off; SET lock_timeout = '2s'";

/** A sink's applying side on a database of its own, with a checkpoint at the beginning of the script's journal. */
export class ApplyFixture implements ApplyContext, AsyncDisposable {
  readonly task = 'test';
  generation = 1n;
  policy: ErrorPolicy = LOG_ALL;
  triggersOff = true;
  sessions = 0;
  /** Times that changes were applied one by one instead of in bulk. */
  rowByRow = 0;
  alter: (client: Client, version: TableVersion, change: SchemaChange) => Promise<void> = async () => undefined;
  coverage: (source: TableId) => Coverage | null = () => null;
  readonly script = new JournalScript();
  readonly state = new TaskState('test');
  private applying: ApplySession | undefined;
  private tables = new WeakMap<TableVersion, TargetTable>();

  private constructor(
    readonly database: TestDatabase,
    /** For looking on. */
    readonly admin: Client,
    public url: string,
  ) {}

  static async open(): Promise<ApplyFixture> {
    const database = await createDatabase();
    const admin = new Client({ connectionString: database.url });
    admin.on('error', () => undefined);
    await admin.connect();
    await admin.query("SET timezone = 'UTC'");
    await createStateSchema(admin);
    const fixture = new ApplyFixture(database, admin, database.url);
    await fixture.state.claim(admin, 'definition');
    await fixture.state.initialize(admin, 1n, fixture.script.checkpoint);
    return fixture;
  }

  async session(signal: AbortSignal): Promise<ApplySession> {
    signal.throwIfAborted();
    if (this.applying === undefined) {
      const client = new Client({ connectionString: this.url });
      client.on('error', () => undefined);
      await client.connect();
      await client.query(SETTINGS + (this.triggersOff ? '; SET session_replication_role = replica' : ''));
      this.countRowByRow(client);
      this.applying = { client, triggersOff: this.triggersOff };
      this.sessions++;
    }
    return this.applying;
  }

  private countRowByRow(client: Client): void {
    const query = client.query.bind(client);
    const counting = (...parameters: Parameters<Client['query']>): unknown => {
      if (String(parameters[0]) === 'SAVEPOINT millrace_row') this.rowByRow++;
      return query(...parameters);
    };
    Object.assign(client, { query: counting });
  }

  async discardSession(): Promise<void> {
    const { applying } = this;
    this.applying = undefined;
    await applying?.client.end().catch(() => undefined);
  }

  async targetTable(session: () => Promise<Client>, version: TableVersion): Promise<TargetTable | undefined> {
    const known = this.tables.get(version);
    if (known !== undefined) return known;
    const client = await session();
    const table = await readTargetTable(client, version.schema.id);
    if (table === undefined) return undefined;
    const progress = await this.state.applied(client, version.source);
    const read = { ...table, suspended: progress?.state === 'error' };
    this.tables.set(version, read);
    return read;
  }

  async alterTable(client: Client, version: TableVersion, change: SchemaChange): Promise<void> {
    await this.alter(client, version, change);
    this.forgetTables();
  }

  forgetTables(): void {
    this.tables = new WeakMap();
  }

  /** Makes the target table and its state row. */
  async table(version: TableVersion, ...statements: readonly string[]): Promise<void> {
    for (const statement of statements) await this.admin.query(statement);
    await this.state.setApplied(this.admin, version.source, version.schema);
  }

  /** Applies transactions as one group. */
  async apply(...transactions: readonly (readonly Change[])[]): Promise<ApplyResult> {
    const from = this.script.checkpoint;
    const blocks = transactions.map((changes) => this.script.transaction(changes));
    return this.applyBlocks(blocks, from);
  }

  /** Applies blocks that the script wrote from `from` on. */
  applyBlocks(blocks: readonly JournalBlock[], from: Checkpoint, signal = new AbortController().signal): Promise<ApplyResult> {
    return applyGroup(
      this,
      groupOf(blocks, from, this.script.checkpoint, (source) => this.coverage(source)),
      signal,
    );
  }

  async rows(sql: string): Promise<unknown[][]> {
    const { rows } = await this.admin.query<unknown[]>({ text: sql, rowMode: 'array' });
    return rows;
  }

  async stored(): Promise<Awaited<ReturnType<TaskState['read']>>> {
    return this.state.read(this.admin);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.discardSession();
    await this.admin.end();
    await this.database[Symbol.asyncDispose]();
  }
}
