import type { Coverage } from '@millrace/contract/sink.js';
import { describe, expect, test } from 'vitest';
import { ChangeLog } from './change-log.js';
import { type Step, stepsOf } from './group-steps.js';
import { isCovered } from './is-covered.js';
import { type Change, JournalScript, position, tableVersion } from './testing/blocks.js';

const columns = [{ name: 'id', type: { kind: 'integer', bits: 32 } as const, declaration: 'integer' }];
const a = tableVersion({ schema: 'public', table: 'a' }, columns, ['id']);
const aNew = tableVersion(
  { schema: 'public', table: 'a' },
  [...columns, { name: 'b', type: { kind: 'json' }, declaration: 'json' }],
  ['id'],
);
const b = tableVersion({ schema: 'public', table: 'b' }, columns, ['id']);
const insert = (table: typeof a, id: number): Change => ({ kind: 'insert', table, after: table === aNew ? [id, null] : [id] });

function cut(transactions: readonly (readonly Change[])[], coverage: Coverage | null = null): string[] {
  const script = new JournalScript();
  const log = new ChangeLog();
  for (const changes of transactions) log.add(script.transaction(changes));
  return stepsOf(log, {
    coverage: ({ table }) => (table === 'a' ? coverage : null),
    from: null,
    end: script.checkpoint.position,
  }).map(shown);
}

function shown(step: Step): string {
  if (step.kind !== 'rows') return step.kind;
  return `${step.truncates ? 'truncate ' : ''}${[...step.tables].map(([version, changes]) => `${version.source.table}×${changes.length}`).join(' ')}`;
}

describe('steps', () => {
  test('changes of any tables and transactions are one step', () => {
    expect(cut([[insert(a, 1), insert(b, 1)], [insert(a, 2)]])).toEqual(['a×2 b×1']);
  });

  test('a Schema event and another version of a table are barriers', () => {
    expect(cut([[insert(a, 1), { kind: 'schema', table: aNew, change: { kind: 'version' } }, insert(aNew, 2)]])).toEqual([
      'a×1',
      'schema',
      'a×1',
    ]);
    expect(cut([[insert(a, 1), insert(b, 1), insert(aNew, 2)]])).toEqual(['a×1 b×1', 'a×1']);
  });

  test('a truncation belongs to each of its tables, within one step', () => {
    expect(cut([[insert(a, 1), { kind: 'truncate', tables: [a, b] }]])).toEqual(['truncate a×2 b×1']);
    expect(cut([[insert(a, 1), { kind: 'truncate', tables: [aNew, b] }]])).toEqual(['a×1', 'truncate a×1 b×1']);
  });

  test('#55 what a load holds is left out, its Schema events too; a load that is asked for is not', () => {
    const coverage = { asOf: position(10), chunks: [] };
    expect(cut([[insert(a, 1), insert(b, 1)], [insert(a, 2)]], coverage)).toEqual(['b×1 a×1']);
    expect(cut([[{ kind: 'schema', table: a, change: { kind: 'version' } }], [insert(a, 2)]], coverage)).toEqual(['a×1']);
    expect(cut([[{ kind: 'schema', table: a, change: { kind: 'load', load: '1.1', reason: 'x' } }]], coverage)).toEqual([
      'schema',
    ]);
  });

  test('a drop, and a table set aside, are followed whatever a load holds', () => {
    const coverage = { asOf: position(10), chunks: [] };
    expect(cut([[{ kind: 'schema', table: a, change: { kind: 'dropped' } }]], coverage)).toEqual(['schema']);
    expect(cut([[{ kind: 'schema', table: a, change: { kind: 'error', code: 'X', message: 'x' } }]], coverage)).toEqual([
      'schema',
    ]);
  });

  test('#6 what a load holds is told by the place in the log, also where one of the two is told with a later timeline', () => {
    expect(isCovered({ ...position(5), timeline: 2 }, position(10))).toBe(true);
    expect(isCovered({ ...position(11), timeline: 2 }, position(10))).toBe(false);
    expect(isCovered(position(5), { ...position(10), timeline: 2 })).toBe(true);
    expect(isCovered(position(10), position(10))).toBe(true);
    expect(isCovered(position(11), position(10))).toBe(false);
  });
});
