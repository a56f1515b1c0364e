import type { Finding } from '@millrace/contract/finding.js';
import { type ErrorDetails, MillraceError } from '@millrace/errors/millrace-error.js';
import type { ErrorCode } from '@millrace/errors/table.js';

/** A finding with the texts of the error table. */
export function findingOf(severity: Finding['severity'], code: ErrorCode, where: string, details: ErrorDetails): Finding {
  const { message, remedy } = new MillraceError(code, details);
  return { severity, code, where, message, remedy };
}
