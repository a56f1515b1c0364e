import { expect, test } from 'vitest';
import { BoundedQueue } from './bounded-queue.js';
import { Changes } from './changes.js';
import { openAll } from './open-all.js';
import { Prefetch } from './prefetch.js';

async function* numbers(count: number): AsyncGenerator<{ readonly n: number; readonly byteLength: number }> {
  for (let n = 0; n < count; n++) yield { n, byteLength: 10 };
}

test('a full queue makes its producer wait until the consumer has taken one', async () => {
  const queue = new BoundedQueue<number>(1);
  await queue.push(1);
  let second = 'waiting';
  const push = queue.push(2).then(() => {
    second = 'in';
  });
  await Promise.resolve();
  expect(second).toBe('waiting');
  const items = queue[Symbol.asyncIterator]();
  expect(await items.next()).toEqual({ done: false, value: 1 });
  await push;
  expect(second).toBe('in');
  queue.end();
  expect(await items.next()).toEqual({ done: false, value: 2 });
  expect((await items.next()).done).toBe(true);
});

test('a failed queue fails both sides, also one that waits', async () => {
  const queue = new BoundedQueue<number>(1);
  await queue.push(1);
  const waiting = queue.push(2);
  queue.fail(new Error('the reader died'));
  await expect(waiting).rejects.toThrow('the reader died');
  await expect(queue[Symbol.asyncIterator]().next()).rejects.toThrow('the reader died');
});

test('prefetch reads ahead no further than its bound', async () => {
  let made = 0;
  async function* counted(): AsyncGenerator<{ readonly byteLength: number }> {
    for await (const item of numbers(100)) {
      made += 1;
      yield item;
    }
  }
  const stop = new AbortController();
  const ahead = new Prefetch<{ readonly byteLength: number }>(50);
  const filling = ahead.fill(counted(), stop.signal);
  await new Promise((resolve) => setImmediate(resolve));
  expect(made).toBe(5);
  await ahead.take(stop.signal);
  await new Promise((resolve) => setImmediate(resolve));
  expect(made).toBe(6);
  stop.abort();
  await filling;
});

test("prefetch hands over what was read before its source's error, then the error", async () => {
  async function* failing(): AsyncGenerator<{ readonly byteLength: number }> {
    yield { byteLength: 1 };
    throw new Error('the log is gone');
  }
  const stop = new AbortController();
  const ahead = new Prefetch<{ readonly byteLength: number }>(50);
  await ahead.fill(failing(), stop.signal);
  expect(await ahead.take(stop.signal)).toEqual({ byteLength: 1 });
  await expect(ahead.take(stop.signal)).rejects.toThrow('the log is gone');
});

test('a waiter wakes for a notice and for an abort, and leaves no listener behind', async () => {
  const changes = new Changes();
  const stop = new AbortController();
  const first = changes.wait(stop.signal);
  changes.notify();
  await first;
  const second = changes.wait(stop.signal);
  stop.abort();
  await second;
  await changes.wait(stop.signal);
});

test('what opened beside something that fails is closed again', async () => {
  const closed: string[] = [];
  const opening = (name: string): AsyncDisposable => ({
    [Symbol.asyncDispose]: () => {
      closed.push(name);
      return Promise.resolve();
    },
  });
  const late = Promise.resolve().then(() => opening('late'));
  await expect(openAll([Promise.resolve(opening('early')), Promise.reject(new Error('refused')), late])).rejects.toThrow(
    'refused',
  );
  expect(closed).toEqual(['early', 'late']);
  const both = await openAll([Promise.resolve(opening('one')), Promise.resolve(opening('two'))]);
  expect(both).toHaveLength(2);
  expect(closed).toEqual(['early', 'late']);
});
