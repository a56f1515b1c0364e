import { tableSchemaShape } from '@millrace/codec/table-schema-shape.js';
import type { SinkSettings } from '@millrace/contract/endpoint.js';
import type { Finding } from '@millrace/contract/finding.js';
import type { ChunkEncoding, LoadChunk } from '@millrace/contract/load.js';
import type { Checkpoint } from '@millrace/contract/position.js';
import type {
  ApplyResult,
  DeadLetter,
  LoadedRows,
  LoadPreparation,
  SinkGuarantee,
  SinkState,
  SinkWriter,
  TablePreparation,
  TransactionGroup,
} from '@millrace/contract/sink.js';
import type { TableId, TableSchema, TableVersion } from '@millrace/contract/table.js';
import type { Claimant } from '@millrace/contract/task.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { AbortScope } from '@millrace/flow/abort.js';
import { closeSession } from '@millrace/postgres/connect.js';
import { type ConnectionSettings, parseConnectionUrl } from '@millrace/postgres/connection-url.js';
import type { Client } from 'pg';
import { alterTable } from './alter.js';
import { assessTarget } from './assess.js';
import { takeOver } from './claim.js';
import { finishTable } from './finish-load.js';
import { GroupApplier } from './group-applier.js';
import { copyChunk, type RefusedRow } from './load.js';
import { emptyTable, prepareTable } from './prepare.js';
import { openSinkSession, type SinkSession } from './session.js';
import { SessionPool } from './session-pool.js';
import { type SessionPurpose, sinkName } from './sink-name.js';
import { targetError } from './sql-state.js';
import { TaskState } from './state.js';
import { readTargetTable } from './target-catalog.js';
import { inTransaction } from './transaction.js';

/** Chunks are loaded on connections of their own, this many at once. */
const LOAD_SESSIONS = 4;
/** Everything beside: a chunk whose rows have stopped coming keeps its session until a table's preparation or another record ends it. */
const OTHER_SESSIONS = 3;

/** A PostgreSQL database (13 to 18) as a target. @throws MillraceError ENDPOINT_URL_INVALID */
export function createPostgresSink(settings: SinkSettings): SinkWriter {
  return new PostgresSink(settings, parseConnectionUrl(settings.url, 'target'));
}

class PostgresSink implements SinkWriter {
  readonly guarantee: SinkGuarantee = 'transactional';
  readonly encodings: readonly ChunkEncoding[] = ['rows', 'postgresql-copy-text'];
  readonly #settings: SinkSettings;
  readonly #connection: ConnectionSettings;
  readonly #state: TaskState;
  readonly #disposed = new AbortScope();
  readonly #loads: SessionPool;
  readonly #others: SessionPool;
  #session: SinkSession | undefined;
  #applier: GroupApplier | undefined;
  #generation = 0n;

  constructor(settings: SinkSettings, connection: ConnectionSettings) {
    this.#settings = settings;
    this.#connection = connection;
    this.#state = new TaskState(settings.task);
    this.#loads = new SessionPool(LOAD_SESSIONS, () => this.#openSession('load'));
    this.#others = new SessionPool(OTHER_SESSIONS, () => this.#openSession('load'));
  }

  assess(tables: readonly TableSchema[], preparation: TablePreparation): Promise<readonly Finding[]> {
    return this.#briefly('assess', (client) => assessTarget(client, tables, preparation));
  }

  inspect(): Promise<SinkState> {
    return this.#briefly('inspect', (client) => this.#state.read(client));
  }

