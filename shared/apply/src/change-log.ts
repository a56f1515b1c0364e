import { Buffer } from 'node:buffer';
import type { EventBlock, EventCursor, SchemaChange } from '@millrace/contract/events.js';
import type { Position } from '@millrace/contract/position.js';
import type { TableVersion } from '@millrace/contract/table.js';
import { assertNever, MillraceError } from '@millrace/errors/millrace-error.js';
import { IntList } from './int-list.js';

export const CHANGE = { insert: 0, update: 1, delete: 2, truncate: 3, schema: 4 } as const;

export interface Truncation {
  readonly tables: readonly TableVersion[];
  readonly restartIdentity: boolean;
}

/** A place between two events of the journal: before event number `event`, from 0, of the block at `offset`. */
export interface JournalPlace {
  readonly offset: bigint;
  readonly event: number;
}

export interface SchemaStep {
  readonly table: TableVersion;
  readonly change: SchemaChange;
  /** Right before the Schema event. */
  readonly place: JournalPlace;
}

/**
 * The changes of some blocks in source order, as columns of numbers: images stay where they are, in the blocks' bytes. A change
 * is named by its index.
 */
export class ChangeLog {
  /** One of CHANGE. */
  readonly kinds = new IntList();
  /** Index into `versions` of a row's or a schema step's table; -1 for a truncation. */
  readonly tables = new IntList();
  /** Row: index into `buffers`. Truncation, schema step: index into `truncations` or `schemaSteps`. */
  readonly sources = new IntList();
  /** Old and new image within the buffer; -1 where there is none. */
  readonly beforeStarts = new IntList();
  readonly beforeEnds = new IntList();
  readonly afterStarts = new IntList();
  readonly afterEnds = new IntList();
  /** Index into `positions`; the last transaction's position is known once its Commit was read. */
  readonly transactions = new IntList();
  /** Of row and truncate events, from 0, within the transaction: with the position, the change's identity. */
  readonly ordinals = new IntList();

  readonly versions: TableVersion[] = [];
  readonly buffers: Buffer[] = [];
  readonly truncations: Truncation[] = [];
  readonly schemaSteps: SchemaStep[] = [];
  readonly positions: Position[] = [];
  /** Commit time of the last transaction; null before the first one. */
  lastCommittedAtMicros: bigint | null = null;
  /** Transactions ended so far. */
  commits = 0;
  /** Row events so far. */
  rows = 0;
  byteLength = 0;

  private readonly versionIndexes = new Map<TableVersion, number>();
  private readonly blocks: { readonly offset: bigint; readonly first: number }[] = [];
  private ordinal = 0;

  get length(): number {
    return this.kinds.length;
  }

  /** Appends a block's events. */
  add(block: EventBlock): void {
    const cursor = block.events();
    const buffer = this.buffers.length;
    const { bytes } = cursor;
    this.buffers.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
    this.byteLength += block.byteLength;
    this.blocks.push({ offset: block.offset, first: this.length });
    let event = -1;
    for (let kind = cursor.next(); kind !== undefined; kind = cursor.next()) {
      event++;
      switch (kind) {
        case 'begin':
          this.ordinal = 0;
          break;
        case 'insert':
          this.pushRow(CHANGE.insert, cursor, buffer);
          this.pushImages(-1, -1, cursor.afterStart, cursor.afterEnd);
          break;
        case 'update':
          this.pushRow(CHANGE.update, cursor, buffer);
          this.pushImages(cursor.beforeStart, cursor.beforeEnd, cursor.afterStart, cursor.afterEnd);
          break;
        case 'delete':
          this.pushRow(CHANGE.delete, cursor, buffer);
          this.pushImages(cursor.beforeStart, cursor.beforeEnd, -1, -1);
          break;
        case 'truncate':
          this.push(CHANGE.truncate, -1, this.truncations.length, this.ordinal++);
          this.pushImages(-1, -1, -1, -1);
          this.truncations.push({ tables: cursor.truncated, restartIdentity: cursor.restartIdentity });
          break;
        case 'schema':
          this.push(CHANGE.schema, this.versionIndex(cursor.table), this.schemaSteps.length, -1);
          this.pushImages(-1, -1, -1, -1);
          this.schemaSteps.push({ table: cursor.table, change: cursor.change, place: { offset: block.offset, event } });
          break;
        case 'commit':
          this.endTransaction(cursor);
          break;
        case 'progress':
          // What lies before it has this position or an earlier one.
          this.positions.push(cursor.position);
          break;
        default:
          assertNever(kind);
      }
    }
  }

