import { getEventListeners } from 'node:events';
import { expect, test, vi } from 'vitest';
import { AbortScope, abortable, Grace, onAbort } from './abort.js';
import { Changes } from './changes.js';

const listeners = ({ signal }: AbortController): number => getEventListeners(signal, 'abort').length;

test('thousands of waits on one signal leave no listener behind, however they end', async () => {
  const stop = new AbortController();
  const changes = new Changes();
  for (let round = 0; round < 5_000; round++) {
    await abortable(Promise.resolve(), stop.signal);
    await abortable(Promise.reject(new Error('broken')), stop.signal).catch(() => undefined);
    const waiting = changes.wait(stop.signal);
    changes.notify();
    await waiting;
    {
      using child = new AbortScope(stop.signal);
      using _grace = new Grace(child.signal, 1_000);
      using _act = onAbort(child.signal, () => undefined);
      if (round % 2 === 0) child.abort();
    }
  }
  expect(listeners(stop)).toBe(0);
});

test('a wait ends with the signal, and what comes later is nobody’s', async () => {
  const stop = new AbortController();
  let fail: (error: unknown) => void = () => undefined;
  const hanging = new Promise<void>((_resolve, reject) => {
    fail = reject;
  });
  const waiting = abortable(hanging, stop.signal);
  stop.abort(new Error('stopped'));
  await expect(waiting).rejects.toThrow('stopped');
  // Must not count as unhandled.
  fail(new Error('late'));
  await expect(abortable(Promise.resolve(1), stop.signal)).rejects.toThrow('stopped');
  expect(listeners(stop)).toBe(0);
});

test('a child aborts with its parent, and the parent not with it', () => {
  const parent = new AbortController();
  using one = new AbortScope(parent.signal);
  using other = new AbortScope(parent.signal);
  one.abort('done');
  expect([one.signal.reason, other.signal.aborted, parent.signal.aborted]).toEqual(['done', false, false]);
  parent.abort('stop');
  expect([one.signal.reason, other.signal.reason]).toEqual(['done', 'stop']);
  using late = new AbortScope(parent.signal);
  expect(late.signal.reason).toBe('stop');
});

test('grace begins with the stop and ends once', () => {
  vi.useFakeTimers();
  try {
    const stop = new AbortController();
    using grace = new Grace(stop.signal, 3_000);
    vi.advanceTimersByTime(60_000);
    stop.abort('stop');
    vi.advanceTimersByTime(2_999);
    expect(grace.signal.aborted).toBe(false);
    vi.advanceTimersByTime(1);
    expect(grace.signal.reason).toBe('stop');
  } finally {
    vi.useRealTimers();
  }
});
