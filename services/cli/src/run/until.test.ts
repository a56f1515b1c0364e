import type { Position } from '@millrace/contract/position.js';
import type { TableProgress } from '@millrace/contract/sink.js';
import { expect, test } from 'vitest';
import { RunProgress } from './progress.js';
import { reachGoal } from './until.js';

const at = (place: number): Position => ({ source: 's', timeline: 1, key: place.toString(16).padStart(16, '0') });
const ID = { schema: 'public', table: 't' };

/** A run whose source stands at `end.place`; what its workers tell is put in by hand. */
function goal() {
  const progress = new RunProgress();
  const end = { place: 10, asked: 0 };
  const sourcePosition = (): Promise<Position> => {
    end.asked += 1;
    return Promise.resolve(at(end.place));
  };
  const reached = reachGoal(
    { until: 'caught-up', migrationType: 'full-load-and-cdc', progress, sourcePosition },
    AbortSignal.timeout(10_000),
  );
  const outcome: { reason: string | null | undefined } = { reason: undefined };
  reached.then(
    (reason) => {
      outcome.reason = reason;
    },
    () => undefined,
  );
  return { progress, end, reached, outcome };
}

function table(state: TableProgress['state']): TableProgress {
  const counts = { rowsLoaded: 0n, inserts: 0n, updates: 0n, deletes: 0n, truncates: 0n, ddls: 0n, errors: 0n };
  return { source: ID, target: ID, state, counts, load: '1.1', chunksApplied: [], asOf: null, error: null };
}

const applied = (progress: RunProgress, place: number): void => {
  progress.applied = at(place);
};

/** Long enough for the goal to look several times. */
const looks = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 200));

test('a run has caught up when the target passed the position that was noted once every load was settled', async () => {
  const { progress, end, reached, outcome } = goal();
  progress.take('sink', { kind: 'sink', status: { kind: 'loaded' } });
  await looks();
  // The capture has not looked at the catalogue yet: a table may have appeared.
  expect([end.asked, outcome.reason]).toEqual([0, undefined]);
  progress.take('capture', { kind: 'capture', status: { kind: 'awaiting-load', tables: 0 } });
  await looks();
  expect([end.asked, outcome.reason]).toEqual([1, undefined]);
  applied(progress, 10);
  expect(await reached).toBe('caught-up');
});

test('a table whose load is still to be named, or is named and not in, keeps it from having caught up', async () => {
  const { progress, end, reached, outcome } = goal();
  progress.take('sink', { kind: 'sink', status: { kind: 'loaded' } });
  progress.take('capture', { kind: 'capture', status: { kind: 'awaiting-load', tables: 0 } });
  await looks();
  progress.take('capture', { kind: 'capture', status: { kind: 'awaiting-load', tables: 1 } });
  applied(progress, 10);
  await looks();
  expect(outcome.reason).toBeUndefined();
  end.place = 20;
  progress.take('capture', { kind: 'capture', status: { kind: 'awaiting-load', tables: 0 } });
  await looks();
  // The position is noted anew: the load is named behind the first one.
  expect([end.asked, outcome.reason]).toEqual([2, undefined]);
  progress.take('sink', { kind: 'sink', status: { kind: 'tables', tables: [table('being reloaded')] } });
  applied(progress, 20);
  await looks();
  expect(outcome.reason).toBeUndefined();
  progress.take('sink', { kind: 'sink', status: { kind: 'tables', tables: [table('completed')] } });
  expect(await reached).toBe('caught-up');
});