  version(change: number): TableVersion {
    const version = this.versions[this.tables.at(change)];
    if (version === undefined) throw new MillraceError('INTERNAL', { what: 'a change has a table' });
    return version;
  }

  buffer(index: number): Buffer {
    const buffer = this.buffers[index];
    if (buffer === undefined) throw new MillraceError('INTERNAL', { what: 'a row has a buffer' });
    return buffer;
  }

  truncation(change: number): Truncation {
    const truncation = this.truncations[this.sources.at(change)];
    if (truncation === undefined) throw new MillraceError('INTERNAL', { what: 'a truncation is known' });
    return truncation;
  }

  schemaStep(change: number): SchemaStep {
    const step = this.schemaSteps[this.sources.at(change)];
    if (step === undefined) throw new MillraceError('INTERNAL', { what: 'a schema step is known' });
    return step;
  }

  /**
   * The first change behind a place that lies right before or right behind a Schema event; the log's length where all lie before it.
   * @throws MillraceError INTERNAL where the place is another one
   */
  firstBehind({ offset, event }: JournalPlace): number {
    const block = this.blocks.find((each) => each.offset >= offset);
    if (block === undefined) return this.length;
    if (block.offset > offset) return block.first;
    for (let change = block.first; change < this.length; change++) {
      if (this.kinds.at(change) !== CHANGE.schema) continue;
      const { place } = this.schemaStep(change);
      if (place.offset !== offset) break;
      if (place.event === event) return change;
      if (place.event === event - 1) return change + 1;
    }
    throw new MillraceError('INTERNAL', { what: `no Schema event at ${event} of the block at ${offset}` });
  }

  /** Position of the change's transaction; undefined while its Commit is yet to come. */
  position(change: number): Position | undefined {
    return this.positions[this.transactions.at(change)];
  }

  /** An update that moves its row to another key: only the row at the old key goes. */
  becomeDelete(change: number): void {
    this.kinds.set(change, CHANGE.delete);
    this.afterStarts.set(change, -1);
    this.afterEnds.set(change, -1);
  }

  /** The same: only the row at the new key comes. */
  becomeInsert(change: number): void {
    this.kinds.set(change, CHANGE.insert);
    this.beforeStarts.set(change, -1);
    this.beforeEnds.set(change, -1);
  }

  /** Forgets the changes, for the next slice of a large transaction; what belongs to the transaction stays. */
  clear(): void {
    for (const list of [
      this.kinds,
      this.tables,
      this.sources,
      this.beforeStarts,
      this.beforeEnds,
      this.afterStarts,
      this.afterEnds,
      this.transactions,
      this.ordinals,
    ]) {
      list.clear();
    }
    this.buffers.length = 0;
    this.truncations.length = 0;
    this.schemaSteps.length = 0;
    this.blocks.length = 0;
    this.byteLength = 0;
  }

  private endTransaction(cursor: EventCursor): void {
    // A whole block's cursor has checked this; over the slices of a large transaction only their reader can.
    if (cursor.eventCount !== this.ordinal) {
      throw new MillraceError('INTERNAL', { what: `a transaction of ${cursor.eventCount} events arrived with ${this.ordinal}` });
    }
    this.positions.push(cursor.position);
    this.lastCommittedAtMicros = cursor.committedAtMicros;
    this.commits++;
  }

  private pushRow(kind: number, cursor: EventCursor, buffer: number): void {
    this.push(kind, this.versionIndex(cursor.table), buffer, this.ordinal++);
    this.rows++;
  }

  private push(kind: number, table: number, source: number, ordinal: number): void {
    this.kinds.push(kind);
    this.tables.push(table);
    this.sources.push(source);
    this.transactions.push(this.positions.length);
    this.ordinals.push(ordinal);
  }

  private pushImages(beforeStart: number, beforeEnd: number, afterStart: number, afterEnd: number): void {
    this.beforeStarts.push(beforeStart);
    this.beforeEnds.push(beforeEnd);
    this.afterStarts.push(afterStart);
    this.afterEnds.push(afterEnd);
  }

  private lastVersion: TableVersion | undefined;
  private lastIndex = 0;

  private versionIndex(version: TableVersion): number {
    if (version === this.lastVersion) return this.lastIndex;
    let index = this.versionIndexes.get(version);
    if (index === undefined) {
      index = this.versions.length;
      this.versions.push(version);
      this.versionIndexes.set(version, index);
    }
    this.lastVersion = version;
    this.lastIndex = index;
    return index;
  }
}
