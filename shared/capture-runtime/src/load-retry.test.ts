import { MillraceError } from '@millrace/errors/millrace-error.js';
import { expect, test } from 'vitest';
import { afterFailure, MAX_FAILURES, pauseMs } from './load-retry.js';

const table = { schema: 'public', table: 't' };
const rewritten = new MillraceError('TABLE_REWRITTEN', { table: 'public.t', change: 'it was truncated' });
const unreadable = new MillraceError('TABLE_UNREADABLE', { table: 'public.t', reason: 'permission denied', state: '42501' });

test('pauses grow from 0.2 s and stay at 30 s', () => {
  expect([1, 2, 3, 8, 9, 10_000].map(pauseMs)).toEqual([200, 400, 800, 25_600, 30_000, 30_000]);
});

test('a table that may be readable later is tried again, a bounded number of times', () => {
  expect(afterFailure(table, 1, rewritten)).toEqual({ do: 'pause', ms: 200 });
  expect(afterFailure(table, MAX_FAILURES - 1, rewritten)).toMatchObject({ do: 'pause' });
  expect(afterFailure(table, MAX_FAILURES, rewritten)).toMatchObject({
    do: 'set-aside',
    error: { code: 'LOAD_GIVEN_UP', message: expect.stringContaining('it was truncated'), cause: rewritten },
  });
});

test('a table that a person has to see to is set aside at once, with its own error', () => {
  expect(afterFailure(table, 1, unreadable)).toEqual({ do: 'set-aside', error: unreadable });
});
