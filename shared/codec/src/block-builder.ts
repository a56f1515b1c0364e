import type { CommitAhead, EventCursor, EventKind, RowWriter, SchemaChange, SliceHeader } from '@millrace/contract/events.js';
import type { Position } from '@millrace/contract/position.js';
import type { TableVersion } from '@millrace/contract/table.js';
import { assertNever, invariant } from '@millrace/errors/millrace-error.js';
import { type BlockHeader, encodeHeader } from './block-header.js';
import { CHANGE, EVENT } from './block-schema.js';
import { ByteWriter, lengthWidth } from './byte-writer.js';
import { sealChecksum } from './framing.js';
import { positionKeyBytes, requireSameHistory } from './position.js';
import { RowImageWriter } from './row-image-writer.js';

const INITIAL_BYTES = 64 * 1024;
/** A buffer that one large row made grow beyond this is given back when the block is sealed. */
const KEPT_BYTES = 4 * 1024 * 1024;

/** A table version's place in the open block. */
interface TableSlot {
  block: number;
  index: number;
  /** Bytes that the length before an image took last; room for as many is left before the next one. */
  lengthBytes: number;
}

/** What lies in the buffer before the last Begin. */
interface Mark {
  readonly bytes: number;
  readonly tables: number;
  readonly events: number;
  readonly rows: number;
  readonly schemas: number;
  readonly latest: bigint | null;
}

const NOTHING: Mark = { bytes: 0, tables: 0, events: 0, rows: 0, schemas: 0, latest: null };

/**
 * Collects one block's events as bytes, without an object per row. It checks that they come in the order of the contract's
 * EventWriter; when a block is cut is its user's business. A builder that begins with a row goes on with a transaction that an
 * earlier block began: it can be sealed only as a slice.
 */
export class BlockBuilder {
  private readonly out = new ByteWriter(INITIAL_BYTES);
  private readonly row = new RowImageWriter(this.out, () => this.imageEnded());
  private readonly slots = new WeakMap<TableVersion, TableSlot>();
  private lastTable: TableVersion | undefined;
  private lastSlot: TableSlot = { block: -1, index: 0, lengthBytes: 1 };
  /** Counts the blocks, so that slots of an earlier one are known as such. */
  private block = 0;
  private tables: TableVersion[] = [];

  private events = 0;
  private rows = 0;
  private schemas = 0;
  private transactions = 0;
  private begins = 0;
  private beforeBegin = NOTHING;
  /** Position of the last Commit or Progress. */
  private upTo: Position | null = null;
  /** Any position in the block: all are of one history. */
  private lastPosition: Position | null = null;
  private latest: bigint | null = null;
  private holdsProgress = false;

  /** Where the last event left off; 'unknown' while only Schema events, which may come anywhere, are there. */
  private place: 'unknown' | 'inside' | 'outside' = 'unknown';
  /** The block goes on with a transaction that an earlier one began. */
  private continues = false;
  /** Row and truncate events of the open transaction that lie in this block. */
  private transactionEvents = 0;

  /** Images still to come of the open row event; 0 where none is open. */
  private images = 0;
  private imageStart = 0;

  /** Bytes of the events; the header adds about 100, and 40 for each table. */
  get byteLength(): number {
    return this.out.length;
  }

  /** Row events. */
  get rowCount(): number {
    return this.rows;
  }

  /** Commits. */
  get transactionCount(): number {
    return this.transactions;
  }

  get schemaCount(): number {
    return this.schemas;
  }

  get isEmpty(): boolean {
    return this.events === 0;
  }

  /** In the order in which events refer to them. */
  get tableVersions(): readonly TableVersion[] {
    return this.tables;
  }

  /** Latest commit time, in microseconds since 1970, that a Begin in the block says; null: none says one. */
  get latestCommitMicros(): bigint | null {
    return this.latest;
  }

  /** Whether events lie before the open transaction's Begin: what `splitAtLastBegin` would leave here. */
  get holdsWhole(): boolean {
    return this.begins > 0 && this.beforeBegin.events > 0;
  }

  begin(transactionId: string, commit?: CommitAhead): void {
    this.expect(this.place !== 'inside' && !this.continues, 'begin');
    const { out, tables, events, rows, schemas, latest } = this;
    this.beforeBegin = { bytes: out.length, tables: tables.length, events, rows, schemas, latest };
    this.startEvent(EVENT.begin);
    out.text(transactionId);
    out.int(commit === undefined ? 0 : 1);
    if (commit !== undefined) {
      this.positionKey(commit.position);
      out.long(commit.atMicros);
      if (this.latest === null || commit.atMicros > this.latest) this.latest = commit.atMicros;
    }
    this.place = 'inside';
    this.begins++;
    this.transactionEvents = 0;
  }

