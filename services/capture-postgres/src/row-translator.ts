import { Buffer } from 'node:buffer';
import { wireTypeOf } from '@millrace/codec/wire-type.js';
import type { RowWriter } from '@millrace/contract/events.js';
import type { TableSchema, TableVersion } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { MESSAGE, type RelationMessage } from './pgoutput.js';

/** How a column's text becomes a value. */
const OP = { text: 0, integer: 1, long: 2, boolean: 3, float: 4, bytes: 5 } as const;

/** A relation of the stream compiled against the table version that its rows are written as. */
export interface RowPlan {
  readonly version: TableVersion;
  /** Columns of the stream's tuples. */
  readonly tupleColumns: number;
  /** Per column of the version: the tuple's column that it comes from, -1 where the stream does not carry it (generated columns). */
  readonly sources: Int16Array;
  /** Per column of the version: its OP. */
  readonly ops: Uint8Array;
  /** Per column of the version: 1 where it belongs to the replica identity, so that a key tuple has its value. */
  readonly keys: Uint8Array;
  /** The tuple's columns come in the version's order, so a row is written while it is read. */
  readonly ordered: boolean;
}

/**
 * @throws MillraceError INTERNAL where a column of the stream is not in the version: the version was chosen to fit.
 */
export function compileRowPlan(relation: RelationMessage, version: TableVersion, schema: TableSchema): RowPlan {
  const indexes = new Map(relation.columns.map((column, index) => [column.name, index]));
  const sources = Int16Array.from(schema.columns, (column) =>
    column.generated === null ? (indexes.get(column.name) ?? -1) : -1,
  );
  const used = sources.filter((source) => source >= 0);
  if (used.length !== relation.columns.length) {
    throw new MillraceError('INTERNAL', {
      what: `the version of ${relation.schema}.${relation.table} does not fit its relation message`,
    });
  }
  return {
    version,
    tupleColumns: relation.columns.length,
    sources,
    ops: Uint8Array.from(schema.columns, (column) => opOf(wireTypeOf(column.type))),
    keys: Uint8Array.from(sources, (source) => (relation.columns[source]?.key === true ? 1 : 0)),
    ordered: used.every((source, index) => source === index),
  };
}

function opOf(wire: ReturnType<typeof wireTypeOf>): number {
  switch (wire) {
    case 'boolean':
      return OP.boolean;
    case 'int':
      return OP.integer;
    case 'long':
      return OP.long;
    case 'float':
    case 'double':
      return OP.float;
    case 'bytes':
      return OP.bytes;
    case 'string':
      return OP.text;
  }
}

/**
 * Writes tuples of row messages as row images: from the stream's bytes to the block's, without an object per row.
 * One translator serves a stream; it keeps scratch space.
 */
export class RowTranslator {
  #bytes: Buffer = Buffer.alloc(0);
  #view: DataView = new DataView(new ArrayBuffer(0));
  #end = 0;
  #offsets = new Int32Array(64);
  #scratch = Buffer.allocUnsafe(8_192);

  /** The message whose tuples are written next: its bytes up to `end`. */
  read(bytes: Buffer, view: DataView, end: number): void {
    this.#bytes = bytes;
    this.#view = view;
    this.#end = end;
  }

  /** Writes the tuple at `start` (its column count) and returns the offset behind it. */
  image(plan: RowPlan, writer: RowWriter, start: number): number {
    return this.#write(plan, writer, start, false);
  }

  /** The same for a key tuple: columns outside of the replica identity were not logged; the stream shows them as null, the image as unchanged. */
  keyImage(plan: RowPlan, writer: RowWriter, start: number): number {
    return this.#write(plan, writer, start, true);
  }

  #write(plan: RowPlan, writer: RowWriter, start: number, keyOnly: boolean): number {
    if (start + 2 > this.#end || this.#view.getInt16(start) !== plan.tupleColumns) throw misfit();
    const after = plan.ordered
      ? this.#writeOrdered(plan, writer, start, keyOnly)
      : this.#writeReordered(plan, writer, start, keyOnly);
    writer.end();
    return after;
  }

