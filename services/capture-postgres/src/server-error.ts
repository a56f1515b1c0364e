import { Buffer } from 'node:buffer';
import { MillraceError } from '@millrace/errors/millrace-error.js';

/** Fields of an ErrorResponse that Millrace reads: code, message, detail. */
export interface ServerErrorFields {
  readonly code: string;
  readonly message: string;
}

/** Reads an ErrorResponse's body (PostgreSQL manual, "Error and Notice Message Fields"). */
export function readServerError(bytes: Buffer, start: number, end: number): ServerErrorFields {
  const fields = new Map<string, string>();
  for (const field of Buffer.from(bytes.subarray(start, end)).toString('utf8').split('\0')) {
    if (field !== '') fields.set(field.slice(0, 1), field.slice(1));
  }
  const detail = fields.get('D');
  const message = fields.get('M') ?? 'no message';
  return { code: fields.get('C') ?? 'none', message: detail === undefined ? message : `${message} (${detail})` };
}

/** What an error that the server sends on a replication connection means. */
export function serverError(bytes: Buffer, start: number, end: number, doing: string): MillraceError {
  return replicationError(readServerError(bytes, start, end), doing);
}

export function replicationError(
  { code, message }: ServerErrorFields,
  doing: string,
  options: { readonly cause?: unknown } = {},
): MillraceError {
  const details = { doing, reason: message, state: code };
  if (code === '53100') return new MillraceError('SOURCE_DISK_FULL', details, options);
  // Classes: 08 connection, 57P0x the server ends sessions, 53 no resources, 58030 I/O, 40 rolled back.
  if (/^(08|53|40|57P0)/.test(code)) return new MillraceError('SOURCE_CONNECTION_LOST', details, options);
  if (code === '42501') return new MillraceError('SOURCE_RIGHTS', details, options);
  // ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE with these words, and a removed segment: slot.c and xlogreader.
  if (/can no longer (get changes|access)|requested WAL segment .* has already been removed/.test(message)) {
    return new MillraceError('SLOT_INVALIDATED', details, options);
  }
  if (code === '55006') return new MillraceError('SLOT_BUSY', details, options);
  if (code === '42704' && message.includes('publication')) return new MillraceError('PUBLICATION_MISSING', details, options);
  return new MillraceError('SOURCE_QUERY_FAILED', details, options);
}
