import { expect, test } from 'vitest';
import type { FromWorker, WorkerFailure } from '../worker/messages.js';
import { RunProgress } from './progress.js';

const position = { source: 's', timeline: 1, key: '00' };
const failure: WorkerFailure = { code: 'SOURCE_CONNECTION_LOST', class: 'retry', message: '', cause: '', remedy: '' };
const inForce: FromWorker = { kind: 'capture', status: { kind: 'in-force', position, lagMs: 5, committed: true } };
const claimed: FromWorker = { kind: 'capture', status: { kind: 'claimed', epoch: 1n, journal: 'j' } };

test.each<FromWorker>([{ kind: 'retrying', failure, inMs: 1 }, { kind: 'failed', failure }, claimed])(
  'the lag is not known any more once the capture is cut off: $kind',
  (message) => {
    const progress = new RunProgress();
    progress.take('capture', inForce);
    progress.targetLagMs = 7;
    expect(progress.sourceLagMs).toBe(5);
    progress.take('capture', message);
    expect([progress.sourceLagMs, progress.targetLagMs]).toEqual([null, null]);
    progress.take('capture', inForce);
    expect(progress.sourceLagMs).toBe(5);
  },
);

test('a sink that is cut off leaves the source lag known', () => {
  const progress = new RunProgress();
  progress.take('capture', inForce);
  progress.targetLagMs = 7;
  progress.take('sink', { kind: 'retrying', failure, inMs: 1 });
  expect([progress.sourceLagMs, progress.targetLagMs]).toEqual([5, null]);
});

test('#6 a position that was noted before a failover is passed on the new timeline, where the log has come so far', () => {
  const progress = new RunProgress();
  progress.applied = { ...position, timeline: 2, key: '05' };
  expect(progress.hasApplied({ ...position, key: '05' })).toBe(true);
  expect(progress.hasApplied({ ...position, key: '06' })).toBe(false);
});
