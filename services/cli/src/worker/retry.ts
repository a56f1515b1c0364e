import { setTimeout as delay } from 'node:timers/promises';
import { MillraceError } from '@millrace/errors/millrace-error.js';

const FIRST_DELAY_MS = 200;
const MAX_DELAY_MS = 8_000;

export interface RetryOptions {
  /** How long a server may be away before the last error is thrown. */
  readonly outageMs: number;
  /** Time of the last sign of progress: an incarnation that got somewhere starts the count anew. */
  readonly lastProgress: () => number;
  readonly onRetry: (error: unknown, inMs: number) => void;
}

/**
 * Runs incarnation after incarnation until one ends by the signal, or fails with an error that is not to be tried again, or
 * nothing has got anywhere for the whole outage time. Delays double from 0.2 s to 8 s, with jitter, so that a server which
 * comes back is found within 10 s.
 */
export async function runIncarnations(
  incarnation: () => Promise<void>,
  options: RetryOptions,
  signal: AbortSignal,
): Promise<void> {
  let failures = 0;
  let started = Date.now();
  while (!signal.aborted) {
    const begun = Date.now();
    try {
      await incarnation();
      return;
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof MillraceError) || error.class !== 'retry') throw error;
      if (options.lastProgress() > begun) {
        failures = 0;
        started = Date.now();
      }
      if (Date.now() - started > options.outageMs) throw error;
      const longest = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** failures);
      const inMs = Math.round(longest * (0.5 + Math.random() / 2));
      failures += 1;
      options.onRetry(error, inMs);
      await delay(inMs, undefined, { signal }).catch(() => undefined);
    }
  }
}
