import type { Buffer } from 'node:buffer';
import type { EventWriter } from '@millrace/contract/events.js';
import { invariant, MillraceError } from '@millrace/errors/millrace-error.js';
import { LSN_ZERO, type LsnKey, laterLsn, positionAt, type SourceIdentity } from './lsn.js';
import {
  MESSAGE,
  MessageReader,
  POSTGRES_EPOCH_MICROS,
  type RelationMessage,
  readRelation,
  readTruncate,
  type TruncateMessage,
} from './pgoutput.js';
import { type RowPlan, RowTranslator } from './row-translator.js';
import { serverError } from './server-error.js';

/** What the decoder asks about the relations of the stream; schema-tracker.ts answers. */
export interface RelationPlans {
  /** The relation is as the message says from here on. */
  relation(message: RelationMessage): Promise<void> | undefined;
  /** How the relation's rows are written; null: they are not carried. */
  plan(oid: number): RowPlan | null;
  /** Truncates what stands behind the relations. `begin` is called before the first event. */
  truncate(message: TruncateMessage, begin: () => void): Promise<void> | undefined;
  /** The stream, between two transactions, holds everything below `key` and nothing behind it. */
  reached(key: LsnKey): Promise<void> | undefined;
}

/**
 * Turns the messages of the replication stream into events, in commit order: transactions at or below the place where the
 * journal ends are dropped, empty ones leave no event, keepalives become progress. One message at a time, without an object per row.
 */
export class TransactionDecoder {
  readonly #translator = new RowTranslator();
  readonly #deferred = new Map<number, RelationMessage>();
  #phase: 'between' | 'dropping' | 'open' = 'between';
  /** The open transaction's Begin event was written. */
  #begun = false;
  #transactionId = 0;
  /** Begin's "final LSN": where the commit record begins. Its end, the Commit's position, is not known yet. */
  #commitStart: LsnKey = LSN_ZERO;
  #committedAt = 0n;
  /** Position of the last Commit or Progress written. */
  #written: LsnKey;
  /** How far the source has nothing for us behind `#written`. */
  #idleUpTo: LsnKey;
  #replyRequested = false;

  constructor(
    private readonly journal: EventWriter,
    private readonly relations: RelationPlans,
    private readonly identity: SourceIdentity,
    after: LsnKey,
  ) {
    this.#written = after;
    this.#idleUpTo = after;
  }

  get written(): LsnKey {
    return this.#written;
  }

  /** True once after each keepalive that asks for an answer. */
  takeReplyRequest(): boolean {
    const requested = this.#replyRequested;
    this.#replyRequested = false;
    return requested;
  }

