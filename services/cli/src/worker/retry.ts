import { setTimeout as delay } from 'node:timers/promises';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { FailureSeries } from '../run/failure-series.js';
import type { IncarnationProgress } from './incarnation-progress.js';

const FIRST_DELAY_MS = 200;
const MAX_DELAY_MS = 5_000;
/** What one request to Kafka or the registry is given before its incarnation fails. */
const REQUEST_PATIENCE_MS = 30_000;
/** One outage fails many requests at once: enough that people see every 10 s that it lasts. */
const REPORT_EVERY_MS = 5_000;

export interface RetryOptions {
  /** How long a server may be away before the last error is thrown. */
  readonly outageMs: number;
  /** Of the incarnation that has just failed: one that got further starts the count anew. */
  readonly progress: IncarnationProgress;
  readonly onRetry: (error: unknown, inMs: number) => void;
}

/**
 * Runs incarnation after incarnation until one ends by the signal, or fails with an error that is not to be tried again, or
 * none has got further for the whole outage time. Delays double from 0.2 s to 5 s, with jitter: with the 5 s that one attempt to
 * connect may take, a server which comes back is found within 10 s.
 */
export async function runIncarnations(
  incarnation: () => Promise<void>,
  options: RetryOptions,
  signal: AbortSignal,
): Promise<void> {
  const series = new FailureSeries(options.outageMs);
  while (!signal.aborted) {
    const startedMs = performance.now();
    options.progress.begin();
    try {
      await incarnation();
      return;
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof MillraceError) || error.class !== 'retry') throw error;
      const failures = series.failed({ startedMs, endedMs: performance.now(), gotFurther: options.progress.gotFurther });
      if (failures === null) throw error;
      const inMs = retryDelayMs(failures - 1, Math.random());
      options.onRetry(error, inMs);
      await delay(inMs, undefined, { signal }).catch(() => undefined);
    }
  }
}

/** How long one request is tried again: a run that may wait for less than half a minute learns of its failure in time. */
export function patienceMs(outageMs: number): number {
  return Math.min(REQUEST_PATIENCE_MS, outageMs);
}

/** After so many failures in a row before the last one; `random` lies between 0 and 1. */
export function retryDelayMs(failures: number, random: number): number {
  const longest = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** failures);
  return Math.round(longest * (0.5 + random / 2));
}

/** Reports the first of many failures, and then one in five seconds. */
export function occasionally(report: (error: unknown, inMs: number) => void): (error: unknown, inMs: number) => void {
  let lastMs = Number.NEGATIVE_INFINITY;
  return (error, inMs) => {
    if (performance.now() - lastMs < REPORT_EVERY_MS) return;
    lastMs = performance.now();
    report(error, inMs);
  };
}
