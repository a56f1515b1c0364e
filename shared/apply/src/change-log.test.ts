import { expect, test } from 'vitest';
import { ChangeLog } from './change-log.js';
import { stepsOf } from './group-steps.js';
import { JournalScript, tableVersion } from './testing/blocks.js';

const table = tableVersion(
  { schema: 'public', table: 't' },
  [{ name: 'id', type: { kind: 'integer', bits: 32 }, declaration: 'integer' }],
  ['id'],
);

test('a place beside a Schema event tells the changes before it from those behind it', () => {
  const script = new JournalScript();
  const log = new ChangeLog();
  const insert = (id: number) => ({ kind: 'insert' as const, table, after: [id] });
  const version = { kind: 'schema' as const, table, change: { kind: 'version' as const } };
  for (const changes of [[insert(1), version, insert(2)], [insert(3)], [version, version, insert(4)]])
    log.add(script.transaction(changes));
  // Of the first block: Begin, insert, Schema event, insert.
  expect(log.firstBehind({ offset: 0n, event: 2 })).toBe(1);
  expect(log.firstBehind({ offset: 0n, event: 3 })).toBe(2);
  // Of the third: Begin, two Schema events, insert.
  expect(log.firstBehind({ offset: 2n, event: 1 })).toBe(4);
  expect(log.firstBehind({ offset: 2n, event: 2 })).toBe(5);
  expect(log.firstBehind({ offset: 2n, event: 3 })).toBe(6);
  // In a later block everything here lies before it.
  expect(log.firstBehind({ offset: 3n, event: 0 })).toBe(log.length);
  expect(() => log.firstBehind({ offset: 1n, event: 1 })).toThrow('no Schema event');

  const kinds = stepsOf(log, { coverage: () => null, from: null, end: null, first: 5 }).map(({ kind }) => kind);
  expect(kinds).toEqual(['schema', 'rows']);
});
