import { Buffer } from 'node:buffer';
import { fingerprintOf } from '@millrace/codec/fingerprint.js';
import { displayTable } from '@millrace/codec/table-key.js';
import { wireTypeOf } from '@millrace/codec/wire-type.js';
import type { CommitAhead, EventWriter, RowWriter, SchemaChange } from '@millrace/contract/events.js';
import type { Position } from '@millrace/contract/position.js';
import { UNCHANGED, type Value } from '@millrace/contract/row.js';
import type { TableSchema, TableVersion } from '@millrace/contract/table.js';

export type RecordedRow = Readonly<Record<string, Value>>;

export type RecordedEvent =
  | { readonly kind: 'begin'; readonly transaction: string; readonly commit: CommitAhead | undefined }
  | { readonly kind: 'insert'; readonly table: string; readonly after: RecordedRow }
  | { readonly kind: 'update'; readonly table: string; readonly before: RecordedRow | null; readonly after: RecordedRow }
  | { readonly kind: 'delete'; readonly table: string; readonly before: RecordedRow }
  | {
      readonly kind: 'truncate';
      readonly tables: readonly string[];
      readonly cascade: boolean;
      readonly restartIdentity: boolean;
    }
  | { readonly kind: 'schema'; readonly schema: TableSchema; readonly change: SchemaChange }
  | { readonly kind: 'commit'; readonly position: Position; readonly committedAtMicros: bigint }
  | { readonly kind: 'progress'; readonly position: Position };

/** An EventWriter that keeps everything as objects and refuses what the contract forbids. */
export class RecordingJournal implements EventWriter {
  readonly events: RecordedEvent[] = [];
  flushes = 0;
  /** Set it to hold the stream back. */
  gate: Promise<void> | undefined;
  /** Schema events that fail, as if the process died there. */
  dies: (change: SchemaChange) => boolean = () => false;
  #open = false;

  /** Versions in force: what a journal's tail would give a restarted capture. */
  readonly versions = new Map<string, TableVersion>();

  schema(schema: TableSchema, change: SchemaChange): Promise<TableVersion> {
    if (this.dies(change)) return Promise.reject(new TypeError('died here'));
    this.events.push({ kind: 'schema', schema, change });
    const version = { source: schema.id, schema, registryId: this.events.length, fingerprint: fingerprintOf(schema) };
    if (change.kind === 'dropped') this.versions.delete(displayTable(schema.id));
    else this.versions.set(displayTable(schema.id), version);
    return Promise.resolve(version);
  }

  begin(transaction: string, commit?: CommitAhead): void {
    if (this.#open) throw new Error('begin inside a transaction');
    this.#open = true;
    this.events.push({ kind: 'begin', transaction, commit });
  }

  insert(table: TableVersion): RowWriter {
    this.#needOpen();
    return new RecordingRow(table, (after) => this.events.push({ kind: 'insert', table: displayTable(table.source), after }));
  }

  update(table: TableVersion, withBefore: boolean): RowWriter {
    this.#needOpen();
    let before: RecordedRow | null = null;
    let images = withBefore ? 2 : 1;
    return new RecordingRow(table, (row) => {
      images -= 1;
      if (images === 1) before = row;
      else this.events.push({ kind: 'update', table: displayTable(table.source), before, after: row });
    });
  }

  delete(table: TableVersion): RowWriter {
    this.#needOpen();
    return new RecordingRow(table, (before) => this.events.push({ kind: 'delete', table: displayTable(table.source), before }));
  }

  truncate(tables: readonly TableVersion[], options: { readonly cascade: boolean; readonly restartIdentity: boolean }): void {
    this.#needOpen();
    this.events.push({ kind: 'truncate', tables: tables.map(({ source }) => displayTable(source)), ...options });
  }

  commit(position: Position, committedAtMicros: bigint): void {
    this.#needOpen();
    this.#open = false;
    this.events.push({ kind: 'commit', position, committedAtMicros });
  }

  progress(position: Position): void {
    if (this.#open) throw new Error('progress inside a transaction');
    this.events.push({ kind: 'progress', position });
  }

  ready(): Promise<void> | undefined {
    return this.gate;
  }

  flush(): void {
    this.flushes += 1;
  }

  /** Rows and truncates alone. */
  get changes(): readonly RecordedEvent[] {
    return this.events.filter(({ kind }) => kind === 'insert' || kind === 'update' || kind === 'delete' || kind === 'truncate');
  }

  get commits(): readonly Position[] {
    return this.events.flatMap((event) => (event.kind === 'commit' ? [event.position] : []));
  }

  /** Position of the last Commit or Progress. */
  get position(): Position | undefined {
    const last = this.events.findLast((event) => event.kind === 'commit' || event.kind === 'progress');
    return last !== undefined && 'position' in last ? last.position : undefined;
  }

  get schemas(): readonly { readonly schema: TableSchema; readonly change: SchemaChange }[] {
    return this.events.flatMap((event) => (event.kind === 'schema' ? [event] : []));
  }

  #needOpen(): void {
    if (!this.#open) throw new Error('an event outside of a transaction');
  }
}

class RecordingRow implements RowWriter {
  #values: Value[] = [];

  constructor(
    private readonly table: TableVersion,
    private readonly done: (row: RecordedRow) => void,
  ) {}

  null(): void {
    this.#push(null);
  }

  unchanged(): void {
    this.#push(UNCHANGED);
  }

  boolean(value: boolean): void {
    this.#push(value, 'boolean');
  }

  integer(value: number): void {
    if (!Number.isSafeInteger(value)) throw new Error(`${value} is no safe integer`);
    this.#push(value, 'int', 'long');
  }

  bigint(value: bigint): void {
    this.#push(value, 'long');
  }

  float(value: number): void {
    this.#push(value, 'float', 'double');
  }

  string(source: Uint8Array, start: number, end: number): void {
    this.#push(Buffer.from(source.subarray(start, end)).toString('utf8'), 'string');
  }

  bytes(source: Uint8Array, start: number, end: number): void {
    this.#push(Uint8Array.from(source.subarray(start, end)), 'bytes');
  }

  end(): void {
    const { columns } = this.table.schema;
    if (this.#values.length !== columns.length) throw new Error(`${this.#values.length} values for ${columns.length} columns`);
    this.done(Object.fromEntries(columns.map((column, index) => [column.name, this.#values[index] ?? null])));
    this.#values = [];
  }

  #push(value: Value, ...fitting: readonly string[]): void {
    const column = this.table.schema.columns[this.#values.length];
    if (column === undefined) throw new Error('more values than columns');
    if (fitting.length > 0 && !fitting.includes(wireTypeOf(column.type)))
      throw new Error(`a ${fitting.join('/')} for ${column.name}`);
    this.#values.push(value);
  }
}
