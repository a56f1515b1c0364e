import { BlockBuilder } from '@millrace/codec/block-builder.js';
import { decodeBlock, type JournalBlock } from '@millrace/codec/block-reader.js';
import { decodeRow } from '@millrace/codec/row-reader.js';
import { newTableVersion } from '@millrace/codec/row-schema.js';
import type { CommitAhead, EventBlock, SchemaChange } from '@millrace/contract/events.js';
import type { TableSchema, TableVersion } from '@millrace/contract/table.js';
import { parseTableMappings } from '@millrace/mapping/parse.js';
import { expect, test } from 'vitest';
import { TableMapper } from './table-mapper.js';

const HISTORY = { source: 's', timeline: 1 };
const at = (n: number) => ({ ...HISTORY, key: n.toString(16).padStart(16, '0') });

function tableNamed(table: string): TableSchema {
  const native = { engine: 'postgresql', schema: 'pg_catalog', name: 'int4', declaration: 'integer' };
  const id = { name: 'id', ordinal: 1, type: { kind: 'integer', bits: 32 }, native, nullable: false } as const;
  return {
    id: { schema: 'public', table },
    columns: [{ ...id, generated: null, identity: 'none', default: null, missingValue: null, collation: null }],
    primaryKey: ['id'],
    primaryKeyName: 'k',
    identityColumns: ['id'],
    replicaIdentity: 'key',
    types: [],
    extensions: [],
  };
}

function mapperWith(...rules: readonly object[]): TableMapper {
  const locator = { 'schema-name': 'public', 'table-name': '%' };
  const selection = { 'rule-type': 'selection', 'rule-id': 1, 'rule-action': 'include', 'object-locator': locator };
  const numbered = rules.map((rule, index) => ({
    'rule-type': 'transformation',
    'rule-id': index + 2,
    'object-locator': locator,
    ...rule,
  }));
  return new TableMapper(parseTableMappings(JSON.stringify({ rules: [selection, ...numbered] })));
}

const addColumn = (value: string, expression: string) => ({
  'rule-target': 'column',
  'rule-action': 'add-column',
  value,
  expression,
  'data-type': { type: 'string' },
});

/** A journal as a capture would have written it: its blocks lie at the offsets 100, 101 … */
class Blocks {
  #offset = 99n;

  constructor(private readonly tables: readonly TableVersion[]) {}

  block(write: (builder: BlockBuilder) => void, more: { readonly slice?: JournalBlock['slice']; readonly clock?: bigint } = {}) {
    const builder = new BlockBuilder();
    write(builder);
    const { slice = null, clock = 9_000_000n } = more;
    const header = { journal: 'j', epoch: 1n, seq: 0n, prev: 1n, ...HISTORY, after: null, slice, clock };
    this.#offset += 1n;
    return decodeBlock(builder.seal(header, 1), this.#offset, (id) => this.#table(id));
  }

  #table(id: number): TableVersion {
    const found = this.tables.find(({ registryId }) => registryId === id);
    if (found === undefined) throw new Error(`no table ${id}`);
    return found;
  }
}

function insert(builder: BlockBuilder, table: TableVersion, id: number): void {
  const row = builder.insert(table);
  row.integer(id);
  row.end();
}

function rowsOf(block: EventBlock): unknown[] {
  const rows: unknown[] = [];
  const events = block.events();
  for (let kind = events.next(); kind !== undefined; kind = events.next())
    if (kind === 'insert') rows.push(decodeRow(events.table, events.bytes, events.afterStart, events.afterEnd));
  return rows;
}

const COMMIT: CommitAhead = { position: at(160), atMicros: 5_000_000n };

test('every slice of a transaction has the headers that its Begin says, and each change a sequence of its own', () => {
  const table = newTableVersion(tableNamed('t'), 1);
  const mapper = mapperWith(
    addColumn('position', '$AR_H_STREAM_POSITION'),
    addColumn('at', '$AR_H_COMMIT_TIMESTAMP'),
    addColumn('transaction', '$AR_H_TRANSACTION_ID'),
    addColumn('seq', '$AR_H_CHANGE_SEQ'),
  );
  const blocks = new Blocks([table]);
  const slices = [
    blocks.block(
      (builder) => {
        builder.begin('77', COMMIT);
        insert(builder, table, 1);
        insert(builder, table, 2);
      },
      { slice: { index: 0, first: -1n, last: false } },
    ),
    blocks.block(
      (builder) => {
        insert(builder, table, 3);
        builder.commit(at(170), 3, 5_000_000n);
      },
      { slice: { index: 1, first: 100n, last: true } },
    ),
  ];
  const headers = ['00000000000000a0', '1970-01-01 00:00:05.000000', '77'];
  expect(slices.flatMap((slice) => rowsOf(mapper.mapBlock(slice)))).toEqual([
    [1, ...headers, '19700101000009000000000000100000000'],
    [2, ...headers, '19700101000009000000000000100000001'],
    [3, ...headers, '19700101000009000000000000101000000'],
  ]);
});

test('a transaction whose Begin says nothing ahead stops a rule that reads headers, and no other', () => {
  const table = newTableVersion(tableNamed('t'), 1);
  const block = new Blocks([table]).block((builder) => {
    builder.begin('77');
    insert(builder, table, 1);
    builder.commit(at(170), 1, 5_000_000n);
  });
  expect(() => mapperWith(addColumn('x', '$AR_H_STREAM_POSITION')).mapBlock(block)).toThrow(
    expect.objectContaining({ code: 'MAPPING_ORIGIN_UNKNOWN' }),
  );
  expect(rowsOf(mapperWith(addColumn('x', '$AR_H_OPERATION')).mapBlock(block))).toEqual([[1, 'INSERT']]);
});

test("a dropped table's target name is free for the next one, in the same block too, and taken again when the table comes back", () => {
  const old = newTableVersion(tableNamed('old'), 1);
  const next = newTableVersion(tableNamed('next'), 2);
  const mapper = mapperWith({ 'rule-target': 'table', 'rule-action': 'rename', value: 'one' });
  const blocks = new Blocks([old, next]);
  const schemas = (...entries: readonly (readonly [TableVersion, SchemaChange['kind'] & ('version' | 'dropped')])[]) =>
    blocks.block((builder) => {
      for (const [table, kind] of entries) builder.schema(table, { kind });
      builder.progress(at(200));
    });
  mapper.mapBlock(schemas([old, 'version']));
  expect(() => mapper.mapBlock(schemas([next, 'version']))).toThrow(expect.objectContaining({ code: 'MAPPING_COLLISION' }));
  mapper.mapBlock(schemas([old, 'dropped'], [next, 'version']));
  mapper.mapBlock(schemas([next, 'dropped'], [old, 'version']));
  expect(() => mapper.mapBlock(schemas([next, 'version']))).toThrow(expect.objectContaining({ code: 'MAPPING_COLLISION' }));
});

test('whoever only asks what becomes of a table takes no name', () => {
  const mapper = mapperWith({ 'rule-target': 'table', 'rule-action': 'rename', value: 'one' });
  expect(mapper.target(tableNamed('old')).id.table).toBe('one');
  expect(mapper.changesRows(tableNamed('next'))).toBe(false);
  expect(mapper.target(tableNamed('next')).id.table).toBe('one');
});
