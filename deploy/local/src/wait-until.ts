import { setTimeout as delay } from 'node:timers/promises';
import { MillraceError } from '@millrace/errors/millrace-error.js';

export interface WaitOptions {
  /** What is awaited, as the error says it: "Waited 30 s for {what}". */
  readonly what: string;
  readonly deadlineMs: number;
  readonly everyMs?: number;
  readonly signal?: AbortSignal;
}

/**
 * Tries again until `attempt` returns something other than `undefined` or `false`; a rejection counts as "not yet".
 *
 * @throws MillraceError `LOCAL_WAIT_EXPIRED` with the last try's reason, or the signal's reason.
 */
export async function waitUntil<T>(
  attempt: () => Promise<T | undefined | false> | T | undefined | false,
  options: WaitOptions,
): Promise<T> {
  const end = performance.now() + options.deadlineMs;
  let reason: unknown = 'not yet true';
  for (;;) {
    options.signal?.throwIfAborted();
    try {
      const result = await attempt();
      if (result !== undefined && result !== false) return result;
      reason = 'not yet true';
    } catch (error) {
      reason = error;
    }
    if (performance.now() >= end) {
      throw new MillraceError(
        'LOCAL_WAIT_EXPIRED',
        { what: options.what, seconds: Math.round(options.deadlineMs / 100) / 10, reason: reasonText(reason) },
        { cause: reason },
      );
    }
    await delay(options.everyMs ?? 50, undefined, options.signal === undefined ? {} : { signal: options.signal });
  }
}

/** One line that says why something failed. */
export function reasonText(reason: unknown): string {
  if (reason instanceof AggregateError) return reason.errors.map(reasonText).join('; ');
  if (reason instanceof Error) return reason.message === '' ? reason.name : reason.message;
  return String(reason);
}
