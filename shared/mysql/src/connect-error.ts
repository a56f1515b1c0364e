import { MillraceError } from '@millrace/errors/millrace-error.js';
import { type ConnectionSettings, describeConnection } from './connection-url.js';

/** The server's own error number (MySQL manual, "Server Error Message Reference"); null where the error did not come from a server. */
export function errorNumberOf(error: unknown): number | null {
  return error instanceof Error && 'sqlState' in error && 'errno' in error && typeof error.errno === 'number'
    ? error.errno
    : null;
}

/** Node's or the driver's code of an error: `ECONNREFUSED`, `PROTOCOL_CONNECTION_LOST`. */
export function errorCodeOf(error: unknown): string | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;
}

/** Turns what a failed connect gave into an error of the table. It names `user@host:port/database`, never the URL. */
export function connectError(error: unknown, connection: ConnectionSettings): MillraceError {
  if (error instanceof MillraceError) return error;
  const reason = error instanceof Error ? error.message || (errorCodeOf(error) ?? error.name) : String(error);
  const details = { end: connection.end, where: describeConnection(connection), reason, sslMode: connection.sslMode };
  return new MillraceError(failureOf(error, reason), details, { cause: error });
}

type ConnectFailure =
  | 'ENDPOINT_AUTHENTICATION'
  | 'ENDPOINT_DATABASE_MISSING'
  | 'ENDPOINT_CONNECTIONS_EXHAUSTED'
  | 'ENDPOINT_STARTING'
  | 'ENDPOINT_CONNECT_REFUSED'
  | 'ENDPOINT_TLS_REFUSED'
  | 'ENDPOINT_UNREACHABLE';

function failureOf(error: unknown, reason: string): ConnectFailure {
  const number = errorNumberOf(error);
  switch (number) {
    // ER_ACCESS_DENIED_ERROR, ER_ACCESS_DENIED_NO_PASSWORD_ERROR, ER_HOST_NOT_PRIVILEGED, ER_ACCOUNT_HAS_BEEN_LOCKED
    case 1045:
    case 1698:
    case 1130:
    case 3118:
      return 'ENDPOINT_AUTHENTICATION';
    // ER_DBACCESS_DENIED_ERROR, ER_BAD_DB_ERROR
    case 1044:
    case 1049:
      return 'ENDPOINT_DATABASE_MISSING';
    // ER_CON_COUNT_ERROR, ER_TOO_MANY_USER_CONNECTIONS, ER_USER_LIMIT_REACHED
    case 1040:
    case 1203:
    case 1226:
      return 'ENDPOINT_CONNECTIONS_EXHAUSTED';
    // ER_SERVER_SHUTDOWN
    case 1053:
      return 'ENDPOINT_STARTING';
    // ER_SECURE_TRANSPORT_REQUIRED
    case 3159:
      return 'ENDPOINT_TLS_REFUSED';
    case null:
      break;
    default:
      return 'ENDPOINT_CONNECT_REFUSED';
  }
  const code = errorCodeOf(error) ?? '';
  if (
    code === 'HANDSHAKE_NO_SSL_SUPPORT' ||
    /^(ERR_TLS|ERR_SSL|CERT_|UNABLE_TO_|DEPTH_ZERO|SELF_SIGNED|HANDSHAKE_SSL)/.test(code)
  )
    return 'ENDPOINT_TLS_REFUSED';
  if (/certificate|\bSSL\b|\bTLS\b/.test(reason)) return 'ENDPOINT_TLS_REFUSED';
  return code.startsWith('AUTH_') ? 'ENDPOINT_AUTHENTICATION' : 'ENDPOINT_UNREACHABLE';
}
