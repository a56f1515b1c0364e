import { test as property } from '@fast-check/vitest';
import { decodeRow } from '@millrace/codec/row-reader.js';
import { type Row, UNCHANGED, type Value } from '@millrace/contract/row.js';
import type { TableVersion } from '@millrace/contract/table.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ChangeLog } from './change-log.js';
import { type ImageLayout, imageLayoutOf } from './image-layout.js';
import { IntList } from './int-list.js';
import { type NetChanges, netChanges } from './net-changes.js';
import type { RowList } from './row-list.js';
import { type Change, JournalScript, tableVersion } from './testing/blocks.js';

const text = { kind: 'text', maxLength: null, padded: false } as const;
const table = tableVersion(
  { schema: 'public', table: 't' },
  [
    { name: 'k', type: { kind: 'integer', bits: 32 }, declaration: 'integer' },
    { name: 'a', type: { kind: 'integer', bits: 32 }, declaration: 'integer' },
    { name: 'big', type: text, declaration: 'text' },
  ],
  ['k'],
);
const wide = tableVersion(
  { schema: 'public', table: 'w' },
  [
    { name: 'a', type: { kind: 'integer', bits: 32 }, declaration: 'integer' },
    { name: 'k2', type: text, declaration: 'text' },
    { name: 'big', type: text, declaration: 'text' },
    { name: 'k1', type: { kind: 'integer', bits: 64 }, declaration: 'bigint' },
  ],
  ['k1', 'k2'],
);

const insert = (after: Row): Change => ({ kind: 'insert', table, after });
const update = (after: Row, oldKey?: number): Change =>
  oldKey === undefined
    ? { kind: 'update', table, after }
    : { kind: 'update', table, before: [oldKey, UNCHANGED, UNCHANGED], after };
const remove = (key: number): Change => ({ kind: 'delete', table, before: [key, UNCHANGED, UNCHANGED] });
const truncate: Change = { kind: 'truncate', tables: [table] };

function collapse(changes: readonly Change[], version: TableVersion = table): { log: ChangeLog; net: NetChanges | undefined } {
  const log = new ChangeLog();
  const script = new JournalScript();
  for (const change of changes) log.add(script.transaction([change]));
  const indexes = new IntList();
  for (let index = 0; index < log.length; index++) indexes.push(index);
  return { log, net: netChanges(log, imageLayoutOf(version), indexes) };
}

function rows(log: ChangeLog, list: RowList, version: TableVersion): Row[] {
  return Array.from({ length: list.length }, (_, index) =>
    decodeRow(version, log.buffer(list.buffers.at(index)), list.starts.at(index), list.ends.at(index)),
  );
}

/** The same, readable: what each list holds. */
function shown(changes: readonly Change[]) {
  const { log, net } = collapse(changes);
  if (net === undefined) return 'contradiction';
  return {
    ...(net.truncate ? { truncate: true } : {}),
    ...(net.deletes.length > 0 ? { deletes: rows(log, net.deletes, table).map((row) => row[0]) } : {}),
    ...(net.updates.length > 0 ? { updates: net.updates.flatMap((set) => rows(log, set.rows, table)) } : {}),
    ...(net.inserts.length > 0 ? { inserts: rows(log, net.inserts, table) } : {}),
    ...(net.moves.to.length > 0
      ? { moves: rows(log, net.moves.to, table).map((row, index) => [rows(log, net.moves.from, table)[index]?.[0], row]) }
      : {}),
  };
}

