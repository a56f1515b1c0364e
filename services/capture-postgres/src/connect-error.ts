import { MillraceError } from '@millrace/errors/millrace-error.js';
import { DatabaseError } from 'pg';
import type { SslMode } from './connection-url.js';

/** PostgreSQL's five-character error code, null where the error did not come from the server. */
export function sqlStateOf(error: unknown): string | null {
  return error instanceof DatabaseError ? (error.code ?? null) : null;
}

/** The server answered and said no to this user, database or password: another host of the list would be asked in vain. */
export function isRefusedByServer(error: unknown): boolean {
  const state = sqlStateOf(error);
  return state !== null && ['28P01', '3D000'].includes(state);
}

/** Turns what a failed connect gave into an error of the table. `where` is `user@host:port/database`, never the URL. */
export function connectError(error: unknown, where: string, sslMode: SslMode): MillraceError {
  if (error instanceof MillraceError) return error;
  const reason = error instanceof Error ? error.message || nameOf(error) : String(error);
  const details = { where, reason, sslMode };
  const failed = (code: ConnectFailure): MillraceError => new MillraceError(code, details, { cause: error });
  switch (sqlStateOf(error)) {
    case '28P01':
      return failed('SOURCE_AUTHENTICATION');
    case '28000':
      return failed('SOURCE_AUTHENTICATION');
    case '3D000':
      return failed('SOURCE_DATABASE_MISSING');
    case '53300':
      return failed('SOURCE_CONNECTIONS_EXHAUSTED');
    case '57P03':
      return failed('SOURCE_STARTING');
    case null:
      break;
    default:
      return failed('SOURCE_CONNECT_REFUSED');
  }
  if (/password|SASL/i.test(reason)) return failed('SOURCE_AUTHENTICATION');
  if (isTlsFailure(error, reason)) return failed('SOURCE_TLS_REFUSED');
  return failed('SOURCE_UNREACHABLE');
}

type ConnectFailure =
  | 'SOURCE_AUTHENTICATION'
  | 'SOURCE_DATABASE_MISSING'
  | 'SOURCE_CONNECTIONS_EXHAUSTED'
  | 'SOURCE_STARTING'
  | 'SOURCE_CONNECT_REFUSED'
  | 'SOURCE_TLS_REFUSED'
  | 'SOURCE_UNREACHABLE';

function isTlsFailure(error: unknown, reason: string): boolean {
  if (/SSL|TLS|certificate/i.test(reason)) return true;
  return error instanceof Error && 'code' in error && /^(ERR_TLS|ERR_SSL|CERT_|UNABLE_TO_|DEPTH_ZERO|SELF_SIGNED)/.test(String(error.code));
}

/** An AggregateError of several addresses has no message of its own. */
function nameOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}

/**
 * An error of the table for a query that failed on an open session: a lost connection is tried again, a missing right or a
 * statement that the server refuses needs a person. `doing` completes "while …".
 */
export function queryError(error: unknown, doing: string): MillraceError {
  if (error instanceof MillraceError) return error;
  const state = sqlStateOf(error);
  const reason = error instanceof Error ? error.message : String(error);
  const details = { doing, reason, state: state ?? 'none' };
  if (state === null || isConnectionLoss(state)) return new MillraceError('SOURCE_CONNECTION_LOST', details, { cause: error });
  if (state === '42501') return new MillraceError('SOURCE_RIGHTS', details, { cause: error });
  return new MillraceError('SOURCE_QUERY_FAILED', details, { cause: error });
}

/** Class 08, and the server ending the session: administrator, crash, shutdown, start, recovery conflict that ends it. */
function isConnectionLoss(state: string): boolean {
  return state.startsWith('08') || ['57P01', '57P02', '57P03', '57P05', '25P03'].includes(state);
}
