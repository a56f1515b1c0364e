import type { RowWriter } from '@millrace/contract/events.js';
import type { TableVersion } from '@millrace/contract/table.js';
import { invariant, MillraceError } from '@millrace/errors/millrace-error.js';
import type { ByteWriter } from './byte-writer.js';
import { type WireType, wireTypeOf } from './wire-type.js';

/** Index of a column's state in its union, as zigzag varints of one byte. */
const NULL = 0;
const VALUE = 2;
const UNCHANGED = 4;

/** Wire types by column, looked up once per table version. */
const wireTypes = new WeakMap<TableVersion, readonly WireType[]>();

export function wireTypesOf(table: TableVersion): readonly WireType[] {
  let types = wireTypes.get(table);
  if (types === undefined) {
    types = table.schema.columns.map((column) => wireTypeOf(column.type));
    wireTypes.set(table, types);
  }
  return types;
}

/**
 * Writes row images straight into a buffer, one call per column. A call that does not fit its column's wire type, a column too
 * many and a column missing are refused: the image would be read as another row.
 */
export class RowImageWriter implements RowWriter {
  private table: TableVersion | undefined;
  private types: readonly WireType[] = [];
  private column = 0;

  constructor(
    private readonly out: ByteWriter,
    private readonly onEnd: () => void,
  ) {}

  open(table: TableVersion): void {
    if (table !== this.table) {
      this.table = table;
      this.types = wireTypesOf(table);
    }
    this.column = 0;
  }

  /** A further image of the same table. */
  next(): void {
    this.column = 0;
  }

  null(): void {
    if (this.column++ >= this.types.length) throw this.misfit('null');
    this.out.byte(NULL);
  }

  unchanged(): void {
    if (this.column++ >= this.types.length) throw this.misfit('unchanged');
    this.out.byte(UNCHANGED);
  }

  boolean(value: boolean): void {
    if (this.types[this.column++] !== 'boolean') throw this.misfit('a boolean');
    this.out.byte(VALUE);
    this.out.boolean(value);
  }

  integer(value: number): void {
    const type = this.types[this.column++];
    if (type === 'int' && (value | 0) === value) {
      this.out.byte(VALUE);
      this.out.int(value);
    } else if (type === 'long' && Number.isSafeInteger(value)) {
      this.out.byte(VALUE);
      this.out.safeLong(value);
    } else {
      throw this.misfit(`the number ${value}`);
    }
  }

  bigint(value: bigint): void {
    if (this.types[this.column++] !== 'long' || BigInt.asIntN(64, value) !== value) throw this.misfit(`the bigint ${value}`);
    this.out.byte(VALUE);
    this.out.long(value);
  }

  float(value: number): void {
    const type = this.types[this.column++];
    if (type === 'double') {
      this.out.byte(VALUE);
      this.out.double(value);
    } else if (type === 'float') {
      this.out.byte(VALUE);
      this.out.float(value);
    } else {
      throw this.misfit('a floating-point number');
    }
  }

  string(source: Uint8Array, start: number, end: number): void {
    if (this.types[this.column++] !== 'string') throw this.misfit('a text');
    this.out.byte(VALUE);
    this.out.blob(source, start, end);
  }

  bytes(source: Uint8Array, start: number, end: number): void {
    if (this.types[this.column++] !== 'bytes') throw this.misfit('bytes');
    this.out.byte(VALUE);
    this.out.blob(source, start, end);
  }

  end(): void {
    if (this.column !== this.types.length) {
      invariant(false, `a row image has all its columns (${this.column} of ${this.types.length} written)`);
    }
    this.onEnd();
  }

  private misfit(what: string): MillraceError {
    const index = this.column - 1;
    const id = this.table?.schema.id;
    return new MillraceError('VALUE_UNENCODABLE', {
      table: id === undefined ? 'no table' : `${id.schema}.${id.table}`,
      column: this.table?.schema.columns[index]?.name ?? `number ${index + 1}`,
      wire: this.types[index] ?? 'anything (the table has fewer columns)',
      what: `it was given ${what}`,
    });
  }
}
