import type { Buffer } from 'node:buffer';
import { crc32 } from 'node:zlib';
import type { CommitAhead, EventWriter } from '@millrace/contract/events.js';
import type { Position } from '@millrace/contract/position.js';
import { invariant, MillraceError } from '@millrace/errors/millrace-error.js';
import { type LoggedStatement, readStatement } from './binlog/ddl-statement.js';
import { EventReader } from './binlog/event-reader.js';
import { CHECKSUM_BYTES, EVENT, FLAG, HEADER_BYTES, rowsEventOf } from './binlog/event-types.js';
import {
  type GroupHead,
  type Gtid,
  type QueryEvent,
  readMariadbGtid,
  readMysqlGtid,
  readQuery,
  readXid,
} from './binlog/group-events.js';
import { inflatedBytes } from './binlog/inflate.js';
import { RowDecoder } from './binlog/row-decoder.js';
import type { RowPlan } from './binlog/row-plan.js';
import { tableNumber } from './binlog/table-map.js';
import { SYSTEM_DATABASES } from './catalog/list-tables.js';
import type { LogCursor } from './log-cursor.js';
import type { PacketSlice } from './packets.js';
import type { SchemaTracker } from './schema-tracker.js';

/** Row events of a server's own bookkeeping that end a statement without rows. */
const DUMMY_TABLE = 0xffffff;

export interface TransactionDecoderOptions {
  readonly journal: EventWriter;
  readonly tracker: SchemaTracker;
  readonly cursor: LogCursor;
  readonly checksums: boolean;
  /** The server stores names in lower case. */
  readonly lowerCaseNames: boolean;
}

/** Events of the binary log as journal events: whole transactions in commit order, each with the place of its end. */
export class TransactionDecoder {
  readonly #rows = new RowDecoder();
  readonly #options: TransactionDecoderOptions;
  /** What the group's first event said of it; null between groups. */
  #group: GroupHead | null = null;
  /** The group ends with an event of its own. */
  #explicit = false;
  #begun = false;
  /** The group is in the journal already. */
  #dropping = false;
  /** Key of the place that the journal was told of last. */
  #told = '';

  constructor(options: TransactionDecoderOptions) {
    this.#options = options;
  }

  /** Takes one packet of the dump: a zero byte and an event. A promise: wait for it before the next. */
  handle(packet: PacketSlice): Promise<void> | undefined {
    const { bytes, end } = packet;
    const start = packet.start + 1;
    const { cursor } = this.#options;
    if (end - start < HEADER_BYTES) throw protocol('an event without a header');
    const type = bytes.readUInt8(start + 4);
    const flags = bytes.readUInt16LE(start + 17);
    const bodyEnd = this.#checked(bytes, start, end, type);
    const body = new EventReader(bytes, start + HEADER_BYTES, bodyEnd);
    const seconds = bytes.readUInt32LE(start);
    if (type === EVENT.rotate) {
      this.#rotate(body);
      return undefined;
    }
    if (type === EVENT.heartbeat || type === EVENT.heartbeatV2) return undefined;
    if ((flags & FLAG.artificial) === 0) cursor.advance(bytes.readUInt32LE(start + 13));
    return this.#event(type, flags, { body, start, seconds, serverId: bytes.readUInt32LE(start + 5) });
  }

  /** No group of events is open. */
  get isBetween(): boolean {
    return this.#group === null;
  }