describe('changes of one key collapse', () => {
  const U: typeof UNCHANGED = UNCHANGED;
  const cases: readonly (readonly [string, readonly Change[], unknown])[] = [
    ['an insert stays an insert', [insert([1, 1, 'x'])], { inserts: [[1, 1, 'x']] }],
    [
      'insert, then update: one insert of the newest values',
      [insert([1, 1, 'x']), update([1, 2, 'y'])],
      { inserts: [[1, 2, 'y']] },
    ],
    [
      'insert, then update that leaves a value unchanged: the inserted value stays',
      [insert([1, 1, 'x']), update([1, 2, U])],
      { inserts: [[1, 2, 'x']] },
    ],
    ['insert, then delete: nothing', [insert([1, 1, 'x']), remove(1)], {}],
    [
      "update, then update with unchanged: the first one's value stays",
      [update([1, 1, 'x']), update([1, 2, U])],
      { updates: [[1, 2, 'x']] },
    ],
    ['a value that no update sets stays unchanged', [update([1, 1, U]), update([1, 2, U])], { updates: [[1, 2, U]] }],
    ['update, then delete: a delete', [update([1, 1, 'x']), remove(1)], { deletes: [1] }],
    ['#47 delete, then insert: both, in this order', [remove(1), insert([1, 5, 'n'])], { deletes: [1], inserts: [[1, 5, 'n']] }],
    [
      "delete, insert, update with unchanged: the new row's value",
      [remove(1), insert([1, 5, 'n']), update([1, 6, U])],
      { deletes: [1], inserts: [[1, 6, 'n']] },
    ],
    ['delete, insert, delete: one delete', [remove(1), insert([1, 5, 'n']), remove(1)], { deletes: [1] }],
    ['a move with all values: delete and insert', [update([2, 1, 'x'], 1)], { deletes: [1], inserts: [[2, 1, 'x']] }],
    ['a move with unchanged values needs the old row', [update([2, 1, U], 1)], { moves: [[1, [2, 1, U]]] }],
    [
      'a move of a row updated before takes that value',
      [update([1, 9, 'y']), update([2, 1, U], 1)],
      { deletes: [1], inserts: [[2, 1, 'y']] },
    ],
    ['two moves are one from the first key', [update([2, 1, U], 1), update([3, 2, U], 2)], { moves: [[1, [3, 2, U]]] }],
    ['a move there and back is an update', [update([2, 1, U], 1), update([1, 2, U], 2)], { updates: [[1, 2, U]] }],
    ['a move onto a key that became free', [remove(2), update([2, 1, 'x'], 1)], { deletes: [2, 1], inserts: [[2, 1, 'x']] }],
    ['a moved row that is deleted: its old key is deleted', [update([2, 1, U], 1), remove(2)], { deletes: [1] }],
    ['an inserted row that moves: one insert', [insert([1, 1, 'x']), update([2, 2, U], 1)], { inserts: [[2, 2, 'x']] }],
    [
      'a truncation drops what came before',
      [insert([1, 1, 'x']), remove(3), truncate, insert([3, 1, 'z'])],
      { truncate: true, inserts: [[3, 1, 'z']] },
    ],
    ['inserting a key twice is a contradiction', [insert([1, 1, 'x']), insert([1, 1, 'x'])], 'contradiction'],
    ['updating a deleted row is a contradiction', [remove(1), update([1, 1, 'x'])], 'contradiction'],
    ['deleting twice is a contradiction', [remove(1), remove(1)], 'contradiction'],
    ['moving onto a row that is there is a contradiction', [update([2, 0, 'x']), update([2, 1, 'x'], 1)], 'contradiction'],
    ['updating after a truncation is a contradiction', [truncate, update([1, 1, 'x'])], 'contradiction'],
  ];
  test.each(cases)('%s', (_name, changes, expected) => {
    expect(shown(changes)).toEqual(expected);
  });

  test('updates that carry different columns come in sets of their own', () => {
    const { net } = collapse([update([1, 1, 'x']), update([2, 1, UNCHANGED]), update([3, 1, UNCHANGED])]);
    expect(net?.updates.map(({ present, rows: list }) => [present, list.length])).toEqual([
      [[true, true, true], 1],
      [[true, true, false], 2],
    ]);
  });

  test('a key column that the new image leaves unchanged is taken from the old image', () => {
    const before: Row = [UNCHANGED, 'long key', UNCHANGED, 7n];
    const { log, net } = collapse([{ kind: 'update', table: wide, before, after: [5, UNCHANGED, UNCHANGED, 7n] }], wide);
    expect(net?.updates.flatMap((set) => rows(log, set.rows, wide))).toEqual([[5, 'long key', UNCHANGED, 7n]]);
  });

  test('a table without a key has no key columns', () => {
    const keyless = tableVersion({ schema: 'public', table: 'h' }, [{ name: 'a', type: text, declaration: 'text' }], []);
    expect(imageLayoutOf(keyless).key).toEqual([]);
  });
});

/** A table in memory: what the target is, by key. */
type Table = Map<string, Value[]>;

function keyOf(layout: ImageLayout, row: Row): string {
  return layout.key.map((column) => String(row[column])).join('|');
}

function playOneByOne(state: Table, layout: ImageLayout, change: Change): void {
  if (change.kind === 'truncate') state.clear();
  else if (change.kind === 'insert') state.set(keyOf(layout, change.after), [...change.after]);
  else if (change.kind === 'delete') state.delete(keyOf(layout, change.before));
  else if (change.kind === 'update') {
    const old = keyOf(layout, change.before ?? change.after);
    const row = state.get(old) ?? [];
    state.delete(old);
    const merged = change.after.map((value, index) => (value === UNCHANGED ? (row[index] ?? null) : value));
    state.set(keyOf(layout, merged), merged);
  }
}

