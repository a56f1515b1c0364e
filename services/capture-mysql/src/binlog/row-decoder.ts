import { Buffer } from 'node:buffer';
import type { RowWriter } from '@millrace/contract/events.js';
import { assertNever, MillraceError } from '@millrace/errors/millrace-error.js';
import { writeDecimal } from './decimal-text.js';
import { jsonText } from './json-text.js';
import type { ColumnOp, RowPlan } from './row-plan.js';
import { fractionBytes, writeDate, writeDatetime, writeTime, writeTimestamp } from './temporal-text.js';

const KEPT_SCRATCH_BYTES = 1 << 20;

/**
 * Writes row images of rows events: from the event's bytes to the block's, without an object per row or value. One decoder serves a
 * stream; it keeps scratch space.
 */
export class RowDecoder {
  #bytes: Buffer = Buffer.alloc(0);
  #end = 0;
  #offsets = new Int32Array(64);
  #scratch = Buffer.allocUnsafe(8_192);

  /** The event whose rows are written next: its bytes up to `end`. */
  read(bytes: Buffer, end: number): void {
    this.#bytes = bytes;
    this.#end = end;
  }

  /** Writes the whole row image at `start` (its null bits) and returns the offset behind it. */
  image(plan: RowPlan, writer: RowWriter, start: number): number {
    const { ops } = plan;
    const values = start + ((ops.length + 7) >> 3);
    if (values > this.#end) throw misfit();
    const after = plan.ordered ? this.#ordered(plan, writer, start, values) : this.#reordered(plan, writer, start, values);
    if (after > this.#end) throw misfit();
    writer.end();
    return after;
  }

  #ordered({ ops }: RowPlan, writer: RowWriter, nulls: number, values: number): number {
    let position = values;
    for (let index = 0; index < ops.length; index++) {
      const op = ops[index];
      if (op === undefined) throw misfit();
      if (this.#isNull(nulls, index)) writer.null();
      else {
        const end = position + this.#width(op, position);
        if (end > this.#end) throw misfit();
        this.#value(op, writer, position, end);
        position = end;
      }
    }
    return position;
  }

  /** The version's columns come in another order, or some are generated. */
  #reordered({ ops, sources }: RowPlan, writer: RowWriter, nulls: number, values: number): number {
    if (this.#offsets.length < ops.length + 1) this.#offsets = new Int32Array(ops.length + 1);
    const offsets = this.#offsets;
    let position = values;
    for (let index = 0; index < ops.length; index++) {
      const op = ops[index];
      if (op === undefined) throw misfit();
      offsets[index] = position;
      if (!this.#isNull(nulls, index)) position += this.#width(op, position);
      if (position > this.#end) throw misfit();
    }
    offsets[ops.length] = position;
    for (const source of sources) {
      const op = ops[source];
      const start = offsets[source];
      const end = offsets[source + 1];
      if (source < 0) writer.unchanged();
      else if (op === undefined || start === undefined || end === undefined) throw misfit();
      else if (this.#isNull(nulls, source)) writer.null();
      else this.#value(op, writer, start, end);
    }
    return position;
  }

  #isNull(nulls: number, index: number): boolean {
    return ((this.#bytes[nulls + (index >> 3)] ?? 0) & (1 << (index & 7))) !== 0;
  }

  /** Bytes that the value at `position` takes. */
  #width(op: ColumnOp, position: number): number {
    switch (op.kind) {
      case 'integer':
      case 'decimal':
      case 'enum':
      case 'set':
        return op.width;
      case 'long':
      case 'unsignedLong':
      case 'double':
        return 8;
      case 'float':
        return 4;
      case 'year':
        return 1;
      case 'date':
        return 3;
      case 'time':
        return 3 + fractionBytes(op.digits);
      case 'datetime':
        return 5 + fractionBytes(op.digits);
      case 'timestamp':
        return 4 + fractionBytes(op.digits);
      case 'bit':
        return (op.bits + 7) >> 3;
      case 'text':
      case 'bytes':
      case 'json':
      case 'uuid':
      case 'inet4':
      case 'inet6':
        if (position + op.prefix > this.#end) throw misfit();
        return op.prefix + this.#bytes.readUIntLE(position, op.prefix);
      default:
        return assertNever(op);
    }
  }

  #value(op: ColumnOp, writer: RowWriter, start: number, end: number): void {
    const bytes = this.#bytes;
    switch (op.kind) {
      case 'integer':
        writer.integer(op.unsigned ? bytes.readUIntLE(start, op.width) : bytes.readIntLE(start, op.width));
        return;
      case 'long':
        this.#long(writer, start);
        return;
      case 'unsignedLong': {
        const text = this.#roomFor(20);
        writer.string(text, 0, text.write(bytes.readBigUInt64LE(start).toString(), 'latin1'));
        return;
      }
      case 'float':
        writer.float(bytes.readFloatLE(start));
        return;
      case 'double':
        writer.float(bytes.readDoubleLE(start));
        return;
      case 'decimal': {
        const text = this.#roomFor(op.precision + 3);
        writer.string(text, 0, writeDecimal(bytes, start, op, text));
        return;
      }
      case 'year': {
        const year = bytes.readUInt8(start);
        writer.integer(year === 0 ? 0 : 1_900 + year);
        return;
      }
      case 'date':
        writer.string(this.#scratch, 0, writeDate(bytes, start, this.#scratch));
        return;
      case 'time':
        writer.string(this.#scratch, 0, writeTime(bytes, start, op.digits, this.#scratch));
        return;
      case 'datetime':
        writer.string(this.#scratch, 0, writeDatetime(bytes, start, op.digits, this.#scratch));
        return;
      case 'timestamp':
        writer.string(this.#scratch, 0, writeTimestamp(bytes, start, op.digits, this.#scratch));
        return;
      case 'bit':
        writer.string(this.#scratch, 0, writeBits(bytes, end, op.bits, this.#scratch));
        return;
      case 'enum':
        this.#enum(op.labels, writer, bytes.readUIntLE(start, op.width));
        return;
      case 'set':
        this.#set(op.labels, writer, start, op.width);
        return;
      case 'text':
        this.#text(op, writer, start + op.prefix, end);
        return;
      case 'bytes':
        this.#binary(op.padTo, writer, start + op.prefix, end);
        return;
      case 'json':
        this.#string(writer, jsonText(bytes, start + op.prefix, end));
        return;
      case 'uuid':
        this.#string(writer, uuidText(padded(bytes, start + op.prefix, end, 16)));
        return;
      case 'inet4':
        this.#string(writer, padded(bytes, start + op.prefix, end, 4).join('.'));
        return;
      case 'inet6':
        this.#string(writer, inet6Text(padded(bytes, start + op.prefix, end, 16)));
        return;
      default:
        assertNever(op);
    }
  }

  #long(writer: RowWriter, start: number): void {
    const high = this.#bytes.readInt32LE(start + 4);
    const value = high * 4_294_967_296 + this.#bytes.readUInt32LE(start);
    if (Number.isSafeInteger(value)) writer.integer(value);
    else writer.bigint(this.#bytes.readBigInt64LE(start));
  }

  #text({ decoder }: Extract<ColumnOp, { readonly kind: 'text' }>, writer: RowWriter, start: number, end: number): void {
    if (decoder === null) writer.string(this.#bytes, start, end);
    else {
      const length = decoder.decode(this.#bytes, start, end);
      writer.string(decoder.output, 0, length);
    }
  }

  #binary(padTo: number, writer: RowWriter, start: number, end: number): void {
    if (end - start >= padTo) {
      writer.bytes(this.#bytes, start, end);
      return;
    }
    const out = this.#roomFor(padTo);
    this.#bytes.copy(out, 0, start, end);
    out.fill(0, end - start, padTo);
    writer.bytes(out, 0, padTo);
  }

  /** Number 0 is the value that an enum takes in place of one it does not have. */
  #enum(labels: readonly Buffer[], writer: RowWriter, number: number): void {
    const label = labels[number - 1];
    if (number > 0 && label === undefined) throw misfit();
    if (label === undefined) writer.string(this.#scratch, 0, 0);
    else writer.string(label, 0, label.length);
  }

  #set(labels: readonly Buffer[], writer: RowWriter, start: number, width: number): void {
    const chosen: Buffer[] = [];
    for (const [index, label] of labels.entries()) {
      if (((this.#bytes[start + (index >> 3)] ?? 0) & (1 << (index & 7))) === 0 || index >= width * 8) continue;
      if (chosen.length > 0) chosen.push(COMMA);
      chosen.push(label);
    }
    const text = Buffer.concat(chosen);
    writer.string(text, 0, text.length);
  }

  #string(writer: RowWriter, text: string): void {
    const out = this.#roomFor(text.length * 3);
    writer.string(out, 0, out.write(text, 'utf8'));
    if (out.length > KEPT_SCRATCH_BYTES) this.#scratch = Buffer.allocUnsafe(8_192);
  }

  #roomFor(bytes: number): Buffer {
    if (this.#scratch.length < bytes) this.#scratch = Buffer.allocUnsafe(bytes);
    return this.#scratch;
  }
}

const COMMA = Buffer.from(',');

/** Exactly `bits` digits, of a big-endian number that ends at `end`. */
export function writeBits(bytes: Buffer, end: number, bits: number, out: Buffer): number {
  for (let index = 0; index < bits; index++) {
    const fromRight = bits - 1 - index;
    const byte = bytes[end - 1 - (fromRight >> 3)] ?? 0;
    out[index] = 0x30 + ((byte >> (fromRight & 7)) & 1);
  }
  return bits;
}

function padded(bytes: Buffer, start: number, end: number, length: number): Buffer {
  const whole = Buffer.alloc(length);
  bytes.copy(whole, 0, start, Math.min(end, start + length));
  return whole;
}

/**
 * MariaDB stores a UUID's five groups from the last to the first, so that those of one machine lie together – but not the versions
 * that are ordered by time themselves (sql_type_uuid.h): their order is the text's.
 */
function uuidText(stored: Buffer): string {
  const hex = stored.toString('hex');
  const isSwapped = (stored.readUInt8(6) & 0x80) !== 0 && (stored.readUInt8(8) & 0xf0) < 0x60;
  const groups = isSwapped
    ? [hex.slice(24, 32), hex.slice(20, 24), hex.slice(16, 20), hex.slice(12, 16), hex.slice(0, 12)]
    : [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)];
  return groups.join('-');
}

/** As the server prints it (inet_ntop): the longest run of zero groups as `::`, IPv4 addresses in their own form. */
export function inet6Text(address: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, index) => address.readUInt16BE(index * 2));
  let best = { start: -1, length: 0 };
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (start + length < 8 && groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  const mapped = best.start === 0 && (best.length === 6 || (best.length === 5 && groups[5] === 0xffff));
  const parts = groups.slice(0, mapped ? 6 : 8).map((group) => group.toString(16));
  const tail = mapped ? [[...address.subarray(12)].join('.')] : [];
  if (best.start < 0) return [...parts, ...tail].join(':');
  const before = parts.slice(0, best.start).join(':');
  const after = [...parts.slice(best.start + best.length), ...tail].join(':');
  return `${before}::${after}`;
}

function misfit(): MillraceError {
  return new MillraceError('SOURCE_BINLOG_PROTOCOL', { what: 'a row that does not fit its TABLE_MAP event' });
}
