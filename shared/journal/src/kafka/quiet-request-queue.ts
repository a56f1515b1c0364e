import RequestQueue, { type SentRequest } from 'kafkajs/src/network/requestQueue/index.js';

/** How often a connection looks for requests that got no answer in time; they may wait for seconds. */
const TIMEOUT_CHECK_MS = 500;

const { prototype } = RequestQueue;
const schedule = prototype.scheduleCheckPendingRequests;
/** When a look first met the request, by the monotonic clock: at most one look after it was sent. */
const metAtMs = new WeakMap<SentRequest, number>();

/**
 * Keeps connections with nothing to do from waking the process. kafkajs 2.2.4 looks after every response for requests held back by a
 * throttle, and again 1 ms after each look, for ever (its issue 1556): here only where some are held back. And it looks for late
 * requests ten times a second, by the wall clock: a step of it would break healthy requests off, or wait hours for lost ones. The class is one per process, so this is done once, when a client is made.
 */
export function quietRequestQueues(): void {
  prototype.scheduleCheckPendingRequests = scheduleWherePending;
  prototype.scheduleRequestTimeoutCheck = checkTimeouts;
}

function scheduleWherePending(this: RequestQueue): void {
  if (this.pending.length > 0) schedule.call(this);
}

function checkTimeouts(this: RequestQueue): void {
  this.destroy();
  this.requestTimeoutIntervalId = setInterval(() => {
    for (const request of [...this.inflight.values()]) {
      const now = performance.now();
      const met = metAtMs.get(request) ?? now;
      metAtMs.set(request, met);
      if (now - met >= request.requestTimeout) request.timeoutRequest();
    }
    if (!this.isConnected()) this.destroy();
  }, TIMEOUT_CHECK_MS);
}
