import type { StopReason } from '@millrace/contract/task.js';
import { assertNever, MillraceError } from '@millrace/errors/millrace-error.js';

/** 0 done or stopped by signal, 1 refused before the start, 2 usage, 3 failed while running. */
export function exitCodeOf(reason: StopReason): 0 | 1 | 3 {
  switch (reason) {
    case 'loaded':
    case 'caught-up':
    case 'signal':
      return 0;
    case 'refused':
      return 1;
    case 'fenced':
    case 'failed':
      return 3;
    default:
      return assertNever(reason);
  }
}

/** For errors met before anything was started. */
export function refusalExitCode(error: unknown): 1 | 2 {
  return error instanceof MillraceError && error.code.startsWith('USAGE_') ? 2 : 1;
}