  insert(table: TableVersion): RowWriter {
    this.startRow(EVENT.insert, table);
    this.images = 1;
    this.startImage();
    return this.row;
  }

  update(table: TableVersion, withBefore: boolean): RowWriter {
    this.startRow(EVENT.update, table);
    this.out.int(withBefore ? 1 : 0);
    this.images = withBefore ? 2 : 1;
    this.startImage();
    return this.row;
  }

  delete(table: TableVersion): RowWriter {
    this.startRow(EVENT.delete, table);
    this.images = 1;
    this.startImage();
    return this.row;
  }

  /** The row event that the cursor stands at, under a table version whose images have the same bytes. */
  copyRow(kind: 'insert' | 'update' | 'delete', table: TableVersion, from: EventCursor): void {
    const { out } = this;
    this.startRow(EVENT[kind], table);
    if (kind === 'update') out.int(from.beforeStart < 0 ? 0 : 1);
    if (kind !== 'insert' && from.beforeStart >= 0) out.blob(from.bytes, from.beforeStart, from.beforeEnd);
    if (kind !== 'delete') out.blob(from.bytes, from.afterStart, from.afterEnd);
    this.rows++;
    this.transactionEvents++;
  }

  truncate(tables: readonly TableVersion[], options: { readonly cascade: boolean; readonly restartIdentity: boolean }): void {
    this.goInside('truncate');
    this.startEvent(EVENT.truncate);
    this.transactionEvents++;
    if (tables.length > 0) this.out.int(tables.length);
    for (const table of tables) this.out.int(this.slotOf(table).index);
    this.out.int(0);
    this.out.boolean(options.cascade);
    this.out.boolean(options.restartIdentity);
  }

  schema(table: TableVersion, change: SchemaChange): void {
    this.expect(this.place === 'inside' || !this.continues, 'schema');
    this.startEvent(EVENT.schema);
    this.schemas++;
    this.out.int(this.slotOf(table).index);
    switch (change.kind) {
      case 'version':
        this.out.int(CHANGE.version);
        break;
      case 'load':
        this.out.int(CHANGE.load);
        this.out.text(change.load);
        this.out.text(change.reason);
        break;
      case 'dropped':
        this.out.int(CHANGE.dropped);
        break;
      case 'error':
        this.out.int(CHANGE.error);
        this.out.text(change.code);
        this.out.text(change.message);
        break;
      default:
        assertNever(change);
    }
  }

  /** `eventCount`: row and truncate events of the transaction, those of earlier slices included. */
  commit(position: Position, eventCount: number, committedAtMicros: bigint): void {
    this.goInside('commit');
    const { begins, transactionEvents } = this;
    invariant(
      begins === 0 ? eventCount >= transactionEvents : eventCount === transactionEvents,
      "a Commit counts its transaction's events",
    );
    this.startEvent(EVENT.commit);
    this.positionKey(position);
    this.upTo = position;
    this.out.int(eventCount);
    this.out.long(committedAtMicros);
    this.place = 'outside';
    this.transactions++;
  }

  progress(position: Position): void {
    this.expect(this.place !== 'inside' && !this.continues, 'progress');
    this.startEvent(EVENT.progress);
    this.positionKey(position);
    this.upTo = position;
    this.place = 'outside';
    this.holdsProgress = true;
  }

  /**
   * Moves the open transaction, from its Begin on, to an empty builder and returns that one; what stays are whole transactions.
   * The moved part keeps the whole list of tables, since its events refer to it.
   */
  splitAtLastBegin(rest: BlockBuilder): BlockBuilder {
    invariant(
      this.images === 0 && this.place === 'inside' && this.begins > 0,
      'only an open transaction that began here can be split off',
    );
    invariant(rest.isEmpty && rest !== this, 'an open transaction is split off into an empty block');
    const mark = this.beforeBegin;
    for (const table of this.tables) rest.slotOf(table);
    rest.out.raw(this.out.bytes, mark.bytes, this.out.length);
    rest.events = this.events - mark.events;
    rest.rows = this.rows - mark.rows;
    rest.schemas = this.schemas - mark.schemas;
    rest.begins = 1;
    rest.lastPosition = this.lastPosition;
    rest.latest = this.latest;
    rest.place = 'inside';
    rest.transactionEvents = this.transactionEvents;

    this.out.length = mark.bytes;
    this.tables.length = mark.tables;
    this.events = mark.events;
    this.rows = mark.rows;
    this.schemas = mark.schemas;
    this.latest = mark.latest;
    this.begins--;
    this.place = 'outside';
    this.block++;
    this.lastTable = undefined;
    return rest;
  }

