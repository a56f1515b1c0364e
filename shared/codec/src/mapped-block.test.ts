import type { TableVersion } from '@millrace/contract/table.js';
import { describe, expect, test } from 'vitest';
import { BlockBuilder } from './block-builder.js';
import { decodeBlock, type JournalBlock } from './block-reader.js';
import { ChunkRowsBuilder, ChunkRowsCursor } from './chunk-rows.js';
import { BlockRemapper, mapChunkPart, type RowChange, type TableMapping } from './mapped-block.js';
import { decodeRow, writeRow } from './row-reader.js';
import { newTableVersion } from './row-schema.js';
import { readEvents, type ScriptEvent, SOURCE, TIMELINE, writeEvents } from './testing/event-script.js';
import { plainTable } from './testing/plain-tables.js';

const orders = newTableVersion(plainTable('orders', { id: { kind: 'integer', bits: 32 } }), 1);
const people = newTableVersion(plainTable('people', { id: { kind: 'integer', bits: 32 }, name: { kind: 'other' } }), 2);
const secrets = newTableVersion(plainTable('secrets', { id: { kind: 'integer', bits: 32 } }), 3);
const tables = [orders, people, secrets];

const renamed: TableVersion = { ...orders, schema: { ...orders.schema, id: { schema: 'dr', table: 'ORDERS' } } };
const masked: TableVersion = {
  ...people,
  schema: plainTable('people', { id: { kind: 'integer', bits: 32 }, name: { kind: 'other' }, origin: { kind: 'other' } }),
};
const mappedTables = [renamed, masked];

/** Adds a column, and keeps only rows with an even id. */
function maskPeople(change: RowChange): RowChange | null {
  const image = change.kind === 'delete' ? change.before : change.after;
  if (Number(image[0]) % 2 === 1) return null;
  if (change.kind === 'delete') return { kind: 'delete', before: [...change.before, null] };
  return { kind: 'insert', after: [change.after[0] ?? null, 'xxx', 'shop'] };
}

function mappingOf(table: TableVersion): TableMapping {
  if (table === orders) return { kind: 'rename', version: renamed };
  if (table === people) return { kind: 'rows', version: masked, map: maskPeople };
  return { kind: 'drop' };
}

function block(events: readonly ScriptEvent[], slice: JournalBlock['slice'] = null): JournalBlock {
  const builder = new BlockBuilder();
  writeEvents(builder, tables, events);
  const framed = builder.seal(
    { journal: 'j', epoch: 1n, seq: 0n, prev: 1n, source: SOURCE, timeline: TIMELINE, after: null, slice, clock: null },
    1,
  );
  return decodeBlock(framed, 7n, (id) => tables.find(({ registryId }) => registryId === id) ?? orders);
}

const begin: ScriptEvent = { kind: 'begin', xid: '1' };
const commit = (events: number): ScriptEvent => ({ kind: 'commit', key: '0a', events, committedAt: 5n });
const insert = (table: number, after: readonly (number | string)[]): ScriptEvent => ({ kind: 'insert', table, after });

describe('remapping', () => {
  test('a block of renamed tables keeps its bytes', () => {
    const events = [begin, insert(0, [1]), commit(1)];
    const original = block(events);
    const mapped = new BlockRemapper(mappingOf).remap(original);
    expect(mapped.events().bytes).toBe(original.events().bytes);
    expect(readEvents(mapped, mappedTables)).toEqual(events);
  });

  test('rows are mapped, filtered and dropped, and the Commit counts what is left', () => {
    const events: ScriptEvent[] = [
      { kind: 'schema', table: 2, change: { kind: 'version' } },
      { kind: 'schema', table: 1, change: { kind: 'version' } },
      begin,
      insert(0, [1]),
      { kind: 'update', table: 0, before: null, after: [2] },
      { kind: 'update', table: 0, before: [2], after: [3] },
      insert(1, [1, 'Ada']),
      insert(1, [2, 'Bob']),
      { kind: 'delete', table: 1, before: [2, 'Bob'] },
      insert(2, [9]),
      { kind: 'truncate', tables: [2], cascade: false, restartIdentity: false },
      { kind: 'truncate', tables: [0, 2], cascade: true, restartIdentity: true },
      commit(9),
      { kind: 'progress', key: '0b' },
    ];
    const mapped = new BlockRemapper(mappingOf).remap(block(events));
    expect(mapped).toMatchObject({ offset: 7n, rowCount: 5, schemaCount: 1 });
    expect(readEvents(mapped, mappedTables)).toEqual([
      { kind: 'schema', table: 1, change: { kind: 'version' } },
      begin,
      insert(0, [1]),
      { kind: 'update', table: 0, before: null, after: [2] },
      { kind: 'update', table: 0, before: [2], after: [3] },
      { kind: 'insert', table: 1, after: [2, 'xxx', 'shop'] },
      { kind: 'delete', table: 1, before: [2, 'Bob', null] },
      { kind: 'truncate', tables: [0], cascade: true, restartIdentity: true },
      commit(6),
      { kind: 'progress', key: '0b' },
    ]);
  });

  test('a Commit counts the mapped events of all its slices, and an abandoned transaction is forgotten', () => {
    const remapper = new BlockRemapper(mappingOf);
    remapper.remap(block([begin, insert(0, [1]), insert(0, [2])], { index: 0, first: -1n, last: false }));
    const slices = [
      block([begin, insert(0, [1]), insert(2, [5])], { index: 0, first: -1n, last: false }),
      block([insert(2, [6])], { index: 1, first: 7n, last: false }),
      block([insert(0, [2]), commit(4)], { index: 2, first: 7n, last: true }),
    ];
    expect(slices.map((slice) => readEvents(remapper.remap(slice), mappedTables))).toEqual([
      [begin, insert(0, [1])],
      [],
      [insert(0, [2]), commit(2)],
    ]);
  });

  test('a block of dropped tables alone has no events', () => {
    const mapped = new BlockRemapper(mappingOf).remap(block([{ kind: 'schema', table: 2, change: { kind: 'dropped' } }]));
    expect(readEvents(mapped, mappedTables)).toEqual([]);
  });

  test('loaded rows are mapped one by one', () => {
    const builder = new ChunkRowsBuilder(people);
    for (const row of [
      [1, 'Ada'],
      [2, 'Bob'],
      [4, 'Cyd'],
    ])
      writeRow(people, row, builder.row());
    const part = mapChunkPart(builder.take(), { from: people, to: masked, map: ([id = null]) => [id, 'xxx', 'shop'] });
    expect(part.rows).toBe(3);
    const cursor = new ChunkRowsCursor(part, masked);
    const rows = [];
    while (cursor.next()) rows.push(decodeRow(masked, part.bytes, cursor.start, cursor.end));
    expect(rows).toEqual([
      [1, 'xxx', 'shop'],
      [2, 'xxx', 'shop'],
      [4, 'xxx', 'shop'],
    ]);
  });
});
