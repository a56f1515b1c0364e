import kafkajs from 'kafkajs';
import RequestQueue, { type PushedRequest } from 'kafkajs/src/network/requestQueue/index.js';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { quietRequestQueues } from './quiet-request-queue.js';

beforeEach(() => {
  vi.useFakeTimers();
  quietRequestQueues();
});
afterEach(() => void vi.useRealTimers());

function newQueue(): RequestQueue {
  return new RequestQueue({
    maxInFlightRequests: null,
    requestTimeout: 8_000,
    enforceRequestTimeout: true,
    clientId: 'c',
    broker: 'b:1',
    logger: new kafkajs.Kafka({ brokers: ['b:1'], logLevel: kafkajs.logLevel.NOTHING }).logger(),
  });
}

function request(correlationId: number): PushedRequest & { readonly sent: () => number; readonly failures: unknown[] } {
  const failures: unknown[] = [];
  let sent = 0;
  return {
    entry: { correlationId, resolve: () => undefined, reject: (error) => failures.push(error) },
    expectResponse: true,
    sendRequest: () => {
      sent += 1;
    },
    sent: () => sent,
    failures,
  };
}

test('a connection whose requests are all answered sets no timer', () => {
  const queue = newQueue();
  queue.push(request(1));
  queue.fulfillRequest({ correlationId: 1, payload: null, size: 0 });
  expect(vi.getTimerCount()).toBe(0);
});

test('a request held back by a throttle goes when the throttle ends', () => {
  const queue = newQueue();
  queue.maybeThrottle(50);
  const held = request(1);
  queue.push(held);
  expect(held.sent()).toBe(0);
  vi.advanceTimersByTime(60);
  expect(held.sent()).toBe(1);
  expect(vi.getTimerCount()).toBe(0);
});

test('a request without an answer fails soon after its time', () => {
  const queue = newQueue();
  queue.scheduleRequestTimeoutCheck();
  const late = request(1);
  queue.push(late);
  vi.advanceTimersByTime(8_000);
  expect(late.failures).toHaveLength(0);
  vi.advanceTimersByTime(501);
  expect(late.failures).toHaveLength(1);
  queue.destroy();
  expect(vi.getTimerCount()).toBe(0);
});

test.each([2, -2])(
  '#54 a step of the wall clock by %s hours neither breaks a request off nor keeps one that is lost',
  (hours) => {
    const queue = newQueue();
    queue.scheduleRequestTimeoutCheck();
    const late = request(1);
    queue.push(late);
    vi.advanceTimersByTime(4_000);
    vi.setSystemTime(Date.now() + hours * 3_600_000);
    vi.advanceTimersByTime(4_000);
    expect(late.failures).toHaveLength(0);
    vi.advanceTimersByTime(501);
    expect(late.failures).toHaveLength(1);
    queue.destroy();
  },
);
