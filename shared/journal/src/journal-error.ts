import { MillraceError } from '@millrace/errors/millrace-error.js';
import type { ReaderError } from './rules/reader-rules.js';

/** The error of the table for what the rules found. */
export function journalError(topic: string, error: ReaderError): MillraceError {
  return error.code === 'JOURNAL_JUMP'
    ? new MillraceError(error.code, { topic, partition: 0, expected: error.expected, offset: error.offset })
    : new MillraceError(error.code, { ...error, topic });
}
