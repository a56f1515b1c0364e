import { IntList } from './int-list.js';

/** References to row images: buffer, start and end of each, as columns of numbers. */
export class RowList {
  readonly buffers = new IntList();
  readonly starts = new IntList();
  readonly ends = new IntList();

  get length(): number {
    return this.starts.length;
  }

  push(buffer: number, start: number, end: number): void {
    this.buffers.push(buffer);
    this.starts.push(start);
    this.ends.push(end);
  }
}
