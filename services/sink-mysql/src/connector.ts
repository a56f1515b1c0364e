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
import { closeSession } from '@millrace/mysql/connect.js';
import { type ConnectionSettings, parseConnectionUrl } from '@millrace/mysql/connection-url.js';
import type { Connection } from 'mysql2/promise';
import { assessTarget } from './assess.js';
import { takeOver } from './claim.js';
import { writeLetter } from './dead-letter.js';
import { finishTable } from './finish-load.js';
import { GroupApplier } from './group-applier.js';
import { copyChunk, type RefusedRow } from './load.js';
import { definingTables, markSession } from './named-locks.js';
import { targetError } from './server-failure.js';
import { openSinkSession, type SessionPurpose, type SinkSession } from './session.js';
import { SessionPool } from './session-pool.js';
import { TaskState } from './state.js';
import { prepareForLoad } from './table-preparation.js';
import { findTable } from './target-catalog.js';
import { targetSchema } from './target-schema.js';
import { inTransaction } from './transaction.js';
import { type WritePlan, writePlanOf } from './write-plan.js';

/** Chunks are loaded on connections of their own, this many at once. */
const LOAD_SESSIONS = 4;
/** Everything beside: a chunk whose rows have stopped coming keeps its session until a table's preparation or another record ends it. */
const OTHER_SESSIONS = 3;
/** An older sink's definition was waited for at the claim: what is waited for now is one of this sink's own. */
const DEFINING_WAIT_S = 600;

/** A MySQL (8.0 and later) or MariaDB (10.5 and later) server as a target. @throws MillraceError ENDPOINT_URL_INVALID */
export function createMysqlSink(settings: SinkSettings): SinkWriter {
  return new MysqlSink(settings, parseConnectionUrl(settings.url, 'target'));
}

