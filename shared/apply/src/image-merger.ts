import { Buffer } from 'node:buffer';
import { COLUMN, ImageReader } from '@millrace/codec/image-reader.js';
import type { ChangeLog } from './change-log.js';
import { type ImageLayout, skipValue } from './image-layout.js';

const INITIAL_BYTES = 16 * 1024;

/**
 * Composes one image of several: a column that the newer one leaves unchanged takes the next older one's value. Composed images
 * lie in a buffer of their own, which is one of the log's.
 */
export class ImageMerger {
  /** The image resolved last: the newest one itself where it lacks nothing, or the composed one. */
  buffer = 0;
  start = 0;
  end = 0;

  private readonly reader = new ImageReader();
  private readonly isKey: readonly boolean[];
  private readonly unchanged: boolean[];
  private readonly buffers: number[];
  private readonly starts: number[];
  private readonly ends: number[];
  private missing = 0;
  private composed = false;
  private out = Buffer.alloc(0);
  private length = 0;
  private outBuffer = -1;

  constructor(
    private readonly log: ChangeLog,
    private readonly layout: ImageLayout,
  ) {
    this.isKey = layout.wires.map((_wire, index) => layout.key.includes(index));
    this.unchanged = layout.wires.map(() => false);
    this.buffers = layout.wires.map(() => 0);
    this.starts = layout.wires.map(() => 0);
    this.ends = layout.wires.map(() => 0);
  }

  /** Begins with the newest image. Returns whether older ones are wanted. */
  begin(buffer: number, start: number, end: number): boolean {
    this.buffer = buffer;
    this.start = start;
    this.end = end;
    this.missing = 0;
    this.composed = false;
    const { layout, reader, unchanged } = this;
    reader.open(layout.version, this.log.buffer(buffer), start, end);
    for (let column = 0; column < layout.wires.length; column++) {
      const from = reader.position;
      const state = reader.next();
      if (state === COLUMN.value) skipValue(reader, layout.wires[column] ?? 'string');
      const isMissing = state === COLUMN.unchanged && layout.computed[column] !== true;
      unchanged[column] = isMissing;
      if (isMissing) this.missing++;
      this.buffers[column] = buffer;
      this.starts[column] = from;
      this.ends[column] = reader.position;
    }
    reader.expectEnd();
    return this.missing > 0;
  }

  /** Takes what is still missing from an older image, or only the key's part of it. Returns whether more is wanted. */
  older(buffer: number, start: number, end: number, columns: 'all' | 'key'): boolean {
    const { layout, reader, unchanged } = this;
    reader.open(layout.version, this.log.buffer(buffer), start, end);
    for (let column = 0; column < layout.wires.length; column++) {
      const from = reader.position;
      const state = reader.next();
      if (state === COLUMN.value) skipValue(reader, layout.wires[column] ?? 'string');
      if (unchanged[column] !== true || state === COLUMN.unchanged || (columns === 'key' && this.isKey[column] !== true))
        continue;
      unchanged[column] = false;
      this.missing--;
      this.composed = true;
      this.buffers[column] = buffer;
      this.starts[column] = from;
      this.ends[column] = reader.position;
    }
    return this.missing > 0;
  }

  /** Ends the image: `buffer`, `start` and `end` say where it lies. Returns how many columns are still unchanged. */
  finish(): number {
    if (this.composed) this.compose();
    return this.missing;
  }

  /** Columns that the image resolved last carries. */
  present(): readonly boolean[] {
    return this.unchanged.map((missing) => !missing);
  }

  private compose(): void {
    if (this.outBuffer === -1) this.outBuffer = this.log.buffers.push(this.out) - 1;
    this.start = this.length;
    for (let column = 0; column < this.layout.wires.length; column++) {
      this.append(this.log.buffer(this.buffers[column] ?? 0), this.starts[column] ?? 0, this.ends[column] ?? 0);
    }
    this.buffer = this.outBuffer;
    this.end = this.length;
  }

  private append(from: Buffer, start: number, end: number): void {
    const needed = this.length + end - start;
    if (needed > this.out.length) {
      const grown = Buffer.allocUnsafe(Math.max(needed, this.out.length * 2, INITIAL_BYTES));
      this.out.copy(grown, 0, 0, this.length);
      this.out = grown;
      this.log.buffers[this.outBuffer] = grown;
    }
    from.copy(this.out, this.length, start, end);
    this.length = needed;
  }
}
