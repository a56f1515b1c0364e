import type { Finding } from '@millrace/contract/finding.js';
import { type ErrorDetails, MillraceError } from '@millrace/errors/millrace-error.js';
import type { ErrorCode } from '@millrace/errors/table.js';

export interface FindingPlace {
  readonly severity: Finding['severity'];
  /** `source`, or `schema.table[.column]`. */
  readonly where: string;
}

/** A finding with the texts that the error table has for its code. */
export function findingOf(code: ErrorCode, details: ErrorDetails, place: FindingPlace): Finding {
  const { message, remedy } = new MillraceError(code, details);
  return { ...place, code, message, remedy };
}