  #writeOrdered(plan: RowPlan, writer: RowWriter, start: number, keyOnly: boolean): number {
    const { sources, ops, keys } = plan;
    const view = this.#view;
    const end = this.#end;
    let position = start + 2;
    for (let column = 0; column < sources.length; column++) {
      if (at(sources, column) < 0) {
        writer.unchanged();
        continue;
      }
      if (position >= end) throw misfit();
      const kind = view.getUint8(position++);
      if (kind === MESSAGE.text) {
        const length = view.getInt32(position);
        position += 4;
        if (length < 0 || position + length > end) throw misfit();
        this.#value(at(ops, column), writer, position, position + length);
        position += length;
      } else {
        absent(kind, keyOnly && at(keys, column) === 0, writer);
      }
    }
    return position;
  }

  /** A partition's columns may lie in another order than its root's. */
  #writeReordered(plan: RowPlan, writer: RowWriter, start: number, keyOnly: boolean): number {
    const { sources, ops, keys, tupleColumns } = plan;
    const view = this.#view;
    const end = this.#end;
    if (this.#offsets.length < tupleColumns) this.#offsets = new Int32Array(tupleColumns);
    let position = start + 2;
    for (let index = 0; index < tupleColumns; index++) {
      if (position >= end) throw misfit();
      this.#offsets[index] = position;
      if (view.getUint8(position++) === MESSAGE.text) {
        const length = view.getInt32(position);
        if (length < 0) throw misfit();
        position += 4 + length;
      }
    }
    if (position > end) throw misfit();
    for (let column = 0; column < sources.length; column++) {
      const source = at(sources, column);
      if (source < 0) {
        writer.unchanged();
        continue;
      }
      const offset = at(this.#offsets, source);
      const kind = view.getUint8(offset);
      if (kind === MESSAGE.text) {
        this.#value(at(ops, column), writer, offset + 5, offset + 5 + view.getInt32(offset + 1));
      } else {
        absent(kind, keyOnly && at(keys, column) === 0, writer);
      }
    }
    return position;
  }

  #value(op: number, writer: RowWriter, start: number, end: number): void {
    const view = this.#view;
    const bytes = this.#bytes;
    switch (op) {
      case OP.text:
        writer.string(bytes, start, end);
        return;
      case OP.integer:
        writer.integer(decimal(view, start, end));
        return;
      case OP.long:
        // 15 digits are always exact as a number.
        if (end - start <= 15) writer.integer(decimal(view, start, end));
        else writer.bigint(BigInt(bytes.toString('latin1', start, end)));
        return;
      case OP.boolean:
        writer.boolean(view.getUint8(start) === 0x74);
        return;
      case OP.float:
        // 'NaN', 'Infinity' and '-Infinity' are PostgreSQL's words and JavaScript's.
        writer.float(Number(bytes.toString('latin1', start, end)));
        return;
      default:
        this.#hexadecimal(writer, start, end);
    }
  }

  /** bytea in hex format: `\x` and two digits a byte. */
  #hexadecimal(writer: RowWriter, start: number, end: number): void {
    const view = this.#view;
    const count = (end - start - 2) / 2;
    if (!Number.isInteger(count) || count < 0 || view.getUint16(start) !== 0x5c78) throw misfit();
    if (this.#scratch.length < count) this.#scratch = Buffer.allocUnsafe(count);
    const scratch = this.#scratch;
    for (let index = 0, digit = start + 2; index < count; index++, digit += 2) {
      scratch[index] = (nibble(view.getUint8(digit)) << 4) | nibble(view.getUint8(digit + 1));
    }
    writer.bytes(scratch, 0, count);
    if (count > KEPT_SCRATCH_BYTES) this.#scratch = Buffer.allocUnsafe(8_192);
  }
}

const KEPT_SCRATCH_BYTES = 1 << 20;

function absent(kind: number, notLogged: boolean, writer: RowWriter): void {
  if (kind === MESSAGE.unchanged || (kind === MESSAGE.null && notLogged)) writer.unchanged();
  else if (kind === MESSAGE.null) writer.null();
  else throw misfit();
}

/** An integer of at most 15 digits. */
function decimal(view: DataView, start: number, end: number): number {
  if (start >= end) throw misfit();
  const negative = view.getUint8(start) === 0x2d;
  let value = 0;
  for (let position = negative ? start + 1 : start; position < end; position++) {
    const digit = view.getUint8(position) - 0x30;
    if (digit < 0 || digit > 9) throw misfit();
    value = value * 10 + digit;
  }
  return negative ? -value : value;
}

function nibble(digit: number): number {
  if (digit >= 0x30 && digit <= 0x39) return digit - 0x30;
  if (digit >= 0x61 && digit <= 0x66) return digit - 0x57;
  throw misfit();
}

function at(array: Int16Array | Int32Array | Uint8Array, index: number): number {
  const value = array[index];
  if (value === undefined) throw misfit();
  return value;
}

function misfit(): MillraceError {
  return new MillraceError('SOURCE_PROTOCOL', { what: 'a row that does not fit its relation message' });
}
