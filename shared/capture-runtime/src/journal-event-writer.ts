import { BlockBuilder } from '@millrace/codec/block-builder.js';
import type { CommitAhead, EventWriter, RowWriter, SchemaChange } from '@millrace/contract/events.js';
import type { Position } from '@millrace/contract/position.js';
import type { TableSchema, TableVersion } from '@millrace/contract/table.js';
import { invariant } from '@millrace/errors/millrace-error.js';
import { type Deferred, deferred } from '@millrace/flow/deferred.js';
import type { TableAtTail } from '@millrace/journal/journal-tail.js';
import type { OutgoingBlock } from '@millrace/journal/journal-writer.js';
import { inSpan } from '@millrace/telemetry/span.js';

/** A block of whole transactions goes when it holds this much, or at once when the source is idle. */
const BLOCK_BYTES = 256 * 1024;
const BLOCK_ROWS = 1_000;
/** A transaction that grows beyond this goes in slices. */
const SLICE_BYTES = 1024 * 1024;
/** The source waits while this much is queued for Kafka. */
const QUEUE_BYTES = 8 * 1024 * 1024;
/** One send carries at most this much (performance: kafkajs costs per record, the broker per request). */
const SEND_BYTES = 2 * 1024 * 1024;

export interface JournalSender {
  /** Sends blocks in order and resolves when they are in force; rejects where this incarnation is fenced or the journal is broken. */
  send(blocks: readonly OutgoingBlock[]): Promise<void>;
}

export interface EventWriterOptions {
  readonly sender: JournalSender;
  /** Registers a table version; called once per Schema event. */
  readonly register: (table: TableSchema) => Promise<TableVersion>;
  /** Called before a Schema event that names a load goes into the block: the load's request must be durable first. */
  readonly requestLoad: (version: TableVersion, load: string, reason: string) => Promise<void>;
  /** Asked for a Schema event that drops its table or sets it aside: what to do as soon as the event is in force. Null: nothing. */
  readonly cancellationOf: (version: TableVersion) => (() => Promise<void>) | null;
  /** Everything up to here is in force in the journal; the time is the last Commit's, null where a Progress came last. */
  readonly onInForce: (position: Position, committedAtMicros: bigint | null) => void;
  /** Any failure to send: the incarnation ends. */
  readonly onFailure: (error: unknown) => void;
}

interface Pending {
  readonly builder: BlockBuilder;
  readonly announces: readonly TableAtTail[];
  readonly after: Position | null;
  /** Position of the block's last Commit or Progress; null for a slice that is not the last. */
  readonly upTo: Position | null;
  readonly committedAtMicros: bigint | null;
  readonly slice: { readonly index: number; readonly last: boolean } | null;
  /** To be done when it is in force. */
  readonly cancellations: readonly (() => Promise<void>)[];
}

/**
 * The open block and its policy: when to cut, when to wait, when to send. Blocks hold whole transactions, or are slices of
 * one large transaction; one send is in flight at a time, and while it is, the next blocks gather. With nothing in flight
 * a transaction goes the moment the source has nothing more at hand, so light load waits for nobody.
 */
export class JournalEventWriter implements EventWriter {
  readonly #options: EventWriterOptions;
  readonly #spare: BlockBuilder[] = [];
  readonly #queue: Pending[] = [];
  #open = new BlockBuilder();
  /** Schema events of the open block. */
  #announces: TableAtTail[] = [];
  /** Of the Schema events since the last block that ended with a whole transaction. */
  #cancellations: (() => Promise<void>)[] = [];
  #queuedBytes = 0;
  #inTransaction = false;
  #sliceIndex = 0;
  #eventsInTransaction = 0;
  /** Position after which the open block starts. */
  #after: Position | null;
  #lastPosition: Position | null;
  #lastCommittedAtMicros: bigint | null = null;
  #sending: Promise<void> | undefined;
  #drained: Deferred | undefined;
  #failed = false;

  constructor(options: EventWriterOptions, after: Position | null) {
    this.#options = options;
    this.#after = after;
    this.#lastPosition = after;
  }

  async schema(table: TableSchema, change: SchemaChange): Promise<TableVersion> {
    const version = await this.#options.register(table);
    if (change.kind === 'load') await this.#options.requestLoad(version, change.load, change.reason);
    this.#open.schema(version, change);
    this.#announces.push({ version, change });
    if (change.kind === 'dropped' || change.kind === 'error') {
      const cancellation = this.#options.cancellationOf(version);
      if (cancellation !== null) this.#cancellations.push(cancellation);
    }
    return version;
  }

