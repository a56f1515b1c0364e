import { tableSchemaShape } from '@millrace/codec/table-schema-shape.js';
import type { SchemaChange } from '@millrace/contract/events.js';
import type { ApplyResult, ErrorPolicy, TransactionGroup } from '@millrace/contract/sink.js';
import type { TableVersion } from '@millrace/contract/table.js';
import { assertNever } from '@millrace/errors/millrace-error.js';
import { closeSession } from '@millrace/postgres/connect.js';
import type { Client } from 'pg';
import { alterTable } from './alter.js';
import { applyGroup } from './apply.js';
import type { ApplyContext, ApplySession } from './apply-context.js';
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

  async targetTable(client: Client, version: TableVersion): Promise<TargetTable | undefined> {
    const known = this.#tables.get(version);
    if (known !== undefined) return known;
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
        await state.setState(client, version.source, 'error', { code: change.code, message: change.message });
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

  /** From the version that the target has to the one that the stream has reached; a table new to the task is made. */
  async #follow(client: Client, version: TableVersion): Promise<void> {
    const { state } = this.#options;
    const known = await state.applied(client, version.source);
    if (known === null || known.applied === null) {
      const { wasEmpty } = await prepareTable(client, version.schema, 'DO_NOTHING');
      await state.setApplied(client, version.source, version.schema);
      await state.setWasEmpty(client, version.source, wasEmpty);
    } else {
      await alterTable(client, tableSchemaShape.parse(known.applied), version.schema);
      await state.setApplied(client, version.source, version.schema);
      await state.countDdl(client, version.source);
    }
  }
}
