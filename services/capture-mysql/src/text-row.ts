import { Buffer } from 'node:buffer';
import type { RowWriter } from '@millrace/contract/events.js';
import type { ColumnSchema, TableSchema } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { quoteIdentifier } from '@millrace/mysql/quote-identifier.js';
import { writeBits } from './binlog/row-decoder.js';
import type { PacketSlice } from './packets.js';

/** How the text that a SELECT gives becomes the value that the log gives. */
type TextOp =
  | { readonly kind: 'integer' | 'long' | 'float' | 'text' | 'bytes' | 'timestamp' | 'decimal' | 'generated' }
  | { readonly kind: 'bit'; readonly bits: number };

/** The columns of a SELECT whose rows `TextRowReader` takes; generated ones are in no row image. */
export function selectList(schema: TableSchema): string {
  return schema.columns
    .filter(({ generated }) => generated === null)
    .map(({ name, type }) => {
      const column = quoteIdentifier(name);
      // A FLOAT prints six digits, and FLOAT(m,d) and DOUBLE(m,d) a rounded value: multiplied by a double it is printed exactly, its sign too.
      return type.kind === 'float' ? `${column} * 1e0` : column;
    })
    .join(', ');
}

/** Turns rows of the text protocol into row images, value by value the same bytes as the log's. */
export class TextRowReader {
  readonly #ops: readonly TextOp[];
  readonly #scratch = Buffer.allocUnsafe(128);

  constructor(schema: TableSchema) {
    this.#ops = schema.columns.map(opOf);
  }

  /** One row packet: each value a length and its text, 0xfb for null (MySQL internals manual, "Text Resultset Row"). */
  write({ bytes, start, end }: PacketSlice, writer: RowWriter): void {
    let position = start;
    for (const op of this.#ops) {
      if (op.kind === 'generated') {
        writer.unchanged();
        continue;
      }
      const first = bytes.readUInt8(position);
      if (first === 0xfb) {
        writer.null();
        position += 1;
        continue;
      }
      const width = first < 0xfb ? 0 : first === 0xfc ? 2 : first === 0xfd ? 3 : 8;
      const length =
        width === 0 ? first : width === 8 ? Number(bytes.readBigUInt64LE(position + 1)) : bytes.readUIntLE(position + 1, width);
      const from = position + 1 + width;
      position = from + length;
      if (position > end) throw misfit();
      this.#value(op, writer, { bytes, start: from, end: position });
    }
    if (position !== end) throw misfit();
    writer.end();
  }

  #value(op: TextOp, writer: RowWriter, { bytes, start, end }: PacketSlice): void {
    switch (op.kind) {
      case 'integer':
        writer.integer(Number(bytes.toString('latin1', start, end)));
        return;
      case 'long': {
        const value = BigInt(bytes.toString('latin1', start, end));
        if (value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER)) writer.integer(Number(value));
        else writer.bigint(value);
        return;
      }
      case 'float':
        writer.float(Number(bytes.toString('latin1', start, end)));
        return;
      case 'decimal': {
        // ZEROFILL shows zeros that the value does not have.
        let first = start;
        while (first + 1 < end && bytes[first] === 0x30 && isDigit(bytes[first + 1])) first++;
        writer.string(bytes, first, end);
        return;
      }
      case 'timestamp': {
        const out = this.#scratch;
        const length = bytes.copy(out, 0, start, end);
        writer.string(out, 0, length + out.write('+00', length, 'latin1'));
        return;
      }
      case 'bit':
        writer.string(this.#scratch, 0, writeBits(bytes, end, op.bits, this.#scratch));
        return;
      case 'bytes':
        writer.bytes(bytes, start, end);
        return;
      case 'text':
        writer.string(bytes, start, end);
        return;
      case 'generated':
        return;
    }
  }
}

function opOf({ type, native, generated }: ColumnSchema): TextOp {
  if (generated !== null) return { kind: 'generated' };
  switch (type.kind) {
    case 'integer':
      return { kind: type.bits === 64 ? 'long' : 'integer' };
    case 'float':
      return { kind: 'float' };
    case 'decimal':
      return { kind: 'decimal' };
    case 'bytes':
      return { kind: 'bytes' };
    case 'timestamp':
      return { kind: type.withZone ? 'timestamp' : 'text' };
    case 'other':
      return native.name === 'bit' ? { kind: 'bit', bits: Number(/\d+/.exec(native.declaration)?.[0] ?? '1') } : { kind: 'text' };
    default:
      return { kind: 'text' };
  }
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}

function misfit(): MillraceError {
  return new MillraceError('SOURCE_BINLOG_PROTOCOL', { what: 'a row of a SELECT that does not fit its columns' });
}
