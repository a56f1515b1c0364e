import { Buffer } from 'node:buffer';
import { COLUMN, ImageReader } from '@millrace/codec/image-reader.js';
import type { KeyRange } from '@millrace/contract/load.js';
import type { Position } from '@millrace/contract/position.js';
import type { Coverage } from '@millrace/contract/sink.js';
import type { TableVersion } from '@millrace/contract/table.js';
import { invariant } from '@millrace/errors/millrace-error.js';
import { CHANGE, type ChangeLog } from './change-log.js';
import { type ImageLayout, imageLayoutOf, skipValue } from './image-layout.js';
import { isCovered } from './is-covered.js';

/**
 * What of a row's change is still to be applied. 'delete', 'insert': an update that moves the row, of which only the old or the new key
 * is; 'hole': the same as 'insert', and values that the log does not carry are in no row that was loaded.
 */
export type Left = 'all' | 'nothing' | 'delete' | 'insert' | 'hole';

/** A key column's value: an integer, or the bytes of its text. */
type KeyValue = bigint | Buffer;

interface Range {
  readonly from: KeyValue | null;
  readonly asOf: Position;
}

/** Which changes the rows of a table hold whose chunks were read in different snapshots. One for a table version and a log. */
export class KeyCoverage {
  readonly #log: ChangeLog;
  readonly #layout: ImageLayout;
  readonly #reader = new ImageReader();
  readonly #column: number;
  readonly #order: KeyRange['order'];
  /** Ascending, without gaps: each ends where the next begins. */
  readonly #ranges: readonly Range[];

  constructor(log: ChangeLog, version: TableVersion, chunks: Coverage['chunks']) {
    const keys = chunks[0]?.keys;
    invariant(keys !== undefined, 'a coverage by keys has ranges');
    this.#log = log;
    this.#layout = imageLayoutOf(version);
    this.#order = keys.order;
    this.#column = version.schema.columns.findIndex(({ name }) => name === keys.column);
    invariant(this.#column >= 0, `the key column ${keys.column}, by which the load was cut, is in the table`);
    this.#ranges = chunks.map(({ keys: { from }, asOf }) => ({ from: from === null ? null : keyValue(from, keys.order), asOf }));
  }

  /** `position`: of the change; null: not known yet, taken to be one that the rows hold. */
  left(change: number, position: Position | null): Left {
    if (position === null) return 'nothing';
    const log = this.#log;
    const bytes = log.buffer(log.sources.at(change));
    const key = (start: number, end: number): KeyValue | undefined => this.#keyOf(bytes, start, end);
    const before = { start: log.beforeStarts.at(change), end: log.beforeEnds.at(change) };
    const after = { start: log.afterStarts.at(change), end: log.afterEnds.at(change) };
    if (log.kinds.at(change) === CHANGE.insert) return this.#holds(key(after.start, after.end), position) ? 'nothing' : 'all';
    if (log.kinds.at(change) === CHANGE.delete) return this.#holds(key(before.start, before.end), position) ? 'nothing' : 'all';
    // Without an old image the key is what it was; a key column that the new image leaves unchanged is, too.
    const newKey = key(after.start, after.end);
    const oldKey = before.start < 0 ? newKey : (key(before.start, before.end) ?? newKey);
    const oldHeld = this.#holds(oldKey, position);
    const newHeld = this.#holds(newKey ?? oldKey, position);
    if (oldHeld === newHeld) return oldHeld ? 'nothing' : 'all';
    if (newHeld) return 'delete';
    return this.#isWhole(bytes, after.start, after.end) ? 'insert' : 'hole';
  }

  #holds(key: KeyValue | undefined, position: Position): boolean {
    invariant(key !== undefined, 'a change tells the key of its row');
    const range = this.#ranges.findLast(({ from }) => from === null || compareKeys(from, key) <= 0);
    invariant(range !== undefined, 'every key lies in a range');
    return isCovered(position, range.asOf);
  }

  /** Undefined where the image leaves the key column unchanged. */
  #keyOf(bytes: Buffer, start: number, end: number): KeyValue | undefined {
    const reader = this.#reader;
    const { version, wires } = this.#layout;
    reader.open(version, bytes, start, end);
    for (let column = 0; column < this.#column; column++) {
      if (reader.next() === COLUMN.value) skipValue(reader, wires[column] ?? 'string');
    }
    const state = reader.next();
    if (state === COLUMN.unchanged) return undefined;
    invariant(state === COLUMN.value, 'a key column is never null');
    if (this.#order === 'integer') return wires[this.#column] === 'int' ? BigInt(reader.int()) : reader.bigint();
    reader.blob();
    return bytes.subarray(reader.blobStart, reader.blobEnd);
  }

  /** The image carries every column that is written. */
  #isWhole(bytes: Buffer, start: number, end: number): boolean {
    const reader = this.#reader;
    const { version, wires, computed } = this.#layout;
    reader.open(version, bytes, start, end);
    return wires.every((wire, column) => {
      const state = reader.next();
      if (state === COLUMN.value) skipValue(reader, wire);
      return state !== COLUMN.unchanged || computed[column] === true;
    });
  }
}

function keyValue(text: string, order: KeyRange['order']): KeyValue {
  return order === 'integer' ? BigInt(text) : Buffer.from(text);
}

function compareKeys(left: KeyValue, right: KeyValue): number {
  if (typeof left === 'bigint' && typeof right === 'bigint') return left < right ? -1 : left > right ? 1 : 0;
  invariant(typeof left === 'object' && typeof right === 'object', 'keys of one column compare in one way');
  return Buffer.compare(left, right);
}
