import { MillraceError } from '@millrace/errors/millrace-error.js';

const INITIAL_LENGTH = 64;

/** 32-bit integers that grow at the end: a column of a table kept as arrays instead of as an object per row. */
export class IntList {
  length = 0;
  private values = new Int32Array(INITIAL_LENGTH);

  push(value: number): void {
    if (this.length === this.values.length) this.grow();
    this.values[this.length++] = value;
  }

  at(index: number): number {
    const value = this.values[index];
    if (value === undefined || index >= this.length) throw outside();
    return value;
  }

  set(index: number, value: number): void {
    if (index >= this.length) throw outside();
    this.values[index] = value;
  }

  /** Forgets the content, keeps the room. */
  clear(): void {
    this.length = 0;
  }

  private grow(): void {
    const grown = new Int32Array(this.values.length * 2);
    grown.set(this.values);
    this.values = grown;
  }
}

function outside(): MillraceError {
  return new MillraceError('INTERNAL', { what: 'a list is read beyond its length' });
}
