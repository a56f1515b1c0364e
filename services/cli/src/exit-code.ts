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
export function refusalExitCode(error: unknown, command: string): 1 | 2 | 3 {
  if (error instanceof MillraceError && error.code.startsWith('USAGE_')) return 2;
  // verify's 1 says that rows differ.
  return command === 'verify' ? 3 : 1;
}
