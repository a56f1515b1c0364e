import { expect, test } from 'vitest';
import type { FromWorker, WorkerFailure } from '../worker/messages.js';
import { judgeEnd } from './judge-end.js';
import { RunProgress } from './progress.js';
import type { Outcome } from './supervisor.js';

const failure: WorkerFailure = { code: 'SLOT_IN_USE', class: 'operator', message: '', cause: '', remedy: '' };
const failed: Outcome = { reason: 'failed', failure, role: 'capture' };
const position = { source: 's', timeline: 1, key: '00' };
const streaming: FromWorker = { kind: 'capture', status: { kind: 'streaming', after: position } };
const loading: FromWorker = {
  kind: 'sink',
  status: { kind: 'table', table: { schema: 'public', table: 't' }, state: 'full load' },
};
const inError: FromWorker = { kind: 'sink', status: { kind: 'table', table: { schema: 'public', table: 't' }, state: 'error' } };

function progress(...messages: readonly FromWorker[]): RunProgress {
  const folded = new RunProgress();
  for (const message of messages) folded.take(message.kind === 'capture' ? 'capture' : 'sink', message);
  return folded;
}

test('a first start that fails before anything reached the target is refused and taken back', () => {
  expect(judgeEnd(failed, progress(), true)).toEqual({ outcome: { ...failed, reason: 'refused' }, undo: true });
  expect(judgeEnd(failed, progress(streaming), true)).toEqual({ outcome: { ...failed, reason: 'refused' }, undo: true });
});

test('what a start met is never taken back, and neither is what reached the target', () => {
  expect(judgeEnd(failed, progress(), false)).toEqual({ outcome: { ...failed, reason: 'refused' }, undo: false });
  expect(judgeEnd(failed, progress(streaming, loading), true)).toEqual({ outcome: failed, undo: false });
});

test('a worker that worked and then gives up has failed; so has a server that stayed away too long', () => {
  expect(judgeEnd(failed, progress(streaming), false).outcome.reason).toBe('failed');
  const away: Outcome = { ...failed, failure: { ...failure, class: 'retry' } };
  expect(judgeEnd(away, progress(), true)).toEqual({ outcome: away, undo: false });
});

test('a fenced run stays fenced and takes nothing back', () => {
  const fenced: Outcome = { ...failed, reason: 'fenced' };
  expect(judgeEnd(fenced, progress(), true)).toEqual({ outcome: fenced, undo: false });
});

test('a goal is not reached while a table is in error', () => {
  const reached: Outcome = { reason: 'loaded', failure: null, role: null };
  expect(judgeEnd(reached, progress(loading), false).outcome.reason).toBe('loaded');
  expect(judgeEnd(reached, progress(inError), false).outcome.reason).toBe('failed');
});
