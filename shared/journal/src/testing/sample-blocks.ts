import { BlockBuilder } from '@millrace/codec/block-builder.js';
import { decodeRow } from '@millrace/codec/row-reader.js';
import type { CommitAhead, EventBlock } from '@millrace/contract/events.js';
import type { Position } from '@millrace/contract/position.js';
import type { ColumnSchema, TableSchema, TableVersion } from '@millrace/contract/table.js';
import type { OutgoingBlock } from '../journal-writer.js';

const SOURCE = '7311';

/** The n-th position of the sample source. */
export function at(n: number): Position {
  return { source: SOURCE, timeline: 1, key: n.toString(16).padStart(16, '0') };
}

export function numberOf(position: Position | null): number {
  return position === null ? 0 : Number.parseInt(position.key, 16);
}

function column(name: string, ordinal: number, type: ColumnSchema['type']): ColumnSchema {
  const native = { engine: 'postgresql', schema: 'pg_catalog', name: type.kind, declaration: type.kind };
  return {
    name,
    ordinal,
    type,
    native,
    nullable: ordinal > 1,
    generated: null,
    identity: 'none',
    default: null,
    missingValue: null,
    collation: null,
  };
}

/** A table with a key and a text, and as many further columns as it is told. */
export function sampleTable(table: string, extraColumns = 0, schema = 'public'): TableSchema {
  const extra = Array.from({ length: extraColumns }, (_, index) => column(`extra_${index}`, 3 + index, { kind: 'boolean' }));
  return {
    id: { schema, table },
    columns: [
      column('id', 1, { kind: 'integer', bits: 32 }),
      column('note', 2, { kind: 'text', maxLength: null, padded: false }),
      ...extra,
    ],
    primaryKey: ['id'],
    primaryKeyName: `${table}_pkey`,
    identityColumns: ['id'],
    replicaIdentity: 'key',
    types: [],
    extensions: [],
  };
}

export function insertInto(builder: BlockBuilder, table: TableVersion, id: number, note = 'x'): void {
  const row = builder.insert(table);
  row.integer(id);
  const bytes = Buffer.from(note);
  row.string(bytes, 0, bytes.length);
  for (let rest = table.schema.columns.length - 2; rest > 0; rest--) row.null();
  row.end();
}

/** Transaction n commits n µs after 1970, but every seventh a minute before: a clock that was set back. */
function commitAhead(n: number): CommitAhead {
  return { position: at(n), atMicros: BigInt(n % 7 === 0 ? n - 60_000_000 : n) };
}

/** Transactions `from` to `to` of the sample source, each inserting its own number, in one block. */
export function wholeBlock(table: TableVersion, from: number, to = from, note = 'x'): OutgoingBlock {
  const builder = new BlockBuilder();
  for (let n = from; n <= to; n++) {
    builder.begin(String(n), commitAhead(n));
    insertInto(builder, table, n, note);
    builder.commit(at(n), 1, commitAhead(n).atMicros);
  }
  return { builder, announces: [], after: from === 1 ? null : at(from - 1), upTo: at(to), slice: null };
}

/** Slice `index` of transaction `n`; each slice inserts n·1000 + index. */
export function sliceOf(table: TableVersion, n: number, index: number, last: boolean): OutgoingBlock {
  const builder = new BlockBuilder();
  if (index === 0) builder.begin(String(n), commitAhead(n));
  insertInto(builder, table, n * 1000 + index);
  if (last) builder.commit(at(n), index + 1, commitAhead(n).atMicros);
  return { builder, announces: [], after: n === 1 ? null : at(n - 1), upTo: last ? at(n) : null, slice: { index, last } };
}

/** First columns of the rows that a block inserts. */
export function insertedIds(block: EventBlock): number[] {
  const ids: number[] = [];
  const cursor = block.events();
  for (let kind = cursor.next(); kind !== undefined; kind = cursor.next()) {
    if (kind === 'insert') ids.push(Number(decodeRow(cursor.table, cursor.bytes, cursor.afterStart, cursor.afterEnd)[0]));
  }
  return ids;
}
