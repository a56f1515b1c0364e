import { MillraceError } from '@millrace/errors/millrace-error.js';
import { DatabaseError } from 'pg';
import { type ConnectionSettings, describeConnection } from './connection-url.js';

/** PostgreSQL's five-character error code, null where the error did not come from the server. */
export function sqlStateOf(error: unknown): string | null {
  return error instanceof DatabaseError ? (error.code ?? null) : null;
}

/** The server answered and said no to this user, database or password: another host of the list would be asked in vain. */
export function isRefusedByServer(error: unknown): boolean {
  const state = sqlStateOf(error);
  return state !== null && ['28P01', '3D000'].includes(state);
}

/** Turns what a failed connect gave into an error of the table. It names `user@host:port/database`, never the URL. */
export function connectError(error: unknown, connection: ConnectionSettings): MillraceError {
  if (error instanceof MillraceError) return error;
  const reason = error instanceof Error ? error.message || nameOf(error) : String(error);
  const details = { end: connection.end, where: describeConnection(connection), reason, sslMode: connection.sslMode };
  const failed = (code: ConnectFailure): MillraceError => new MillraceError(code, details, { cause: error });
  switch (sqlStateOf(error)) {
    case '28P01':
      return failed('ENDPOINT_AUTHENTICATION');
    case '28000':
      return failed('ENDPOINT_AUTHENTICATION');
    case '3D000':
      return failed('ENDPOINT_DATABASE_MISSING');
    case '53300':
      return failed('ENDPOINT_CONNECTIONS_EXHAUSTED');
    case '57P03':
      return failed('ENDPOINT_STARTING');
    case null:
      break;
    default:
      return failed('ENDPOINT_CONNECT_REFUSED');
  }
  if (/password|SASL/i.test(reason)) return failed('ENDPOINT_AUTHENTICATION');
  if (isTlsFailure(error, reason)) return failed('ENDPOINT_TLS_REFUSED');
  return failed('ENDPOINT_UNREACHABLE');
}

type ConnectFailure =
  | 'ENDPOINT_AUTHENTICATION'
  | 'ENDPOINT_DATABASE_MISSING'
  | 'ENDPOINT_CONNECTIONS_EXHAUSTED'
  | 'ENDPOINT_STARTING'
  | 'ENDPOINT_CONNECT_REFUSED'
  | 'ENDPOINT_TLS_REFUSED'
  | 'ENDPOINT_UNREACHABLE';

function isTlsFailure(error: unknown, reason: string): boolean {
  if (/SSL|TLS|certificate/i.test(reason)) return true;
  return (
    error instanceof Error &&
    'code' in error &&
    /^(ERR_TLS|ERR_SSL|CERT_|UNABLE_TO_|DEPTH_ZERO|SELF_SIGNED)/.test(String(error.code))
  );
}

/** An AggregateError of several addresses has no message of its own. */
function nameOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}