  /**
   * The block's framed bytes, in a buffer of their own; the builder is empty afterwards.
   * @throws MillraceError INTERNAL where the events are not what the header's `slice` says, or there are none.
   */
  seal(header: BlockHeader, blockSchemaId: number): Uint8Array {
    this.checkSlice(header.slice);
    if (this.lastPosition !== null) requireSameHistory(this.lastPosition, { ...header, key: this.lastPosition.key });
    const { upTo, tables, transactions, rows, schemas, events, out } = this;
    const head = encodeHeader({ header, upTo, tables, transactions, rows, schemas }, blockSchemaId);
    head.int(events);
    const framed = new Uint8Array(head.length + out.length + 1);
    head.bytes.copy(framed, 0, 0, head.length);
    out.bytes.copy(framed, head.length, 0, out.length);
    sealChecksum(framed);
    this.reset();
    return framed;
  }

  /** Drops everything. */
  reset(): void {
    this.out.clear(KEPT_BYTES);
    this.tables = [];
    this.lastTable = undefined;
    this.block++;
    this.events = 0;
    this.rows = 0;
    this.schemas = 0;
    this.transactions = 0;
    this.begins = 0;
    this.beforeBegin = NOTHING;
    this.upTo = null;
    this.lastPosition = null;
    this.latest = null;
    this.holdsProgress = false;
    this.place = 'unknown';
    this.continues = false;
    this.transactionEvents = 0;
    this.images = 0;
  }

  private checkSlice(slice: SliceHeader | null): void {
    const { begins, transactions, continues } = this;
    const open = this.place === 'inside';
    invariant(this.images === 0 && this.events > 0, 'a block is sealed with events, and not in the middle of a row');
    if (slice === null) {
      invariant(!continues && !open, 'a block that is no slice holds whole transactions');
    } else if (slice.index === 0) {
      invariant(
        !continues && open && begins === 1 && transactions === 0 && !slice.last,
        'the first slice holds one Begin and no Commit',
      );
      invariant(!this.holdsProgress, 'a slice holds nothing but its transaction: split what lies before its Begin off');
    } else {
      invariant(begins === 0 && (continues || this.place === 'unknown'), 'a further slice goes on with its transaction');
      invariant(
        slice.last ? transactions === 1 : transactions === 0,
        'the last slice of a transaction, and no other, holds its Commit',
      );
    }
  }

  /** Whatever comes out of order would be read as something else. */
  private expect(allowed: boolean, event: EventKind | 'row'): void {
    if (this.images === 0 && allowed) return;
    invariant(false, `${event} is not allowed here: rows are complete, and events come in the contract's order`);
  }

  private startEvent(kind: number): void {
    this.events++;
    this.out.int(kind);
  }

  /** An event that lies in a transaction; where nothing says otherwise, in one that an earlier block began. */
  private goInside(event: EventKind | 'row'): void {
    this.expect(this.place !== 'outside', event);
    if (this.place === 'inside') return;
    this.place = 'inside';
    this.continues = true;
  }

  private startRow(kind: number, table: TableVersion): void {
    this.goInside('row');
    this.startEvent(kind);
    this.out.int(this.slotOf(table).index);
    this.row.open(table);
  }

  private slotOf(table: TableVersion): TableSlot {
    if (table === this.lastTable) return this.lastSlot;
    let slot = this.slots.get(table);
    if (slot === undefined) {
      slot = { block: -1, index: 0, lengthBytes: 1 };
      this.slots.set(table, slot);
    }
    if (slot.block !== this.block) {
      slot.block = this.block;
      slot.index = this.tables.length;
      this.tables.push(table);
    }
    this.lastTable = table;
    this.lastSlot = slot;
    return slot;
  }

  private startImage(): void {
    const room = this.lastSlot.lengthBytes;
    this.out.reserve(room);
    this.out.length += room;
    this.imageStart = this.out.length;
  }

  /** An image's length is known only now: where it takes more or fewer bytes than were left for it, the image is moved. */
  private imageEnded(): void {
    const { out, lastSlot } = this;
    if (this.images === 0) invariant(false, 'a row image ends once');
    const size = out.length - this.imageStart;
    const width = lengthWidth(size);
    const shift = width - lastSlot.lengthBytes;
    const lengthAt = this.imageStart - lastSlot.lengthBytes;
    out.reserve(5);
    if (shift !== 0) {
      out.bytes.copyWithin(this.imageStart + shift, this.imageStart, out.length);
      lastSlot.lengthBytes = width;
    }
    out.length = lengthAt;
    out.int(size);
    out.length += size;
    this.images--;
    if (this.images > 0) {
      this.row.next();
      this.startImage();
    } else {
      this.rows++;
      this.transactionEvents++;
    }
  }

  private positionKey(position: Position): void {
    if (this.lastPosition !== null) requireSameHistory(this.lastPosition, position);
    this.lastPosition = position;
    const key = positionKeyBytes(position);
    this.out.blob(key, 0, key.length);
  }
}
