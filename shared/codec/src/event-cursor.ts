import type { CommitAhead, EventCursor, EventKind, SchemaChange } from '@millrace/contract/events.js';
import type { Position } from '@millrace/contract/position.js';
import type { TableVersion } from '@millrace/contract/table.js';
import { invariant } from '@millrace/errors/millrace-error.js';
import type { BlockHeader, BlockSummary } from './block-header.js';
import { type BlockFormat, CHANGE, EVENT } from './block-schema.js';
import type { ByteReader } from './byte-reader.js';
import { positionKeyText } from './position.js';

/** What the header says about the events, for checking them against it. */
export interface EventsExpected {
  readonly format: BlockFormat;
  readonly header: BlockHeader;
  readonly summary: BlockSummary;
  readonly tables: readonly TableVersion[];
}

/**
 * Walks the events of a block with one object. At the end it has checked that the events are in order, as many as the header says,
 * and that every Commit counts its transaction's events right (in the last slice only who has read the others can).
 */
export class BlockCursor implements EventCursor {
  private kind: EventKind | undefined;
  /** Events left in the current block of the Avro array; -1 after its end. */
  private left = 0;
  /** The transaction began in an earlier block: its Commit counts events that are not here. */
  private readonly continues: boolean;
  private inTransaction: boolean;
  private transactionEvents = 0;
  private transactions = 0;
  private rows = 0;
  private schemas = 0;

  private xidStart = 0;
  private xidEnd = 0;
  private saysCommit = false;
  private aheadStart = 0;
  private aheadEnd = 0;
  /** Of the last Commit or Progress. */
  private keyStart = -1;
  private keyEnd = -1;
  private commitEvents = 0;
  /** Of the last Begin that says it, or Commit. */
  private timeHigh = 0;
  private timeLow = 0;
  private oldStart = -1;
  private oldEnd = -1;
  private newStart = -1;
  private newEnd = -1;
  private rowTable: TableVersion | undefined;
  private truncatedTables: readonly TableVersion[] = [];
  private truncateCascade = false;
  private truncateRestart = false;
  private schemaChange: SchemaChange = { kind: 'version' };

  constructor(
    private readonly reader: ByteReader,
    private readonly expected: EventsExpected,
  ) {
    const { slice } = expected.header;
    this.continues = slice !== null && slice.index > 0;
    this.inTransaction = this.continues;
  }

  get bytes(): Uint8Array {
    return this.reader.bytes;
  }

  next(): EventKind | undefined {
    const { reader } = this;
    if (this.left <= 0) {
      if (this.left < 0) return undefined;
      this.left = reader.arrayBlock();
      if (this.left === 0) {
        this.left = -1;
        this.kind = undefined;
        this.checkEnd();
        return undefined;
      }
    }
    this.left--;
    this.kind = this.readEvent(reader.int());
    return this.kind;
  }

  private readEvent(event: number): EventKind {
    switch (event) {
      case EVENT.begin:
        return this.readBegin();
      case EVENT.insert:
        this.startRow();
        this.oldStart = -1;
        this.oldEnd = -1;
        this.readAfter();
        return 'insert';
      case EVENT.update:
        this.startRow();
        this.readOptionalBefore();
        this.readAfter();
        return 'update';
      case EVENT.delete:
        this.startRow();
        this.readBefore();
        return 'delete';
      case EVENT.truncate:
        return this.readTruncate();
      case EVENT.schema:
        return this.readSchema();
      case EVENT.commit:
        return this.readCommit();
      case EVENT.progress:
        this.require(!this.inTransaction && this.expected.header.slice === null);
        this.readKey();
        return 'progress';
      default:
        throw this.reader.corrupt(`there is no event ${event}`);
    }
  }

  private readBegin(): EventKind {
    this.require(!this.inTransaction);
    this.inTransaction = true;
    this.transactionEvents = 0;
    this.reader.blob();
    this.xidStart = this.reader.blobStart;
    this.xidEnd = this.reader.blobEnd;
    this.saysCommit = this.expected.format > 1 && this.reader.optional();
    if (this.saysCommit) {
      this.reader.blob();
      this.aheadStart = this.reader.blobStart;
      this.aheadEnd = this.reader.blobEnd;
      this.readTime();
    }
    return 'begin';
  }

  private startRow(): void {
    this.require(this.inTransaction);
    this.rows++;
    this.transactionEvents++;
    this.rowTable = this.readTable();
  }

  private readTable(): TableVersion {
    const table = this.expected.tables[this.reader.int()];
    if (table === undefined) throw this.reader.corrupt('an event names a table that the header does not');
    return table;
  }

  private readOptionalBefore(): void {
    if (this.reader.optional()) {
      this.readBefore();
    } else {
      this.oldStart = -1;
      this.oldEnd = -1;
    }
  }

  private readBefore(): void {
    this.reader.blob();
    this.oldStart = this.reader.blobStart;
    this.oldEnd = this.reader.blobEnd;
  }

  private readAfter(): void {
    this.reader.blob();
    this.newStart = this.reader.blobStart;
    this.newEnd = this.reader.blobEnd;
  }

