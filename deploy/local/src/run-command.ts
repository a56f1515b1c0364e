import { MillraceError } from '@millrace/errors/millrace-error.js';
import { reasonText } from './wait-until.js';

/** Runs a program's work; an error goes to stderr as code, what, why and remedy, without a stack, and the exit code is 1. */
export async function runCommand(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    process.stderr.write(errorText(error));
    process.exitCode = 1;
  }
}

export function errorText(error: unknown): string {
  if (!(error instanceof MillraceError)) return `Failed: ${reasonText(error)}\n`;
  return `${error.code}: ${error.message}\n  Why: ${error.why}\n  Do:  ${error.remedy}\n`;
}