class MysqlSink implements SinkWriter {
  readonly guarantee: SinkGuarantee = 'transactional';
  readonly encodings: readonly ChunkEncoding[] = ['rows'];
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
    this.#others = new SessionPool(OTHER_SESSIONS, () => this.#openSession('alter'));
  }

  assess(tables: readonly TableSchema[], preparation: TablePreparation): Promise<readonly Finding[]> {
    return this.#briefly('assess', (session) => assessTarget(session, tables, preparation));
  }

  inspect(): Promise<SinkState> {
    return this.#briefly('inspect', ({ connection }) => this.#state.read(connection));
  }

  async open(definition: string, claimant?: Claimant): Promise<SinkState> {
    const session = await this.#openSession('claim');
    this.#session = session;
    const { connection } = session;
    return this.#doing('claiming the task', async () => {
      this.#generation = await takeOver(connection, {
        task: this.#settings.task,
        definition,
        ...(claimant === undefined ? {} : { claimant }),
      });
      await markSession(connection, this.#settings.task, this.#generation);
      const stored = await this.#state.checkpoint(connection);
      this.#applier = new GroupApplier({
        task: this.#settings.task,
        generation: this.#generation,
        policy: this.#settings.policy,
        state: this.#state,
        part: stored?.part ?? null,
        open: () => this.#openSession('apply'),
        defining: (applying, work) => this.#defining(applying, work),
        toTarget: (schema) => targetSchema(schema, session.server),
      });
      return this.#state.read(connection);
    });
  }

  checkStillInForce(): Promise<void> {
    return this.#beside('looking whether the task is still its own', ({ connection }) =>
      this.#owned(connection, async () => undefined),
    );
  }

  initialize(checkpoint: Checkpoint): Promise<void> {
    return this.#beside('writing the first checkpoint', ({ connection }) =>
      this.#state.initialize(connection, this.#generation, checkpoint),
    );
  }

  prepare(table: TableVersion, load: string, preparation: LoadPreparation): Promise<readonly number[]> {
    const { schema, table: name } = table.schema.id;
    return this.#beside(`preparing ${schema}.${name}`, async ({ connection, server }) => {
      await this.#defining(connection, () =>
        prepareForLoad({
          connection,
          state: this.#state,
          generation: this.#generation,
          table,
          target: targetSchema(table.schema, server),
          load,
          preparation,
        }),
      );
      return this.#state.chunksOf(connection, table.source, load);
    });
  }

  load(chunk: LoadChunk, signal: AbortSignal): Promise<boolean> {
    const { table } = chunk;
    return this.#loads.use((session) =>
      this.#doing(`loading chunk ${chunk.index} of ${table.schema.id.schema}.${table.schema.id.table}`, () =>
        this.#owned(session.connection, async () => {
          signal.throwIfAborted();
          const { connection } = session;
          if (!(await this.#state.markChunk(connection, table.source, chunk))) return false;
          const plan = await loadPlan(connection, table);
          const copied = await copyChunk(session, chunk, plan, (refused) => this.#refuse(session, chunk, refused));
          await this.#state.countChunk(connection, table.source, chunk, copied);
          return true;
        }),
      ),
    );
  }

  finishLoad(table: TableVersion, load: string, chunks: number): Promise<LoadedRows> {
    const { schema, table: name } = table.schema.id;
    return this.#beside(`finishing ${schema}.${name}`, async ({ connection, server }) => {
      const applied = await this.#state.chunksOf(connection, table.source, load);
      if (applied.length < chunks)
        throw new MillraceError('INTERNAL', {
          what: `${applied.length} of ${chunks} chunks are in, and the load was to be finished`,
        });
      await this.#defining(connection, () => finishTable(connection, targetSchema(table.schema, server)));
      return this.#owned(connection, () => this.#state.finishLoad(connection, table.source, load));
    });
  }

  async apply(group: TransactionGroup, signal: AbortSignal): Promise<ApplyResult> {
    if (this.#applier === undefined) throw new MillraceError('INTERNAL', { what: 'apply before open' });
    return this.#applier.apply(group, signal);
  }

  setAside(source: TableId, load: string, error: { readonly code: string; readonly message: string }): Promise<void> {
    return this.#beside('setting a table aside', async ({ connection }) => {
      await this.#owned(connection, () => this.#state.failLoad(connection, source, load, error));
      this.#applier?.forgetTables();
    });
  }

  deadLetters(limit: number): Promise<readonly DeadLetter[]> {
    return this.#beside('reading dead letters', ({ connection }) => this.#state.deadLetters(connection, limit));
  }

  deadLettersPublished(ids: readonly bigint[]): Promise<void> {
    return this.#beside('clearing dead letters', ({ connection }) => this.#state.deadLettersPublished(connection, ids));
  }

  remove(): Promise<readonly string[]> {
    return this.#briefly('remove', ({ connection }) => inTransaction(connection, () => this.#state.remove(connection)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closing = Promise.all([
      this.#loads[Symbol.asyncDispose](),
      this.#others[Symbol.asyncDispose](),
      this.#applier?.[Symbol.asyncDispose](),
      this.#session === undefined ? undefined : closeSession(this.#session.connection),
    ]);
    await closing;
    // Calls that are still open end with their sessions.
    this.#disposed.abort();
  }

  /** A session of this sink: where the task is claimed, a newer sink finds it by its mark. */
  async #openSession(purpose: SessionPurpose): Promise<SinkSession> {
    const session = await openSinkSession(this.#connection, this.#settings.task, purpose, this.#disposed.signal);
    if (this.#generation === 0n) return session;
    try {
      await markSession(session.connection, this.#settings.task, this.#generation);
      return session;
    } catch (error) {
      await closeSession(session.connection);
      throw targetError(error, 'opening a session');
    }
  }

  /** Defines tables, alone for the task and only while it is this sink's: a definition cannot be part of a transaction that fails otherwise. */
  #defining(connection: Connection, work: () => Promise<void>): Promise<void> {
    return definingTables(connection, { task: this.#settings.task, seconds: DEFINING_WAIT_S }, async () => {
      await this.#owned(connection, async () => undefined);
      await work();
    });
  }

  /** A transaction that a newer sink waits for, or ends. @throws MillraceError SINK_FENCED */
  #owned<T>(connection: Connection, work: () => Promise<T>): Promise<T> {
    return inTransaction(connection, async () => {
      await this.#state.hold(connection, this.#generation);
      return work();
    });
  }

  /** A row that the target cannot hold: the policy for data errors says whether it is kept aside or stops the load. */
  async #refuse(session: SinkSession, chunk: LoadChunk, { ordinal, after, error }: RefusedRow): Promise<void> {
    const { data } = this.#settings.policy;
    if (data === 'STOP_TASK') throw new MillraceError('LOAD_STOPPED', { reason: error.message }, { cause: error });
    if (data === 'SUSPEND_TABLE') throw error;
    const { code, message } = error;
    const { table, asOf } = chunk;
    await writeLetter(session, this.#settings.task, {
      table: table.source,
      position: asOf,
      ordinal,
      kind: 'load',
      code,
      message,
      before: null,
      after,
    });
  }

  #beside<T>(doing: string, work: (session: SinkSession) => Promise<T>): Promise<T> {
    return this.#others.use((session) => this.#doing(doing, () => work(session)));
  }

  async #briefly<T>(purpose: SessionPurpose, work: (session: SinkSession) => Promise<T>): Promise<T> {
    const session = await this.#openSession(purpose);
    try {
      return await this.#doing(purpose, () => work(session));
    } finally {
      await closeSession(session.connection);
    }
  }

  async #doing<T>(doing: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw targetError(error, doing);
    }
  }
}

/** @throws MillraceError APPLY_TABLE_CHANGED where the table that was prepared is not there any more */
async function loadPlan(connection: Connection, table: TableVersion): Promise<WritePlan> {
  const target = await findTable(connection, table.schema.id);
  const plan = target === undefined ? { missing: 'the table itself' } : writePlanOf(table, target);
  if (!('missing' in plan)) return plan;
  const { schema, table: name } = table.schema.id;
  throw new MillraceError('APPLY_TABLE_CHANGED', { table: `${schema}.${name}`, reason: `${plan.missing} is not there` });
}