  private readTruncate(): EventKind {
    this.require(this.inTransaction);
    this.transactionEvents++;
    const tables: TableVersion[] = [];
    for (let count = this.reader.arrayBlock(); count > 0; count = this.reader.arrayBlock()) {
      for (let index = 0; index < count; index++) tables.push(this.readTable());
    }
    this.truncatedTables = tables;
    this.truncateCascade = this.reader.boolean();
    this.truncateRestart = this.reader.boolean();
    return 'truncate';
  }

  private readSchema(): EventKind {
    this.schemas++;
    this.rowTable = this.readTable();
    this.schemaChange = this.readChange();
    return 'schema';
  }

  private readChange(): SchemaChange {
    const { reader } = this;
    const change = reader.int();
    switch (change) {
      case CHANGE.version:
        return { kind: 'version' };
      case CHANGE.load:
        return { kind: 'load', load: reader.text(), reason: reader.text() };
      case CHANGE.dropped:
        return { kind: 'dropped' };
      case CHANGE.error:
        return { kind: 'error', code: reader.text(), message: reader.text() };
      default:
        throw reader.corrupt(`there is no schema change ${change}`);
    }
  }

  private readCommit(): EventKind {
    this.require(this.inTransaction);
    this.inTransaction = false;
    this.transactions++;
    this.readKey();
    this.commitEvents = this.reader.int();
    this.readTime();
    if (!this.continues && this.commitEvents !== this.transactionEvents) {
      throw this.reader.corrupt(`a transaction of ${this.commitEvents} events has ${this.transactionEvents}`);
    }
    return 'commit';
  }

  private readTime(): void {
    this.reader.long();
    this.timeHigh = this.reader.high;
    this.timeLow = this.reader.low;
  }

  private readKey(): void {
    this.reader.blob();
    this.keyStart = this.reader.blobStart;
    this.keyEnd = this.reader.blobEnd;
  }

  private require(inOrder: boolean): void {
    if (!inOrder) throw this.reader.corrupt('an event is out of order');
  }

  private checkEnd(): void {
    const { reader } = this;
    const { header, summary } = this.expected;
    reader.expectEnd();
    if (this.rows !== summary.rows || this.transactions !== summary.transactions || this.schemas !== summary.schemas) {
      throw reader.corrupt('it has not as many events as its header says');
    }
    if (this.inTransaction !== (header.slice !== null && !header.slice.last))
      throw reader.corrupt('its last transaction is cut off');
    const key = this.keyStart < 0 ? null : positionKeyText(this.bytes, this.keyStart, this.keyEnd);
    if (key !== (summary.upTo?.key ?? null)) throw reader.corrupt('its last position is not the one that its header says');
  }

  private field(has: boolean): void {
    if (!has) invariant(false, `an event of kind ${this.kind} does not have the field that was read`);
  }

  get transactionId(): string {
    this.field(this.kind === 'begin');
    return this.reader.textOf(this.xidStart, this.xidEnd);
  }

  get commitAhead(): CommitAhead | null {
    this.field(this.kind === 'begin');
    if (!this.saysCommit) return null;
    return { position: this.positionAt(this.aheadStart, this.aheadEnd), atMicros: this.time };
  }

  get table(): TableVersion {
    const { kind, rowTable } = this;
    this.field(kind === 'insert' || kind === 'update' || kind === 'delete' || kind === 'schema');
    invariant(rowTable !== undefined, 'a row has a table');
    return rowTable;
  }

  get beforeStart(): number {
    this.field(this.kind === 'update' || this.kind === 'delete');
    return this.oldStart;
  }

  get beforeEnd(): number {
    this.field(this.kind === 'update' || this.kind === 'delete');
    return this.oldEnd;
  }

  get afterStart(): number {
    this.field(this.kind === 'insert' || this.kind === 'update');
    return this.newStart;
  }

  get afterEnd(): number {
    this.field(this.kind === 'insert' || this.kind === 'update');
    return this.newEnd;
  }

  get truncated(): readonly TableVersion[] {
    this.field(this.kind === 'truncate');
    return this.truncatedTables;
  }

  get cascade(): boolean {
    this.field(this.kind === 'truncate');
    return this.truncateCascade;
  }

  get restartIdentity(): boolean {
    this.field(this.kind === 'truncate');
    return this.truncateRestart;
  }

  get change(): SchemaChange {
    this.field(this.kind === 'schema');
    return this.schemaChange;
  }

  get position(): Position {
    this.field(this.kind === 'commit' || this.kind === 'progress');
    return this.positionAt(this.keyStart, this.keyEnd);
  }

  get eventCount(): number {
    this.field(this.kind === 'commit');
    return this.commitEvents;
  }

  get committedAtMicros(): bigint {
    this.field(this.kind === 'commit');
    return this.time;
  }

  private positionAt(start: number, end: number): Position {
    const { source, timeline } = this.expected.header;
    return { source, timeline, key: positionKeyText(this.bytes, start, end) };
  }

  private get time(): bigint {
    return (BigInt(this.timeHigh) << 32n) | BigInt(this.timeLow >>> 0);
  }
}
