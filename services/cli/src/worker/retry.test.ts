import { MillraceError } from '@millrace/errors/millrace-error.js';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { IncarnationProgress } from './incarnation-progress.js';
import { patienceMs, retryDelayMs, runIncarnations } from './retry.js';

const OUTAGE_MS = 60_000;
const lost = new MillraceError('SOURCE_CONNECTION_LOST', { doing: 'reading public.t', reason: 'ended' });

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** Incarnations of half a minute each that end in the error: how many there were until it was thrown, 'goes on' after five. */
async function incarnationsUntilGivenUp(during: (progress: IncarnationProgress) => void): Promise<number | 'goes on'> {
  const progress = new IncarnationProgress();
  const stop = new AbortController();
  let count = 0;
  const incarnation = (): Promise<void> => {
    count += 1;
    if (count > 5) stop.abort();
    during(progress);
    vi.advanceTimersByTime(30_000);
    return Promise.reject(lost);
  };
  try {
    await runIncarnations(incarnation, { outageMs: OUTAGE_MS, progress, onRetry: () => undefined }, stop.signal);
    return 'goes on';
  } catch (error) {
    expect(error).toBe(lost);
    return count;
  }
}

test('a load that fails at the same place each time reaches the limit, though the stream moves on', async () => {
  const given = await incarnationsUntilGivenUp((progress) => {
    progress.streamMoved();
    progress.loadFailed();
  });
  expect(given).toBe(4);
});

test.each<[string, (progress: IncarnationProgress) => void]>([
  ['the stream moves on and it is the stream that fails', (progress) => progress.streamMoved()],
  [
    'the load got further before it failed',
    (progress) => {
      progress.loadMoved();
      progress.loadFailed();
    },
  ],
])('failures count anew where %s', async (_, during) => {
  expect(await incarnationsUntilGivenUp(during)).toBe('goes on');
});

test('without any progress the limit is reached', async () => {
  expect(await incarnationsUntilGivenUp(() => undefined)).toBe(4);
});

test('pauses double to 5 s: with the 5 s of one attempt, a server that is back is found within 10 s', () => {
  expect([0, 1, 2, 3, 4, 5, 100].map((failures) => retryDelayMs(failures, 1))).toEqual([
    200, 400, 800, 1_600, 3_200, 5_000, 5_000,
  ]);
  expect(retryDelayMs(100, 0)).toBe(2_500);
});

test('no request to Kafka is tried again for longer than the whole outage may last', () => {
  expect([6_000, 30_000, 600_000].map(patienceMs)).toEqual([6_000, 30_000, 30_000]);
});