function playNet(state: Table, layout: ImageLayout, log: ChangeLog, net: NetChanges): void {
  const { version } = layout;
  const must = (row: Row): Value[] => {
    const found = state.get(keyOf(layout, row));
    if (found === undefined) throw new Error('conflict: no row');
    return found;
  };
  if (net.truncate) state.clear();
  for (const row of rows(log, net.deletes, version)) {
    must(row);
    state.delete(keyOf(layout, row));
  }
  const returned = rows(log, net.moves.from, version).map((row) => {
    const old = must(row);
    state.delete(keyOf(layout, row));
    return old;
  });
  for (const set of net.updates) {
    for (const row of rows(log, set.rows, version)) {
      const found = must(row);
      row.forEach((value, index) => {
        if (value !== UNCHANGED) found[index] = value;
      });
      expect(row.map((value) => value !== UNCHANGED)).toEqual(set.present);
    }
  }
  const moved = rows(log, net.moves.to, version).map((row, at) =>
    row.map((value, index) => (value === UNCHANGED ? (returned[at]?.[index] ?? null) : value)),
  );
  for (const row of [...rows(log, net.inserts, version), ...moved]) {
    if (state.has(keyOf(layout, row))) throw new Error('conflict: duplicate key');
    state.set(keyOf(layout, row), [...row]);
  }
}

/** Choices from which a valid history is made: each is tried against the table as it is then. */
const step = fc.record({
  pick: fc.nat(999),
  kind: fc.constantFrom('insert', 'insert', 'update', 'update', 'update', 'move', 'delete', 'delete', 'truncate'),
  key: fc.nat(5),
  value: fc.nat(99),
  unchanged: fc.boolean(),
  fullOld: fc.boolean(),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function rowOf(version: TableVersion, key: number, value: number, big: Value): Row {
  return version === table ? [key, value, big] : [value, `k${key % 2}`, big, BigInt(key) * 3n - (1n << 60n)];
}

/** A change that is valid for the table as it is, which it changes. */
function nextChange(state: Table, layout: ImageLayout, choice: Step): Change | undefined {
  const { version } = layout;
  const present = [...state.values()];
  const chosen = present[choice.pick % Math.max(1, present.length)];
  const fresh = rowOf(version, choice.key, choice.value, `big${choice.value}`);
  const free = !state.has(keyOf(layout, fresh));
  const keyOnly = (row: Row): Row =>
    row.map((value, index) => (layout.key.includes(index) || choice.fullOld ? value : UNCHANGED));
  const withBig = (row: Row): Row => row.map((value, index) => (index === 2 && choice.unchanged ? UNCHANGED : value));
  switch (choice.kind) {
    case 'insert':
      return free ? { kind: 'insert', table: version, after: fresh } : undefined;
    case 'delete':
      return chosen === undefined ? undefined : { kind: 'delete', table: version, before: keyOnly([...chosen]) };
    case 'truncate':
      return choice.pick % 4 === 0 ? { kind: 'truncate', tables: [version] } : undefined;
    case 'move':
      return chosen === undefined || !free
        ? undefined
        : { kind: 'update', table: version, before: keyOnly([...chosen]), after: withBig(fresh) };
    default: {
      if (chosen === undefined) return undefined;
      const after = withBig(fresh.map((value, index) => (layout.key.includes(index) ? (chosen[index] ?? null) : value)));
      return choice.fullOld
        ? { kind: 'update', table: version, before: [...chosen], after }
        : { kind: 'update', table: version, after };
    }
  }
}

property.prop([fc.array(step, { maxLength: 40 }), fc.nat(10), fc.boolean()], { numRuns: 1500 })(
  'net changes give the same table as the changes one by one',
  (choices, before, isWide) => {
    const version = isWide ? wide : table;
    const layout = imageLayoutOf(version);
    const oneByOne: Table = new Map();
    const target: Table = new Map();
    const group: Change[] = [];
    choices.forEach((choice, index) => {
      const change = nextChange(oneByOne, layout, choice);
      if (change === undefined) return;
      playOneByOne(oneByOne, layout, change);
      if (index < before) playOneByOne(target, layout, change);
      else group.push(change);
    });
    const { log, net } = collapse(group, version);
    if (net === undefined) throw new Error('a valid history was taken for a contradiction');
    playNet(target, layout, log, net);
    expect(new Map([...target].sort())).toEqual(new Map([...oneByOne].sort()));
  },
);