  /** Writes the idle position where it moved: Protocol, Capture 8. True where something was written. */
  writeProgress(): boolean {
    if (this.#phase !== 'between' || this.#idleUpTo <= this.#written) return false;
    this.#written = this.#idleUpTo;
    this.journal.progress(positionAt(this.identity, this.#written));
    return true;
  }

  /** FrameHandler of a stream. @throws MillraceError SOURCE_PROTOCOL, SOURCE_CONNECTION_LOST or what the server's error means. */
  readonly handle = (type: number, bytes: Buffer, view: DataView, start: number, end: number): Promise<void> | undefined => {
    switch (type) {
      case MESSAGE.copyData:
        return view.getUint8(start) === MESSAGE.xlogData
          ? this.#walMessage(bytes, view, start + 25, end)
          : this.#keepalive(new MessageReader(bytes, view, start, end));
      case MESSAGE.error:
        throw serverError(bytes, start, end, 'streaming changes');
      case MESSAGE.copyDone:
      case MESSAGE.commandComplete:
      case MESSAGE.readyForQuery:
        throw new MillraceError('SOURCE_CONNECTION_LOST', { doing: 'streaming changes', reason: 'the server ended the stream' });
      case MESSAGE.notice:
      case MESSAGE.parameterStatus:
        return undefined;
      default:
        throw unknown('message', type);
    }
  };

  #walMessage(bytes: Buffer, view: DataView, start: number, end: number): Promise<void> | undefined {
    const kind = view.getUint8(start);
    switch (kind) {
      case MESSAGE.insert:
      case MESSAGE.update:
      case MESSAGE.delete:
        if (this.#phase !== 'dropping') this.#row(kind, bytes, view, start + 1, end);
        return undefined;
      case MESSAGE.begin:
        return this.#begin(new MessageReader(bytes, view, start + 1, end));
      case MESSAGE.commit:
        return this.#commit(new MessageReader(bytes, view, start + 1, end));
      case MESSAGE.relation:
        return this.#relation(readRelation(new MessageReader(bytes, view, start + 1, end)));
      case MESSAGE.truncate:
        if (this.#phase === 'dropping') return undefined;
        invariant(this.#phase === 'open', 'a TRUNCATE outside of a transaction');
        return this.relations.truncate(readTruncate(new MessageReader(bytes, view, start + 1, end)), () => this.#beginOnce());
      case MESSAGE.type:
      case MESSAGE.origin:
      case MESSAGE.message:
        return undefined;
      default:
        throw unknown('change', kind);
    }
  }

  #begin(reader: MessageReader): Promise<void> | undefined {
    invariant(this.#phase === 'between', 'a transaction begins inside another');
    const commitStart = reader.lsn();
    this.#commitStart = commitStart;
    this.#committedAt = reader.int64() + POSTGRES_EPOCH_MICROS;
    this.#transactionId = reader.uint32();
    this.#begun = false;
    // A commit record that starts below a record's end also ends at or below it.
    if (commitStart < this.#written) {
      this.#phase = 'dropping';
      return undefined;
    }
    const settled = this.relations.reached(commitStart);
    this.#phase = 'open';
    return settled === undefined && this.#deferred.size === 0 ? undefined : this.#settle(settled);
  }

  /** Relations that were announced in dropped transactions count from here on: the server does not repeat them. */
  async #settle(settled: Promise<void> | undefined): Promise<void> {
    await settled;
    for (const message of this.#deferred.values()) await this.relations.relation(message);
    this.#deferred.clear();
  }

  #relation(message: RelationMessage): Promise<void> | undefined {
    if (this.#phase === 'open') return this.relations.relation(message);
    this.#deferred.set(message.oid, message);
    return undefined;
  }

  #row(kind: number, bytes: Buffer, view: DataView, start: number, end: number): void {
    invariant(this.#phase === 'open', 'a row outside of a transaction');
    const plan = this.relations.plan(view.getUint32(start));
    if (plan === null) return;
    this.#beginOnce();
    const translator = this.#translator;
    translator.read(bytes, view, end);
    const tuple = view.getUint8(start + 4);
    const old = tuple === MESSAGE.keyTuple || tuple === MESSAGE.oldTuple;
    let after: number;
    if (kind === MESSAGE.insert) {
      if (tuple !== MESSAGE.newTuple) throw unknown('tuple', tuple);
      after = translator.image(plan, this.journal.insert(plan.version), start + 5);
    } else if (kind === MESSAGE.delete) {
      if (!old) throw unknown('tuple', tuple);
      const writer = this.journal.delete(plan.version);
      after =
        tuple === MESSAGE.keyTuple ? translator.keyImage(plan, writer, start + 5) : translator.image(plan, writer, start + 5);
    } else {
      const writer = this.journal.update(plan.version, old);
      let next = start + 4;
      if (old)
        next =
          tuple === MESSAGE.keyTuple ? translator.keyImage(plan, writer, start + 5) : translator.image(plan, writer, start + 5);
      if (next >= end || view.getUint8(next) !== MESSAGE.newTuple) throw unknown('tuple', next < end ? view.getUint8(next) : 0);
      after = translator.image(plan, writer, next + 1);
    }
    if (after !== end) throw new MillraceError('SOURCE_PROTOCOL', { what: 'a row message that is longer than its row' });
  }

  #commit(reader: MessageReader): undefined {
    const dropped = this.#phase === 'dropping';
    invariant(dropped || this.#phase === 'open', 'a commit outside of a transaction');
    reader.uint8();
    reader.lsn();
    const key = reader.lsn();
    const committedAt = reader.int64() + POSTGRES_EPOCH_MICROS;
    this.#phase = 'between';
    if (dropped) {
      invariant(key <= this.#written, 'a dropped transaction ends behind the journal');
      return;
    }
    invariant(key > this.#written, 'a transaction commits at or before the one before it');
    this.#idleUpTo = key;
    if (!this.#begun) return;
    this.#written = key;
    this.journal.commit(positionAt(this.identity, key), committedAt);
  }

  #keepalive(reader: MessageReader): Promise<void> | undefined {
    const kind = reader.uint8();
    if (kind !== MESSAGE.keepalive) throw unknown('stream message', kind);
    const sentUpTo = reader.lsn();
    reader.int64();
    if (reader.uint8() === 1) this.#replyRequested = true;
    // Inside a transaction the position says nothing: the server sends one in mid-transaction, too.
    if (this.#phase !== 'between') return undefined;
    this.#idleUpTo = laterLsn(this.#idleUpTo, sentUpTo);
    return this.relations.reached(sentUpTo);
  }

  #beginOnce(): void {
    if (this.#begun) return;
    this.#begun = true;
    this.journal.begin(String(this.#transactionId), {
      position: positionAt(this.identity, this.#commitStart),
      atMicros: this.#committedAt,
    });
  }
}

function unknown(what: string, byte: number): MillraceError {
  return new MillraceError('SOURCE_PROTOCOL', { what: `an unknown ${what} "${String.fromCharCode(byte)}"` });
}
