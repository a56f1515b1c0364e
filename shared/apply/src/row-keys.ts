import type { Buffer } from 'node:buffer';
import { COLUMN, ImageReader } from '@millrace/codec/image-reader.js';
import { type ImageLayout, skipValue } from './image-layout.js';

/** Stands for a row's key in maps: a number where the key is one safe integer, else its columns' bytes, one character each. */
export type RowKey = number | string;

/** Reads keys out of one table version's images. Two images have the same key exactly where their key columns' bytes are the same. */
export class RowKeys {
  private readonly reader = new ImageReader();
  private readonly isKey: readonly boolean[];
  private readonly columns: number;

  constructor(private readonly layout: ImageLayout) {
    this.isKey = layout.wires.map((_wire, index) => layout.key.includes(index));
    this.columns = this.isKey.lastIndexOf(true) + 1;
  }

  /** Undefined where the image does not carry a key column's value. */
  of(bytes: Buffer, start: number, end: number): RowKey | undefined {
    const { layout, reader } = this;
    reader.open(layout.version, bytes, start, end);
    return layout.integerKey ? this.integerKey(bytes) : this.bytesKey(bytes);
  }

  private integerKey(bytes: Buffer): RowKey | undefined {
    const { layout, reader } = this;
    const last = this.columns - 1;
    for (let column = 0; column < last; column++) {
      if (reader.next() === COLUMN.value) skipValue(reader, layout.wires[column] ?? 'string');
    }
    const start = reader.position;
    const state = reader.next();
    if (state === COLUMN.unchanged) return undefined;
    if (state === COLUMN.null) return '';
    if (layout.wires[last] === 'int') return reader.int();
    reader.long();
    const value = reader.high * 2 ** 32 + (reader.low >>> 0);
    return Number.isSafeInteger(value) ? value : bytes.toString('latin1', start, reader.position);
  }

  private bytesKey(bytes: Buffer): RowKey | undefined {
    const { layout, reader } = this;
    let key = '';
    let from = -1;
    for (let column = 0; column < this.columns; column++) {
      const start = reader.position;
      const state = reader.next();
      if (state === COLUMN.value) skipValue(reader, layout.wires[column] ?? 'string');
      if (this.isKey[column] === true) {
        if (state === COLUMN.unchanged) return undefined;
        if (from === -1) from = start;
      } else if (from !== -1) {
        key += bytes.toString('latin1', from, start);
        from = -1;
      }
    }
    // Each column's bytes say their own length, so that joined ones stay distinct.
    return from === -1 ? key : key + bytes.toString('latin1', from, reader.position);
  }
}