  async open(definition: string, claimant?: Claimant): Promise<SinkState> {
    const session = await this.#openSession('claim');
    this.#session = session;
    return this.#doing('claiming the task', async () => {
      this.#generation = await takeOver(session.client, {
        task: this.#settings.task,
        state: this.#state,
        definition,
        ...(claimant === undefined ? {} : { claimant }),
      });
      this.#applier = new GroupApplier({
        task: this.#settings.task,
        generation: this.#generation,
        policy: this.#settings.policy,
        state: this.#state,
        open: () => this.#openSession('apply'),
        aside: (work) => this.#others.use(({ client }) => work(client)),
      });
      return this.#state.read(session.client);
    });
  }

  checkStillInForce(): Promise<void> {
    return this.#others.use((session) =>
      this.#doing('looking whether the task is still its own', () =>
        inTransaction(session.client, () => this.#state.hold(session.client, this.#generation)),
      ),
    );
  }

  initialize(checkpoint: Checkpoint): Promise<void> {
    return this.#doing('writing the first checkpoint', () =>
      this.#state.initialize(this.#client(), this.#generation, checkpoint),
    );
  }

  prepare(table: TableVersion, load: string, preparation: LoadPreparation): Promise<readonly number[]> {
    return this.#others.use((session) =>
      this.#doing(`preparing ${table.schema.id.schema}.${table.schema.id.table}`, () =>
        inTransaction(session.client, async () => {
          await this.#state.hold(session.client, this.#generation);
          const known = await this.#state.applied(session.client, table.source);
          if (known?.load !== load) throw new MillraceError('SINK_FENCED', { task: this.#settings.task });
          await this.#prepareOnce(session.client, { table, load, preparation, known });
          return this.#state.chunksOf(session.client, table.source, load);
        }),
      ),
    );
  }

  load(chunk: LoadChunk, signal: AbortSignal): Promise<boolean> {
    const { table } = chunk;
    return this.#loads.use((session) =>
      this.#doing(`loading chunk ${chunk.index} of ${table.schema.id.schema}.${table.schema.id.table}`, () =>
        inTransaction(session.client, async () => {
          signal.throwIfAborted();
          await this.#state.hold(session.client, this.#generation);
          if (!(await this.#state.markChunk(session.client, table.source, chunk))) return false;
          const { rows } = await copyChunk(session.client, chunk, (refused) => this.#refuse(session.client, chunk, refused));
          await this.#state.countChunk(session.client, table.source, chunk, rows);
          return true;
        }),
      ),
    );
  }

  finishLoad(table: TableVersion, load: string, chunks: number): Promise<LoadedRows> {
    return this.#others.use((session) =>
      this.#doing(`finishing ${table.schema.id.schema}.${table.schema.id.table}`, () =>
        inTransaction(session.client, async () => {
          await this.#state.hold(session.client, this.#generation);
          const applied = await this.#state.chunksOf(session.client, table.source, load);
          if (applied.length < chunks)
            throw new MillraceError('INTERNAL', {
              what: `${applied.length} of ${chunks} chunks are in, and the load was to be finished`,
            });
          await finishTable(session.client, table.schema);
          return this.#state.finishLoad(session.client, table.source, load);
        }),
      ),
    );
  }

  async apply(group: TransactionGroup, signal: AbortSignal): Promise<ApplyResult> {
    if (this.#applier === undefined) throw new MillraceError('INTERNAL', { what: 'apply before open' });
    return this.#applier.apply(group, signal);
  }

  setAside(source: TableId, load: string, error: { readonly code: string; readonly message: string }): Promise<void> {
    return this.#others.use((session) =>
      this.#doing('setting a table aside', async () => {
        await inTransaction(session.client, async () => {
          await this.#state.hold(session.client, this.#generation);
          await this.#state.failLoad(session.client, source, load, error);
        });
        this.#applier?.forgetTables();
      }),
    );
  }

  deadLetters(limit: number): Promise<readonly DeadLetter[]> {
    return this.#others.use((session) =>
      this.#doing('reading dead letters', () => this.#state.deadLetters(session.client, limit)),
    );
  }

  deadLettersPublished(ids: readonly bigint[]): Promise<void> {
    return this.#others.use((session) =>
      this.#doing('clearing dead letters', () => this.#state.deadLettersPublished(session.client, ids)),
    );
  }

  remove(): Promise<readonly string[]> {
    return this.#briefly('remove', (client) => inTransaction(client, () => this.#state.remove(client)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([
      this.#loads[Symbol.asyncDispose](),
      this.#others[Symbol.asyncDispose](),
      this.#applier?.[Symbol.asyncDispose](),
      this.#session === undefined ? undefined : closeSession(this.#session.client),
    ]);
    // Calls that are still open end with their sessions.
    this.#disposed.abort();
  }

  #openSession(purpose: SessionPurpose): Promise<SinkSession> {
    return openSinkSession(this.#connection, this.#applicationName(purpose), this.#disposed.signal);
  }

  /** Makes the table ready, unless this load's attempt found it so; a later attempt begins with an empty table. */
  async #prepareOnce(
    client: Client,
    {
      table,
      load,
      preparation,
      known,
    }: {
      readonly table: TableVersion;
      readonly load: string;
      readonly preparation: LoadPreparation;
      readonly known: NonNullable<Awaited<ReturnType<TaskState['applied']>>>;
    },
  ): Promise<void> {
    if (known.preparedAttempt === 0 && known.applied !== null) {
      // Loaded before: what it has is ours, and comes again; unless rows were there that are not.
      if (!known.wasEmpty && preparation.preparation === 'DO_NOTHING')
        throw new MillraceError('LOAD_RESTART_NOT_EMPTY', { table: `${table.schema.id.schema}.${table.schema.id.table}` });
      await this.#emptyAndAlter(client, table, known.applied);
      await this.#state.prepared(client, table.source, { load, attempt: preparation.firstAttempt, wasEmpty: true });
    } else if (known.preparedAttempt === 0) {
      const made = await prepareTable(client, table.schema, preparation.preparation);
      await this.#state.setApplied(client, table.source, table.schema);
      await this.#state.prepared(client, table.source, { load, attempt: preparation.firstAttempt, wasEmpty: made.wasEmpty });
    } else if (known.preparedAttempt < preparation.firstAttempt) {
      if (!known.wasEmpty)
        throw new MillraceError('LOAD_RESTART_NOT_EMPTY', { table: `${table.schema.id.schema}.${table.schema.id.table}` });
      await this.#state.waitForChunks(client, table.source);
      await this.#emptyAndAlter(client, table, known.applied);
      await this.#state.forgetChunks(client, table.source);
      await this.#state.prepared(client, table.source, { load, attempt: preparation.firstAttempt, wasEmpty: true });
    }
  }

  /** Emptied first: casts of a retyped column need not bear rows that are about to go. */
  async #emptyAndAlter(client: Client, table: TableVersion, recorded: unknown): Promise<void> {
    const applied = tableSchemaShape.parse(recorded);
    if ((await readTargetTable(client, applied.id)) !== undefined) await emptyTable(client, applied);
    await alterTable(client, applied, table.schema, (work) => this.#others.use((other) => work(other.client)));
    await this.#state.setApplied(client, table.source, table.schema);
  }

  /** A row that the target cannot hold: the policy for data errors says whether it is kept aside or stops the load. */
  async #refuse(client: Client, chunk: LoadChunk, { ordinal, after, error }: RefusedRow): Promise<void> {
    const { data } = this.#settings.policy;
    if (data === 'STOP_TASK') throw new MillraceError('LOAD_STOPPED', { reason: error.message }, { cause: error });
    if (data === 'SUSPEND_TABLE') throw error;
    await this.#state.keepLoadedRow(client, chunk, { ordinal, after, code: error.code, message: error.message });
  }

  #client(): Client {
    if (this.#session === undefined) throw new MillraceError('INTERNAL', { what: 'the sink is not open' });
    return this.#session.client;
  }

  async #briefly<T>(purpose: SessionPurpose, work: (client: Client) => Promise<T>): Promise<T> {
    const { client } = await this.#openSession(purpose);
    try {
      return await this.#doing(purpose, () => work(client));
    } finally {
      await closeSession(client);
    }
  }

  async #doing<T>(doing: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw targetError(error, doing);
    }
  }

  /** A newer sink finds the backends of older ones by this name. */
  #applicationName(purpose: SessionPurpose): string {
    return sinkName(this.#settings.task, this.#generation, purpose);
  }
}
