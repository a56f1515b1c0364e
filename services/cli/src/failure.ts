import { MillraceError } from '@millrace/errors/millrace-error.js';
import type { WorkerFailure } from './worker/messages.js';

/** An error as it crosses a process border and as people see it: no stack, no secret. */
export function describeFailure(error: unknown): WorkerFailure {
  if (error instanceof MillraceError) {
    return { code: error.code, class: error.class, message: error.message, cause: error.why, remedy: error.remedy };
  }
  const internal = new MillraceError(
    'INTERNAL',
    { what: error instanceof Error ? error.message : String(error) },
    { cause: error },
  );
  return describeFailure(internal);
}
