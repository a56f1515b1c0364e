import { tableSchemaShape } from '@millrace/codec/table-schema-shape.js';
import type { SchemaChange } from '@millrace/contract/events.js';
import type { ApplyResult, ErrorPolicy, TransactionGroup } from '@millrace/contract/sink.js';
import type { TableVersion } from '@millrace/contract/table.js';
import { assertNever, MillraceError } from '@millrace/errors/millrace-error.js';
import { closeSession } from '@millrace/postgres/connect.js';
import type { Client } from 'pg';
import { type Aside, alterTable } from './alter.js';
import { applyGroup } from './apply.js';
import type { ApplyContext, ApplySession } from './apply-context.js';
import { finishTable } from './finish-load.js';
import { prepareTable } from './prepare.js';
import type { SinkSession } from './session.js';
import type { TaskState } from './state.js';
import { readTargetTable } from './target-catalog.js';
import type { TargetTable } from './target-column.js';

export interface GroupApplierOptions {
  readonly task: string;
  readonly generation: bigint;
  readonly policy: ErrorPolicy;
  readonly state: TaskState;
  readonly open: () => Promise<SinkSession>;
  /** A second session, for what must be committed before the group is. */
  readonly aside: Aside;
}

/** The session that groups are applied in, and what is known of the target's tables within it. */
export class GroupApplier implements ApplyContext, AsyncDisposable {
  readonly task: string;
  readonly generation: bigint;
  readonly policy: ErrorPolicy;
  readonly #options: GroupApplierOptions;
  #session: SinkSession | undefined;
  #tables = new WeakMap<TableVersion, TargetTable>();

  constructor(options: GroupApplierOptions) {
    this.#options = options;
    this.task = options.task;
    this.generation = options.generation;
    this.policy = options.policy;
  }

  apply(group: TransactionGroup, signal: AbortSignal): Promise<ApplyResult> {
    return applyGroup(this, group, signal);
  }

  async session(signal: AbortSignal): Promise<ApplySession> {
    signal.throwIfAborted();
    this.#session ??= await this.#options.open();
    return this.#session;
  }

  async discardSession(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    this.forgetTables();
    if (session !== undefined) await closeSession(session.client);
  }

  async targetTable(session: () => Promise<Client>, version: TableVersion): Promise<TargetTable | undefined> {
    const known = this.#tables.get(version);
    if (known !== undefined) return known;
    const client = await session();
    const table = await readTargetTable(client, version.schema.id);
    if (table === undefined) return undefined;
    const progress = await this.#options.state.applied(client, version.source);
    const read = { ...table, suspended: progress?.state === 'error' };
    this.#tables.set(version, read);
    return read;
  }

  async alterTable(client: Client, version: TableVersion, change: SchemaChange): Promise<void> {
    const { state } = this.#options;
    switch (change.kind) {
      case 'version':
        await this.#follow(client, version);
        break;
      case 'load':
        await state.awaitLoad(client, version.source, version.schema, change.load);
        break;
      case 'dropped': {
        const known = await state.applied(client, version.source);
        if (known !== null && known.applied !== null) await alterTable(client, tableSchemaShape.parse(known.applied), null);
        await state.drop(client, version.source);
        break;
      }
      case 'error':
        await state.failTable(client, version, { code: change.code, message: change.message });
        break;
      default:
        assertNever(change);
    }
    this.forgetTables();
  }

  forgetTables(): void {
    this.#tables = new WeakMap();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.discardSession();
  }

  /** What the target cannot follow sets the table aside, alone: the group and the other tables go on. */
  async #follow(client: Client, version: TableVersion): Promise<void> {
    try {
      await this.#followOrThrow(client, version);
    } catch (error) {
      if (!(error instanceof MillraceError) || !TABLE_ALONE.has(error.code)) throw error;
      await this.#options.state.failTable(client, version, { code: error.code, message: error.message });
    }
  }

  /** From the version that the target has to the one that the stream has reached; a table new to the task is made. */
  async #followOrThrow(client: Client, version: TableVersion): Promise<void> {
    const { state, aside } = this.#options;
    const known = await state.applied(client, version.source);
    if (known === null || known.applied === null) {
      const { created, wasEmpty } = await prepareTable(client, version.schema, 'DO_NOTHING');
      if (created) await finishTable(client, version.schema);
      await state.setApplied(client, version.source, version.schema);
      await state.setWasEmpty(client, version.source, wasEmpty);
    } else {
      const { statements } = await alterTable(client, tableSchemaShape.parse(known.applied), version.schema, aside);
      await state.setApplied(client, version.source, version.schema);
      if (statements > 0) await state.countDdl(client, version.source);
    }
  }
}

/** Refusals that concern one table and leave the transaction as it was. */
const TABLE_ALONE: ReadonlySet<string> = new Set([
  'ALTER_REFUSED',
  'TARGET_TABLE_INCOMPATIBLE',
  'TARGET_NOT_A_TABLE',
  'TARGET_TABLE_IN_USE',
]);
