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

/** The three lines by which every error is told to people. */
export function failureText({ code, message, cause, remedy }: WorkerFailure): string {
  return `${code}: ${message}\n  why     ${cause}\n  remedy  ${remedy}`;
}

/** Where it happened, on stderr: only for those who asked for it by `--log-level debug` or `trace`. */
export function tellStack(error: unknown, logLevel: unknown): void {
  if (logLevel !== 'debug' && logLevel !== 'trace') return;
  for (let cause = error; cause instanceof Error; cause = cause.cause) process.stderr.write(`${cause.stack ?? cause.message}\n`);
}
