import { fc, test } from '@fast-check/vitest';
import { decodeRow } from '@millrace/codec/row-reader.js';
import type { KeyRange } from '@millrace/contract/load.js';
import { type Row, UNCHANGED, type Value } from '@millrace/contract/row.js';
import type { Coverage } from '@millrace/contract/sink.js';
import type { TableVersion } from '@millrace/contract/table.js';
import { describe, expect } from 'vitest';
import { CHANGE, ChangeLog } from './change-log.js';
import { type Step, stepsOf } from './group-steps.js';
import { type Change, JournalScript, position, tableVersion } from './testing/blocks.js';

// The model of a load that went on in other snapshots (Protocol, Load: "Snapshot lost"): a strict table, in which an insert of a key that
// is there, and an update or delete of one that is not, is an error.

const text = { kind: 'text', maxLength: null, padded: false } as const;
const columns = (key: 'integer' | 'text') => [
  { name: 'n', type: { kind: 'integer', bits: 32 } as const, declaration: 'integer' },
  key === 'integer'
    ? { name: 'id', type: { kind: 'integer', bits: 64 } as const, declaration: 'bigint' }
    : { name: 'id', type: text, declaration: 'text' },
  { name: 'large', type: text, declaration: 'text' },
];
const tables = {
  integer: tableVersion({ schema: 'public', table: 't' }, columns('integer'), ['id']),
  text: tableVersion({ schema: 'public', table: 't' }, columns('text'), ['id']),
};

type Order = 'integer' | 'text';
/** Keys 0 to 5, in the table's own type; negative and multi-byte ones included, in ascending order. */
const KEYS: Readonly<Record<Order, readonly (bigint | string)[]>> = {
  integer: [-5n, -1n, 3n, 20n, 100n, 2n ** 60n],
  text: ['-', 'Z', 'a', 'é', '好', '😀'],
};

type Event =
  | { readonly kind: 'insert'; readonly to: number; readonly large: string }
  | { readonly kind: 'delete'; readonly from: number }
  | { readonly kind: 'update'; readonly from: number; readonly to: number; readonly large: string | null };
interface ModelRow {
  readonly n: number;
  readonly large: string;
}
type Table = ReadonlyMap<number, ModelRow>;

/** What the source does; null where it could not. */
function play(table: Table, event: Event, n: number): Table | null {
  const next = new Map(table);
  const old = event.kind === 'insert' ? undefined : next.get(event.from);
  if (event.kind !== 'insert' && !next.delete(event.from)) return null;
  if (event.kind === 'delete') return next;
  if (next.has(event.to)) return null;
  return next.set(event.to, { n, large: event.large ?? old?.large ?? '' });
}

const key = fc.nat({ max: 5 });
const event: fc.Arbitrary<Event> = fc.oneof(
  fc.record({ kind: fc.constant('insert' as const), to: key, large: fc.constant('new') }),
  fc.record({ kind: fc.constant('delete' as const), from: key }),
  fc.record({ kind: fc.constant('update' as const), from: key, to: key, large: fc.option(fc.constant('changed')) }),
);

interface Scenario {
  readonly order: Order;
  readonly history: readonly Table[];
  readonly events: readonly Event[];
  /** Number of events that the rows of the chunk at this place hold; chunks begin at keys 0, `cuts[0]`, `cuts[1]`. */
  readonly asOf: readonly [number, number, number];
  readonly cuts: readonly [number, number];
  readonly groups: readonly number[];
}

const scenario: fc.Arbitrary<Scenario> = fc
  .record({
    order: fc.constantFrom<Order>('integer', 'text'),
    candidates: fc.array(event, { minLength: 30, maxLength: 80 }),
    asOf: fc.tuple(fc.nat({ max: 12 }), fc.nat({ max: 12 }), fc.nat({ max: 12 })),
    cuts: fc.constantFrom<readonly [number, number]>([1, 3], [2, 4], [3, 5], [1, 2]),
    groups: fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 8 }),
  })
  .map(({ candidates, ...rest }) => {
    const history: Table[] = [new Map()];
    const events: Event[] = [];
    for (const candidate of candidates) {
      const next = play(history.at(-1) ?? new Map(), candidate, events.length);
      if (next === null) continue;
      events.push(candidate);
      history.push(next);
    }
    return { ...rest, history, events, asOf: clamp(rest.asOf, events.length) };
  });

function clamp(asOf: readonly [number, number, number], most: number): readonly [number, number, number] {
  return [Math.min(asOf[0], most), Math.min(asOf[1], most), Math.min(asOf[2], most)];
}

const keyOf = (order: Order, index: number): bigint | string => KEYS[order][index] ?? '';
const chunkOf = ({ cuts }: Scenario, index: number): 0 | 1 | 2 => (index < cuts[0] ? 0 : index < cuts[1] ? 1 : 2);