  begin(transactionId: string, commit?: CommitAhead): void {
    invariant(!this.#inTransaction, 'Begin inside a transaction');
    // A Schema event ends its block: the rows of a table that waits for its load must not share one with the event that says so.
    if (this.#open.schemaCount > 0) this.#cut(null);
    this.#open.begin(transactionId, commit);
    this.#inTransaction = true;
    this.#sliceIndex = 0;
    this.#eventsInTransaction = 0;
  }

  insert(table: TableVersion): RowWriter {
    this.#countEvent();
    return this.#open.insert(table);
  }

  update(table: TableVersion, withBefore: boolean): RowWriter {
    this.#countEvent();
    return this.#open.update(table, withBefore);
  }

  delete(table: TableVersion): RowWriter {
    this.#countEvent();
    return this.#open.delete(table);
  }

  truncate(tables: readonly TableVersion[], options: { readonly cascade: boolean; readonly restartIdentity: boolean }): void {
    this.#countEvent();
    this.#open.truncate(tables, options);
  }

  commit(position: Position, committedAtMicros: bigint): void {
    invariant(this.#inTransaction, 'Commit outside a transaction');
    this.#open.commit(position, this.#eventsInTransaction, committedAtMicros);
    this.#inTransaction = false;
    this.#lastPosition = position;
    this.#lastCommittedAtMicros = committedAtMicros;
    if (this.#sliceIndex > 0) this.#cut({ index: this.#sliceIndex, last: true });
    else if (this.#open.byteLength >= BLOCK_BYTES || this.#open.rowCount >= BLOCK_ROWS || this.#open.schemaCount > 0)
      this.#cut(null);
  }

  progress(position: Position): void {
    invariant(!this.#inTransaction, 'Progress inside a transaction');
    this.#open.progress(position);
    this.#lastPosition = position;
    this.#lastCommittedAtMicros = null;
  }

  ready(): Promise<void> | undefined {
    if (this.#queuedBytes < QUEUE_BYTES || this.#failed) return undefined;
    this.#drained ??= deferred();
    return this.#drained.promise;
  }

  flush(): void {
    if (!this.#inTransaction && !this.#open.isEmpty && this.#sending === undefined) this.#cut(null);
  }

  /** Sends what is complete and waits until it is in force; what belongs to an open transaction is dropped. */
  async close(): Promise<void> {
    if (!this.#inTransaction && !this.#open.isEmpty && !this.#failed) this.#cut(null);
    while (this.#sending !== undefined) await this.#sending;
  }

  #countEvent(): void {
    if (this.#open.byteLength >= SLICE_BYTES) this.#cutInTransaction();
    this.#eventsInTransaction += 1;
  }

  /** The open transaction is too large for one block: whole ones before it go first, then it goes in slices. */
  #cutInTransaction(): void {
    if (this.#sliceIndex === 0 && this.#open.holdsWhole) {
      const rest = this.#open.splitAtLastBegin(this.#spare.pop() ?? new BlockBuilder());
      // A block that holds whole transactions has no Schema events but in the open one: they end it.
      const announces = this.#announces.splice(0);
      const cancellations = this.#cancellations.splice(0);
      this.#cut(null);
      this.#open = rest;
      this.#announces = announces;
      this.#cancellations = cancellations;
      if (this.#open.byteLength < SLICE_BYTES) return;
    }
    this.#cut({ index: this.#sliceIndex, last: false });
    this.#sliceIndex += 1;
  }

  #cut(slice: Pending['slice']): void {
    const complete = slice === null || slice.last;
    this.#queue.push({
      builder: this.#open,
      announces: this.#announces,
      after: this.#after,
      upTo: complete ? this.#lastPosition : null,
      committedAtMicros: this.#lastCommittedAtMicros,
      slice,
      cancellations: complete ? this.#cancellations.splice(0) : [],
    });
    this.#queuedBytes += this.#open.byteLength;
    this.#open = this.#spare.pop() ?? new BlockBuilder();
    this.#announces = [];
    if (complete) this.#after = this.#lastPosition;
    this.#sending ??= this.#sendAll();
  }

  async #sendAll(): Promise<void> {
    try {
      while (this.#queue.length > 0 || this.#openIsDue()) {
        if (this.#queue.length === 0) this.#cut(null);
        await this.#sendSome();
      }
    } catch (error) {
      this.#failed = true;
      this.#options.onFailure(error);
    } finally {
      this.#sending = undefined;
      this.#drained?.resolve();
      this.#drained = undefined;
    }
  }

  #openIsDue(): boolean {
    return !this.#inTransaction && !this.#open.isEmpty;
  }

  async #sendSome(): Promise<void> {
    const batch: Pending[] = [];
    let bytes = 0;
    for (
      let next = this.#queue[0];
      next !== undefined && (batch.length === 0 || bytes + next.builder.byteLength <= SEND_BYTES);
      next = this.#queue[0]
    ) {
      batch.push(next);
      bytes += next.builder.byteLength;
      this.#queue.shift();
    }
    await inSpan('journal.send', { 'millrace.blocks': batch.length, 'millrace.bytes': bytes }, () =>
      this.#options.sender.send(batch),
    );
    this.#queuedBytes -= bytes;
    const last = batch.findLast((block) => block.upTo !== null);
    if (last?.upTo != null) this.#options.onInForce(last.upTo, last.committedAtMicros);
    for (const { cancellations } of batch) for (const cancel of cancellations) await cancel();
    for (const { builder } of batch) {
      builder.reset();
      if (this.#spare.length < 8) this.#spare.push(builder);
    }
    if (this.#drained !== undefined && this.#queuedBytes < QUEUE_BYTES / 2) {
      this.#drained.resolve();
      this.#drained = undefined;
    }
  }
}
