import { setMaxListeners } from 'node:events';

/**
 * Runs `act` when the signal aborts, at once where it has; dispose it when the wait is over. A listener that is left on a signal which
 * lives as long as the process is a leak.
 */
export function onAbort(signal: AbortSignal | undefined, act: () => void): Disposable {
  if (signal?.aborted === true) act();
  else signal?.addEventListener('abort', act, { once: true });
  return { [Symbol.dispose]: () => signal?.removeEventListener('abort', act) };
}

/**
 * The promise's outcome, or a rejection with the signal's reason where that comes first: only the waiting ends then, and the promise's
 * own end is nobody's any more. Leaves no listener behind.
 */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  let abort: () => void = () => undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    abort = () => {
      const reason: unknown = signal.reason;
      reject(reason);
    };
  });
  using _ = onAbort(signal, abort);
  return await Promise.race([aborted, promise]);
}

/** Waits on one signal at a time, sessions and requests included: more are a leak, and Node warns of it. */
const MAX_WAITS = 100;

/**
 * A controller that aborts with the signal above it, until it is disposed, or one with none above it. In place of AbortSignal.any, which keeps an entry on each of
 * its signals for ever (Node 20): a loop that makes one a round grows without end.
 */
export class AbortScope implements Disposable {
  readonly #controller = new AbortController();
  readonly #link: Disposable;

  constructor(parent?: AbortSignal) {
    setMaxListeners(MAX_WAITS, this.signal);
    this.#link = onAbort(parent, () => this.abort(parent?.reason));
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  abort(reason?: unknown): void {
    this.#controller.abort(reason);
  }

  [Symbol.dispose](): void {
    this.#link[Symbol.dispose]();
  }
}

/** Aborts `graceMs` after another signal has: what is under way at a stop may end by itself until then, and no longer. */
export class Grace implements Disposable {
  readonly #controller = new AbortController();
  readonly #link: Disposable;
  #timer: NodeJS.Timeout | undefined;

  constructor(stop: AbortSignal, graceMs: number) {
    this.#link = onAbort(stop, () => {
      this.#timer = setTimeout(() => this.#controller.abort(stop.reason), graceMs);
    });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    this.#link[Symbol.dispose]();
    clearTimeout(this.#timer);
  }
}