function coverageOf({ order, asOf, cuts }: Scenario): Coverage {
  const bounds = [null, ...cuts.map((cut) => String(keyOf(order, cut))), null];
  const keys = (at: number): KeyRange => ({
    column: 'id',
    order: order === 'integer' ? 'integer' : 'bytes',
    from: bounds[at] ?? null,
    to: bounds[at + 1] ?? null,
  });
  return {
    asOf: position(10 * Math.max(...asOf)),
    chunks: asOf.map((events, at) => ({ asOf: position(10 * events), keys: keys(at) })),
  };
}

function changeOf(order: Order, table: TableVersion, event: Event, n: number): Change {
  const id = (index: number): Value => keyOf(order, index);
  const before = (index: number): Row => [UNCHANGED, id(index), UNCHANGED];
  if (event.kind === 'delete') return { kind: 'delete', table, before: before(event.from) };
  const after: Row = [n, id(event.to), event.large ?? UNCHANGED];
  if (event.kind === 'insert') return { kind: 'insert', table, after };
  return event.from === event.to
    ? { kind: 'update', table, after }
    : { kind: 'update', table, before: before(event.from), after };
}

/** Applies what the steps leave, strictly. */
function apply(
  target: Map<number, ModelRow>,
  { log, steps, order }: { readonly log: ChangeLog; readonly steps: readonly Step[]; readonly order: Order },
): 'done' | 'hole' {
  for (const step of steps) {
    if (step.kind === 'hole') return 'hole';
    if (step.kind !== 'rows') throw new Error('no schema changes here');
    for (let at = 0; at < step.changes.length; at++) {
      const change = step.changes.at(at);
      const kind = log.kinds.at(change);
      const bytes = log.buffer(log.sources.at(change));
      const image = (start: number, end: number): Row => decodeRow(log.version(change), bytes, start, end);
      const place = (row: Row): number => KEYS[order].findIndex((each) => String(each) === String(row[1]));
      const after = kind === CHANGE.delete ? null : image(log.afterStarts.at(change), log.afterEnds.at(change));
      const before = log.beforeStarts.at(change) < 0 ? null : image(log.beforeStarts.at(change), log.beforeEnds.at(change));
      let old: ModelRow | undefined;
      if (kind !== CHANGE.insert) {
        const from = place(before ?? after ?? []);
        old = target.get(from);
        if (!target.delete(from)) throw new Error(`no row at key ${from}`);
      }
      if (after === null) continue;
      const large = after[2] === UNCHANGED ? old?.large : after[2];
      if (target.has(place(after))) throw new Error(`a row at key ${place(after)}`);
      if (typeof large !== 'string') throw new Error('a value from nowhere');
      target.set(place(after), { n: Number(after[0]), large });
    }
  }
  return 'done';
}

const sorted = (table: Table): readonly (readonly [number, ModelRow])[] => [...table].sort(([one], [other]) => one - other);

/** Replays everything after the earliest snapshot over the loaded rows, in groups; from the latest snapshot on, the target is the source. */
function replay(of: Scenario): 'equal' | 'hole' {
  const { order, history, events, asOf, groups } = of;
  const table = tables[order];
  const target = new Map<number, ModelRow>();
  for (let index = 0; index < 6; index++) {
    const row = history[asOf[chunkOf(of, index)]]?.get(index);
    if (row !== undefined) target.set(index, row);
  }
  const coverage = coverageOf(of);
  const script = new JournalScript();
  for (let at = 0, group = 0; at < events.length; group++) {
    const size = groups[group % groups.length] ?? 1;
    const log = new ChangeLog();
    const from = script.checkpoint.position;
    for (const [index, each] of events.slice(at, at + size).entries())
      log.add(script.transaction([changeOf(order, table, each, at + index)]));
    at = Math.min(at + size, events.length);
    const steps = stepsOf(log, { coverage: () => coverage, from, end: script.checkpoint.position });
    if (apply(target, { log, steps, order }) === 'hole') return 'hole';
    const source = history[at];
    if (source !== undefined && at >= Math.max(...asOf)) expect(sorted(target)).toEqual(sorted(source));
  }
  return 'equal';
}

describe('#13 a load that went on in other snapshots', () => {
  test.prop([scenario], { numRuns: 400 })('and the changes after the first are the source, or the table is set aside', (of) => {
    replay(of);
  });

  test.prop([scenario], { numRuns: 400 })('is the source wherever each change carries all its values', (of) => {
    const events = of.events.map((each) => (each.kind === 'update' ? { ...each, large: each.large ?? 'whole' } : each));
    const history: Table[] = [new Map()];
    for (const [n, each] of events.entries()) history.push(play(history.at(-1) ?? new Map(), each, n) ?? new Map());
    expect(replay({ ...of, events, history })).toBe('equal');
  });

  test.prop([scenario])('needs nothing but its rows where keys stay', (of) => {
    fc.pre(of.events.every((each) => each.kind !== 'update' || each.from === each.to));
    expect(replay(of)).toBe('equal');
  });
});