  /** The place behind the last group, where nothing of the selection came since the journal's last position; null: nothing new. */
  takeIdle(): Position | null {
    if (this.#group !== null) return null;
    const { cursor } = this.#options;
    const { key } = cursor.place();
    if (cursor.isWritten() || key <= this.#told) return null;
    this.#told = key;
    return cursor.position();
  }

  #checked(bytes: Buffer, start: number, end: number, type: number): number {
    // A format description tells its own algorithm, and has a checksum whatever that is.
    const has = this.#options.checksums || type === EVENT.formatDescription;
    if (!has) return end;
    const bodyEnd = end - CHECKSUM_BYTES;
    if (!this.#options.checksums) return bodyEnd;
    const stated = bytes.readUInt32LE(bodyEnd);
    if (crc32(bytes.subarray(start, bodyEnd)) !== stated && type !== EVENT.formatDescription)
      throw new MillraceError('SOURCE_BINLOG_CHECKSUM', { place: this.#options.cursor.describe() });
    return bodyEnd;
  }

  #event(
    type: number,
    flags: number,
    {
      body,
      start,
      seconds,
      serverId,
    }: { readonly body: EventReader; readonly start: number; readonly seconds: number; readonly serverId: number },
  ): Promise<void> | undefined {
    switch (type) {
      case EVENT.formatDescription:
        this.#options.tracker.forgetNumbers();
        return undefined;
      case EVENT.gtid:
        this.#open(readMysqlGtid(body));
        return undefined;
      case EVENT.anonymousGtid:
        this.#open({ ...readMysqlGtid(body), gtid: null });
        return undefined;
      case EVENT.mariadbGtid:
        this.#open(readMariadbGtid(body, serverId));
        return undefined;
      case EVENT.query:
        return this.#query(readQuery(body, false), seconds);
      case EVENT.mariadbQueryCompressed:
        return this.#query(readQuery(body, true), seconds);
      case EVENT.tableMap:
        return this.#tableMap(body);
      case EVENT.xid:
        this.#close(seconds);
        return undefined;
      case EVENT.xaPrepare:
        this.#xaPrepare(body, seconds);
        return undefined;
      case EVENT.stop:
      case EVENT.previousGtids:
      case EVENT.ignorable:
      case EVENT.rowsQuery:
      case EVENT.transactionContext:
      case EVENT.viewChange:
      case EVENT.mariadbAnnotateRows:
      case EVENT.mariadbBinlogCheckpoint:
      case EVENT.mariadbGtidList:
        return undefined;
      case EVENT.mariadbStartEncryption:
        return undefined;
      // Settings of a statement that follows: where that is a write, it is refused itself.
      case EVENT.intvar:
      case EVENT.rand:
      case EVENT.userVar:
        return undefined;
      case EVENT.beginLoadQuery:
      case EVENT.executeLoadQuery:
        throw statement('LOAD DATA', '?');
      default:
        return this.#rowsOrRefuse(type, flags, body, start);
    }
  }

  #rowsOrRefuse(type: number, flags: number, body: EventReader, start: number): undefined {
    const rows = rowsEventOf(type);
    if (rows !== null) {
      if (!this.#dropping) this.#rowsEvent(rows, body);
      return;
    }
    if ((flags & FLAG.ignorable) !== 0) return;
    throw refusalOf(type, body.bytes.subarray(start, start + HEADER_BYTES));
  }

  // Groups

  #open(head: GroupHead): void {
    invariant(this.#group === null, 'a group of events begins inside another');
    this.#group = head;
    this.#explicit = head.explicit;
    this.#begun = false;
    this.#dropping = this.#options.cursor.isWritten();
  }

  /** Within a group that its GTID began, or without one, where the server has none. */
  #openUnlessOpen(): void {
    if (this.#group === null) this.#open({ gtid: null, atMicros: 0n, explicit: false });
  }

  /** The group's end: its GTID counts as executed, its changes are complete. */
  #close(seconds: number): void {
    const { cursor, journal } = this.#options;
    const head = this.#group;
    if (head === null) throw protocol('the end of a transaction that did not begin');
    this.#group = null;
    if (this.#dropping) {
      this.#dropping = false;
      return;
    }
    if (head.gtid !== null) cursor.executed(head.gtid);
    if (!this.#begun) return;
    this.#begun = false;
    this.#told = cursor.place().key;
    journal.commit(cursor.position(), head.atMicros === 0n ? BigInt(seconds) * 1_000_000n : head.atMicros);
  }

  #beginOnce(): void {
    if (this.#begun) return;
    const { cursor, journal } = this.#options;
    const head = this.#group;
    if (head === null) throw protocol('a change outside of a transaction');
    this.#begun = true;
    const ahead: CommitAhead | undefined =
      head.atMicros === 0n ? undefined : { position: this.#openedAt(), atMicros: head.atMicros };
    journal.begin(head.gtid === null ? cursor.describe() : formatGtid(head.gtid), ahead);
  }

  #openedAt(): Position {
    return this.#options.cursor.place();
  }

  #query({ sql, database }: QueryEvent, seconds: number): Promise<void> | undefined {
    const read = readStatement(sql, database, this.#options.lowerCaseNames);
    switch (read.kind) {
      case 'begin':
        this.#openUnlessOpen();
        this.#explicit = true;
        return undefined;
      case 'commit':
        this.#close(seconds);
        return undefined;
      case 'rollback':
      case 'rollbackTo':
        if (this.#begun)
          throw unsupported(
            'a rollback of rows that are in the log',
            'Do not mix tables of engines without transactions with others in one transaction.',
          );
        if (read.kind === 'rollback' && this.#group !== null) this.#close(seconds);
        return undefined;
      case 'savepoint':
      case 'nothing':
        return undefined;
      case 'xa':
        this.#xa(read, seconds);
        return undefined;
      case 'write':
        // What the journal has passed was refused there, if it had to be.
        // The server's own databases are no part of any selection (RDS keeps a heartbeat there, as a statement).
        if (!this.#dropping && !isSystemDatabase(read.table?.schema)) throw statement(read.verb, database);
        if (!this.#explicit && this.#group !== null) this.#close(seconds);
        return undefined;
      default:
        return this.#schemaStatement(read, seconds);
    }
  }

  async #schemaStatement(read: LoggedStatement, seconds: number): Promise<void> {
    this.#openUnlessOpen();
    if (!this.#dropping)
      await this.#options.tracker.statement(read, (tables) => {
        this.#beginOnce();
        this.#options.journal.truncate(tables, { cascade: false, restartIdentity: true });
      });
    // CREATE TABLE … SELECT: the rows follow, and a commit.
    if (read.kind === 'create' && read.rowsFollow) this.#explicit = true;
    if (!this.#explicit) this.#close(seconds);
  }

  #tableMap(body: EventReader): Promise<void> | undefined {
    if (this.#dropping) return undefined;
    const number = tableNumber(body);
    body.skip(2);
    return this.#options.tracker.tableMap(number, body);
  }

  // XA: rows lie where a transaction was prepared; only one that holds nothing of the selection can be passed over.

  #xaPrepare(body: EventReader, seconds: number): void {
    const { onePhase, xid } = readXid(body);
    if (!onePhase && !this.#dropping) {
      if (this.#begun) throw new MillraceError('SOURCE_XA_PREPARED', { xid });
      this.#options.cursor.prepared(xid);
    }
    this.#close(seconds);
  }

  #xa({ what, xid }: Extract<LoggedStatement, { readonly kind: 'xa' }>, seconds: number): void {
    this.#openUnlessOpen();
    if (what === 'start') this.#explicit = true;
    if (what !== 'commit' && what !== 'rollback') return;
    if (!this.#dropping && !this.#options.cursor.finish(xid) && what === 'commit')
      throw new MillraceError('SOURCE_XA_PREPARED', { xid });
    this.#close(seconds);
  }

  // Rows

  #rowsEvent({ kind, version, compressed }: NonNullable<ReturnType<typeof rowsEventOf>>, body: EventReader): void {
    const number = tableNumber(body);
    body.skip(2);
    if (version === 2) body.skip(body.uint16() - 2);
    if (number === DUMMY_TABLE) return;
    const plan = this.#options.tracker.plan(number);
    if (plan === null) return;
    if (body.packed() !== plan.ops.length) throw protocol('rows of another number of columns than their TABLE_MAP event');
    requireWhole(body, plan);
    if (kind === 'update') requireWhole(body, plan);
    const { bytes, start, end } = compressed ? inflated(body) : { bytes: body.bytes, start: body.position, end: body.end };
    this.#beginOnce();
    this.#rows.read(bytes, end);
    let at = start;
    while (at < end) at = this.#row(kind, plan, at);
  }

  #row(kind: 'insert' | 'update' | 'delete', plan: RowPlan, at: number): number {
    const { journal } = this.#options;
    if (kind === 'update') {
      const writer = journal.update(plan.version, true);
      return this.#rows.image(plan, writer, this.#rows.image(plan, writer, at));
    }
    return this.#rows.image(plan, kind === 'insert' ? journal.insert(plan.version) : journal.delete(plan.version), at);
  }

  #rotate(body: EventReader): void {
    const offset = Number(body.uint64());
    this.#options.cursor.rotate(body.text(body.left), offset);
    this.#options.tracker.forgetNumbers();
  }
}

function isSystemDatabase(name: string | undefined): boolean {
  return SYSTEM_DATABASES.some((database) => database === name);
}

function formatGtid(gtid: Gtid): string {
  return gtid.engine === 'mysql' ? `${gtid.uuid}:${gtid.number}` : `${gtid.domain}-${gtid.server}-${gtid.sequence}`;
}

/** Every column is in the image, generated ones apart. */
function requireWhole(body: EventReader, { ops, version }: RowPlan): void {
  const present = body.slice((ops.length + 7) >> 3);
  for (let index = 0; index < ops.length; index++) {
    if (((present[index >> 3] ?? 0) & (1 << (index & 7))) !== 0) continue;
    const { schema, table } = version.schema.id;
    throw new MillraceError('SOURCE_ROW_IMAGE', { table: `${schema}.${table}` });
  }
}

function inflated(body: EventReader): { readonly bytes: Buffer; readonly start: number; readonly end: number } {
  const bytes = inflatedBytes(body);
  return { bytes, start: 0, end: bytes.length };
}

function refusalOf(type: number, header: Buffer): MillraceError {
  switch (type) {
    case EVENT.transactionPayload:
      return unsupported('a compressed transaction', 'SET GLOBAL binlog_transaction_compression = OFF, and in every session.');
    case EVENT.partialUpdateRows:
      return unsupported('a partial update of a JSON value', "SET GLOBAL binlog_row_value_options = '', and in every session.");
    case EVENT.incident:
      return unsupported('an incident: the server lost events', "See the server's error log for what it lost.");
    case EVENT.gtidTagged:
      return unsupported('a tagged GTID', 'Leave gtid_next at AUTOMATIC without a tag.');
    default:
      return unsupported(
        `an event of the unknown type ${type} (${header.toString('hex')})`,
        'Use a server that Millrace is made for.',
      );
  }
}

function unsupported(what: string, remedy: string): MillraceError {
  return new MillraceError('SOURCE_BINLOG_UNSUPPORTED', { what, remedy });
}

function statement(verb: string, database: string): MillraceError {
  return new MillraceError('SOURCE_BINLOG_STATEMENT', { verb, database });
}

function protocol(what: string): MillraceError {
  return new MillraceError('SOURCE_BINLOG_PROTOCOL', { what });
}
