import type { Finding } from '@millrace/contract/finding.js';
import { type ErrorDetails, MillraceError } from '@millrace/errors/millrace-error.js';
import type { ErrorCode } from '@millrace/errors/table.js';

/** A finding with the texts of the error table. */
export function findingOf(severity: Finding['severity'], code: ErrorCode, where: string, details: ErrorDetails): Finding {
  const { message, remedy } = new MillraceError(code, details);
  return { severity, code, where, message, remedy };
}

/** The same for an error that a stricter moment would throw; other errors go on. */
export function findingOfError(error: unknown, where: string): Finding {
  if (!(error instanceof MillraceError)) throw error;
  return { severity: 'error', code: error.code, where, message: error.message, remedy: error.remedy };
}
