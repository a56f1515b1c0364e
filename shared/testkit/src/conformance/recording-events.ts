import { BlockBuilder } from '@millrace/codec/block-builder.js';
import { decodeBlock } from '@millrace/codec/block-reader.js';
import { comparePositions } from '@millrace/codec/position.js';
import { decodeRow } from '@millrace/codec/row-reader.js';
import { newTableVersion } from '@millrace/codec/row-schema.js';
import type { CommitAhead, EventWriter, RowWriter, SchemaChange } from '@millrace/contract/events.js';
import type { Position } from '@millrace/contract/position.js';
import { UNCHANGED, type Value } from '@millrace/contract/row.js';
import type { TableSchema, TableVersion } from '@millrace/contract/table.js';
import { invariant, MillraceError } from '@millrace/errors/millrace-error.js';

/** A row of the conformance table. `undefined`: the log did not carry the value. */
export interface ConformanceRow {
  readonly id: number | undefined;
  readonly note: string | null | undefined;
}

export type RecordedChange =
  | { readonly kind: 'insert'; readonly after: ConformanceRow }
  | { readonly kind: 'update'; readonly before: ConformanceRow | null; readonly after: ConformanceRow }
  | { readonly kind: 'delete'; readonly before: ConformanceRow };

export interface RecordedTransaction {
  readonly position: Position;
  readonly changes: readonly RecordedChange[];
}

/**
 * An EventWriter that encodes what a source writes into real blocks, reads them back, and keeps whole transactions. It refuses what
 * the contract forbids: events outside of transactions, images that are not complete, positions that do not grow.
 */
export class RecordingEvents implements EventWriter {
  readonly transactions: RecordedTransaction[] = [];
  /** The last Commit or Progress: where a restarted capture would go on. */
  position: Position;
  /** While it is set, the source has to wait. */
  gate: Promise<void> | undefined;
  readonly #versions = new Map<number, TableVersion>();
  #builder = new BlockBuilder();
  #eventCount = 0;
  #open = false;
  #commitAhead: CommitAhead | undefined;

  constructor(after: Position, known: readonly TableVersion[]) {
    this.position = after;
    for (const version of known) this.#versions.set(version.registryId, version);
  }

  /** Versions in force: what a journal's tail would give a restarted capture. */
  get known(): readonly TableVersion[] {
    return [...new Map([...this.#versions.values()].map((version) => [JSON.stringify(version.source), version])).values()];
  }

  schema(table: TableSchema, _change: SchemaChange): Promise<TableVersion> {
    const version = newTableVersion(table, this.#versions.size + 1);
    this.#versions.set(version.registryId, version);
    return Promise.resolve(version);
  }

  begin(transactionId: string, commit?: CommitAhead): void {
    invariant(!this.#open, 'Begin comes outside of a transaction');
    this.#open = true;
    this.#eventCount = 0;
    this.#commitAhead = commit;
    this.#builder.begin(transactionId, commit);
  }

  insert(table: TableVersion): RowWriter {
    this.#eventCount += 1;
    return this.#builder.insert(table);
  }

  update(table: TableVersion, withBefore: boolean): RowWriter {
    this.#eventCount += 1;
    return this.#builder.update(table, withBefore);
  }

  delete(table: TableVersion): RowWriter {
    this.#eventCount += 1;
    return this.#builder.delete(table);
  }

  truncate(tables: readonly TableVersion[], options: { readonly cascade: boolean; readonly restartIdentity: boolean }): void {
    this.#eventCount += 1;
    this.#builder.truncate(tables, options);
  }

  commit(position: Position, committedAtMicros: bigint): void {
    invariant(this.#open, 'Commit comes inside a transaction');
    invariant(comparePositions(position, this.position) > 0, "a Commit's position lies behind everything before it");
    this.#checkAhead(position, committedAtMicros);
    this.#open = false;
    this.#builder.commit(position, this.#eventCount, committedAtMicros);
    this.transactions.push({ position, changes: this.#read() });
    this.position = position;
  }

  progress(position: Position): void {
    invariant(!this.#open, 'Progress never comes inside a transaction');
    invariant(comparePositions(position, this.position) >= 0, 'Progress never goes back');
    this.position = position;
  }

  ready(): Promise<void> | undefined {
    return this.gate;
  }

  flush(): void {}

  /** Every row change, in commit order. */
  get changes(): readonly RecordedChange[] {
    return this.transactions.flatMap(({ changes }) => changes);
  }

  #checkAhead(position: Position, committedAtMicros: bigint): void {
    const ahead = this.#commitAhead;
    if (ahead === undefined) return;
    invariant(comparePositions(ahead.position, this.position) >= 0, 'a commit said ahead does not lie before an earlier one');
    invariant(comparePositions(ahead.position, position) <= 0, 'a commit said ahead does not lie behind its own position');
    invariant(ahead.atMicros === committedAtMicros, 'Begin and Commit say the same time');
  }

  #read(): RecordedChange[] {
    const { source, timeline } = this.position;
    const header = {
      journal: 'conformance',
      epoch: 0n,
      seq: 0n,
      prev: -1n,
      source,
      timeline,
      after: this.position,
      slice: null,
      clock: null,
    };
    const framed = this.#builder.seal(header, 1);
    this.#builder = new BlockBuilder();
    const block = decodeBlock(framed, 0n, (id) => {
      const version = this.#versions.get(id);
      if (version === undefined) throw new MillraceError('INTERNAL', { what: `a row of version ${id}, which nobody announced` });
      return version;
    });
    const cursor = block.events();
    const changes: RecordedChange[] = [];
    const image = (start: number, end: number): ConformanceRow =>
      rowOf(cursor.table, decodeRow(cursor.table, cursor.bytes, start, end));
    for (let kind = cursor.next(); kind !== undefined; kind = cursor.next()) {
      if (kind === 'insert') changes.push({ kind, after: image(cursor.afterStart, cursor.afterEnd) });
      else if (kind === 'delete') changes.push({ kind, before: image(cursor.beforeStart, cursor.beforeEnd) });
      else if (kind === 'update') {
        const before = cursor.beforeStart < 0 ? null : image(cursor.beforeStart, cursor.beforeEnd);
        changes.push({ kind, before, after: image(cursor.afterStart, cursor.afterEnd) });
      }
    }
    return changes;
  }
}

export function rowOf({ schema }: TableVersion, values: readonly Value[]): ConformanceRow {
  const value = (name: string): Value => values[schema.columns.findIndex((column) => column.name === name)] ?? null;
  const id = value('id');
  return { id: id === UNCHANGED ? undefined : Number(id), note: textOf(value('note')) };
}

function textOf(value: Value): string | null | undefined {
  if (value === UNCHANGED) return undefined;
  if (value === null || typeof value === 'string') return value;
  throw new MillraceError('INTERNAL', { what: `column note holds text, not ${typeof value}` });
}
