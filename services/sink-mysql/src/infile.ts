import { Buffer } from 'node:buffer';
import { Readable } from 'node:stream';
import { skipValue } from '@millrace/apply/image-layout.js';
import { COLUMN, ImageReader } from '@millrace/codec/image-reader.js';
import type { WireType } from '@millrace/codec/wire-type.js';
import { assertNever } from '@millrace/errors/millrace-error.js';
import { floatText, integerText, NotMysqlValue, plainText, type ValueForm } from './literals.js';
import type { SinkSession } from './session.js';
import { type Written, write } from './statements.js';
import type { PlannedColumn, WritePlan } from './write-plan.js';

const TAB = 0x09;
const NEWLINE = 0x0a;
const BACKSLASH = 0x5c;
const NUL = 0x00;
const INITIAL_BYTES = 64 * 1024;
/** Of the text, in one packet, where the server takes so much. */
const PACKET_BYTES = 256 * 1024;

/** Row images as lines of text as LOAD DATA reads them: columns between tabs, `\N` for null, what would be misread behind a backslash. */
export class InfileText {
  private readonly reader = new ImageReader();
  private out = Buffer.allocUnsafe(INITIAL_BYTES);
  private length = 0;

  constructor(private readonly plan: WritePlan) {}

  get byteLength(): number {
    return this.length;
  }

  clear(): void {
    this.length = 0;
  }

  content(): Buffer {
    return this.out.subarray(0, this.length);
  }

  /** @throws NotMysqlValue; what was written is then as before */
  add(bytes: Uint8Array, start: number, end: number): void {
    const { plan, reader, length } = this;
    reader.open(plan.version, bytes, start, end);
    let first = true;
    for (const [index, column] of plan.columns.entries()) {
      if (column === null) {
        if (reader.next() === COLUMN.value) skipValue(reader, plan.layout.wires[index] ?? 'string');
        continue;
      }
      if (!first) this.byte(TAB);
      first = false;
      try {
        this.value(column, bytes);
      } catch (error) {
        this.length = length;
        throw error;
      }
    }
    this.byte(NEWLINE);
  }

  private value({ wire, form }: PlannedColumn, bytes: Uint8Array): void {
    const { reader } = this;
    const state = reader.next();
    if (state === COLUMN.unchanged) throw new NotMysqlValue('the row lacks values');
    if (state === COLUMN.null) {
      this.ascii('\\N');
    } else if (wire === 'string' && form === 'text') {
      reader.blob();
      this.escaped(bytes, reader.blobStart, reader.blobEnd);
    } else if (wire === 'string') {
      const text = Buffer.from(plainText(reader.text(), form));
      this.escaped(text, 0, text.length);
    } else {
      this.ascii(this.plainValue(wire, form));
    }
  }

  /** Of characters that need no backslash. */
  private plainValue(wire: Exclude<WireType, 'string'>, form: ValueForm): string {
    const { reader } = this;
    switch (wire) {
      case 'boolean':
        return reader.boolean() ? '1' : '0';
      case 'int':
        return integerText(String(reader.int()), form);
      case 'long':
        return integerText(String(reader.bigint()), form);
      case 'float':
        return floatText(reader.float());
      case 'double':
        return floatText(reader.double());
      case 'bytes':
        return Buffer.from(reader.blobView()).toString('hex');
      default:
        return assertNever(wire);
    }
  }

  private escaped(source: Uint8Array, start: number, end: number): void {
    this.reserve((end - start) * 2);
    let at = this.length;
    for (let from = start; from < end; from++) {
      const byte = source[from] ?? 0;
      if (byte === TAB || byte === NEWLINE || byte === BACKSLASH || byte === NUL) {
        this.out[at++] = BACKSLASH;
        this.out[at++] = byte === TAB ? 0x74 : byte === NEWLINE ? 0x6e : byte === NUL ? 0x30 : BACKSLASH;
      } else {
        this.out[at++] = byte;
      }
    }
    this.length = at;
  }

  private ascii(text: string): void {
    this.reserve(text.length);
    this.length += this.out.write(text, this.length, 'latin1');
  }

  private byte(value: number): void {
    this.reserve(1);
    this.out[this.length++] = value;
  }

  private reserve(count: number): void {
    const needed = this.length + count;
    if (needed <= this.out.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, this.out.length * 2));
    this.out.copy(grown, 0, 0, this.length);
    this.out = grown;
  }
}

/**
 * Sends lines of text to LOAD DATA LOCAL, from memory: whatever file the server asks for, it gets these bytes. With LOCAL the server bends or skips
 * what it does not like and counts a warning for it, so the caller goes by the counts: anything but all rows without a warning is undone.
 */
export function loadInfile({ connection, maxPacketBytes }: SinkSession, plan: WritePlan, content: Buffer): Promise<Written> {
  const variables = new Map(
    plan.written.flatMap((column, index) => (throughVariable(column) ? [[column, `@v${index}`] as const] : [])),
  );
  const columns = plan.written.map((column) => variables.get(column) ?? column.sql);
  const set = [...variables].map(([column, variable]) => `${column.sql} = ${decoded(column, variable)}`);
  const sql =
    `LOAD DATA LOCAL INFILE 'rows' INTO TABLE ${plan.relation} CHARACTER SET utf8mb4 FIELDS TERMINATED BY '\\t' ENCLOSED BY '' ESCAPED BY '\\\\' ` +
    `LINES TERMINATED BY '\\n' STARTING BY '' (${columns.join(', ')})${set.length === 0 ? '' : ` SET ${set.join(', ')}`}`;
  return write(connection, {
    sql,
    infileStreamFactory: () => Readable.from(packets(content, Math.min(PACKET_BYTES, Math.floor(maxPacketBytes / 2)))),
  });
}

function* packets(content: Buffer, bytes: number): Generator<Buffer> {
  for (let at = 0; at < content.length; at += bytes) yield content.subarray(at, at + bytes);
}

function throughVariable({ form }: PlannedColumn): boolean {
  return form === 'bytes' || form === 'geometry' || form === 'bits';
}

function decoded({ form }: PlannedColumn, variable: string): string {
  return form === 'bits' ? `CAST(CONV(${variable}, 2, 10) AS UNSIGNED)` : `UNHEX(${variable})`;
}
