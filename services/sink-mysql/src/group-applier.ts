import type { JournalPlace } from '@millrace/apply/change-log.js';
import { tableSchemaShape } from '@millrace/codec/table-schema-shape.js';
import type { SchemaChange } from '@millrace/contract/events.js';
import type { ApplyResult, ErrorPolicy, TransactionGroup } from '@millrace/contract/sink.js';
import type { TableSchema, TableVersion } from '@millrace/contract/table.js';
import { assertNever, MillraceError } from '@millrace/errors/millrace-error.js';
import { closeSession } from '@millrace/mysql/connect.js';
import type { Connection } from 'mysql2/promise';
import { alterTable, type Intent, needsAltering, parseIntent } from './alter.js';
import { applyGroup } from './apply.js';
import type { ApplyContext, Definition, KnownTarget } from './apply-context.js';
import { createWhole, dropTable, refuseIncompatible } from './prepare.js';
import type { SinkSession } from './session.js';
import type { TableError, TaskState } from './state.js';
import { findTable, isEmpty, readTargetTable } from './target-catalog.js';

export interface GroupApplierOptions {
  readonly task: string;
  readonly generation: bigint;
  readonly policy: ErrorPolicy;
  readonly state: TaskState;
  readonly part: JournalPlace | null;
  readonly open: () => Promise<SinkSession>;
  /** Runs work that defines tables: alone for the task, and only while the task is this sink's. */
  readonly defining: (connection: Connection, work: () => Promise<void>) => Promise<void>;
  /** What a source's table becomes in this target. @throws MillraceError */
  readonly toTarget: (schema: TableSchema) => TableSchema;
}

/** The session that groups are applied in, and what is known of the target's tables within it. */
export class GroupApplier implements ApplyContext, AsyncDisposable {
  readonly task: string;
  readonly generation: bigint;
  readonly policy: ErrorPolicy;
  readonly state: TaskState;
  part: JournalPlace | null;
  readonly #options: GroupApplierOptions;
  #session: SinkSession | undefined;
  #tables = new WeakMap<TableVersion, KnownTarget>();
  /** Versions that the target cannot follow, from their definition until it is recorded. */
  readonly #failures = new WeakMap<TableVersion, TableError>();

  constructor(options: GroupApplierOptions) {
    this.#options = options;
    this.task = options.task;
    this.generation = options.generation;
    this.policy = options.policy;
    this.state = options.state;
    this.part = options.part;
  }

  apply(group: TransactionGroup, signal: AbortSignal): Promise<ApplyResult> {
    return applyGroup(this, group, signal);
  }

  async session(signal: AbortSignal): Promise<SinkSession> {
    signal.throwIfAborted();
    this.#session ??= await this.#options.open();
    return this.#session;
  }

  async discardSession(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    this.forgetTables();
    if (session !== undefined) await closeSession(session.connection);
  }

  async targetTable(connection: Connection, version: TableVersion): Promise<KnownTarget | undefined> {
    const known = this.#tables.get(version);
    if (known !== undefined) return known;
    const table = await readTargetTable(connection, version.schema.id);
    if (table === undefined) return undefined;
    const progress = await this.state.known(connection, version.source);
    const read = { table, suspended: progress?.state === 'error' };
    this.#tables.set(version, read);
    return read;
  }

  async definitionFor(connection: Connection, version: TableVersion, change: SchemaChange): Promise<Definition | null> {
    switch (change.kind) {
      case 'version':
        return this.#tableAlone(version, null, () => this.#definitionOf(connection, version));
      case 'dropped': {
        const known = await this.state.known(connection, version.source);
        if (known === null || known.applied === null) return null;
        const applied = tableSchemaShape.parse(known.applied);
        if ((await readTargetTable(connection, applied.id)) === undefined) return null;
        return this.#definition(
          version,
          () => Promise.resolve(),
          (session) => dropTable(session, applied),
        );
      }
      case 'load':
      case 'error':
        return null;
      default:
        return assertNever(change);
    }
  }

  async record(connection: Connection, version: TableVersion, change: SchemaChange): Promise<void> {
    const { state } = this;
    const failure = this.#failures.get(version);
    this.#failures.delete(version);
    switch (change.kind) {
      case 'version':
        if (failure === undefined) await this.#tableAlone(version, undefined, () => this.#recordVersion(connection, version));
        break;
      case 'load':
        await state.awaitLoad(connection, version.source, version.schema, change.load);
        break;
      case 'dropped':
        if (failure === undefined) await state.drop(connection, version.source);
        break;
      case 'error':
        await state.failTable(connection, version, { code: change.code, message: change.message });
        break;
      default:
        assertNever(change);
    }
    const late = failure ?? this.#failures.get(version);
    this.#failures.delete(version);
    if (late !== undefined) await state.failTable(connection, version, late);
  }

  setAside(connection: Connection, version: TableVersion, error: TableError): Promise<void> {
    return this.state.failTable(connection, version, error);
  }

  forgetTables(): void {
    this.#tables = new WeakMap();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.discardSession();
  }

  /** From the version that the target has to the one that the stream has reached; a table new to the task is made. */
  async #definitionOf(connection: Connection, version: TableVersion): Promise<Definition | null> {
    const to = this.#options.toTarget(version.schema);
    const known = await this.state.known(connection, version.source);
    if (known === null || known.applied === null) {
      const present = await findTable(connection, to.id);
      if (present === undefined)
        return this.#definition(
          version,
          () => Promise.resolve(),
          async (session) => void (await createWhole(session, to)),
        );
      refuseIncompatible(to, present);
      return null;
    }
    const from = tableSchemaShape.parse(known.applied);
    const found = await needsAltering(connection, from, to);
    const recorded = parseIntent(known.intent);
    if (!found.needed && recorded === undefined) return null;
    const intent: Intent = recorded ?? found.intent;
    return this.#definition(
      version,
      async (session) => {
        await this.state.setIntent(session, version.source, intent);
        await this.state.countDdl(session, version.source);
      },
      (session) => alterTable(session, from, to, intent),
    );
  }

  #definition(version: TableVersion, announce: Definition['announce'], define: Definition['define']): Definition {
    return {
      announce,
      define: (connection) =>
        this.#options.defining(connection, () => this.#tableAlone(version, undefined, () => define(connection))),
    };
  }

  async #recordVersion(connection: Connection, version: TableVersion): Promise<void> {
    const to = this.#options.toTarget(version.schema);
    const known = await this.state.known(connection, version.source);
    if (known === null || known.applied === null)
      await this.state.setWasEmpty(connection, version.source, await isEmpty(connection, to.id));
    await this.state.setApplied(connection, version.source, to);
  }

  /** What the target cannot follow sets the table aside, alone, when it is recorded: the group and the other tables go on. */
  async #tableAlone<T>(version: TableVersion, otherwise: T, work: () => Promise<T>): Promise<T> {
    if (this.#failures.has(version)) return otherwise;
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof MillraceError) || !TABLE_ALONE.has(error.code)) throw error;
      this.#failures.set(version, { code: error.code, message: error.message });
      return otherwise;
    }
  }
}

/** Refusals that concern one table and leave the others as they were. */
const TABLE_ALONE: ReadonlySet<string> = new Set([
  'ALTER_REFUSED',
  'TARGET_TABLE_INCOMPATIBLE',
  'TARGET_NOT_A_TABLE',
  'TARGET_NOT_TRANSACTIONAL',
  'TARGET_TABLE_IN_USE',
]);
