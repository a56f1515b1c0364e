import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { ConnectionOptions } from 'node:tls';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import type { ConnectionSettings, SslMode } from './connection-url.js';

/** False: without TLS. */
export type TlsAttempt = false | ConnectionOptions;

/**
 * What to try on one host, in order, as libpq's `sslmode` says (PostgreSQL manual, 34.19.3 Protection Provided in Different Modes):
 * `prefer` falls back to no TLS, `allow` the other way round; every stricter mode has one attempt. Sockets in the file system have no TLS.
 */
export function tlsAttempts(connection: ConnectionSettings, host: string): readonly TlsAttempt[] {
  const mode = connection.sslMode;
  if (mode === 'disable' || host.startsWith('/')) return [false];
  const secure = tlsOptions(connection, mode);
  if (mode === 'allow') return [false, secure];
  return mode === 'prefer' ? [secure, false] : [secure];
}

function tlsOptions(connection: ConnectionSettings, mode: Exclude<SslMode, 'disable'>): ConnectionOptions {
  const roots = readRoots(connection, mode);
  // libpq: where a file of roots is there, `require` means `verify-ca`; the weaker modes never verify.
  const verify = mode === 'verify-full' || mode === 'verify-ca' || (mode === 'require' && roots.known);
  return {
    rejectUnauthorized: verify,
    // PostgreSQL's protocol needs TLS 1.2 since version 12.
    minVersion: 'TLSv1.2',
    ...(roots.ca === null ? {} : { ca: roots.ca }),
    ...(verify && mode !== 'verify-full' && connection.sslRootCert !== 'system' ? { checkServerIdentity: () => undefined } : {}),
    ...(connection.sslCert === null ? {} : { cert: readFile(connection, connection.sslCert, 'sslcert') }),
    ...(connection.sslKey === null ? {} : { key: readFile(connection, connection.sslKey, 'sslkey') }),
    ...(connection.sslPassword === null ? {} : { passphrase: connection.sslPassword }),
  };
}

/** `known`: roots were named or found, so a certificate can be judged. */
function readRoots(connection: ConnectionSettings, mode: SslMode): { readonly known: boolean; readonly ca: string | null } {
  const named = connection.sslRootCert;
  if (named === 'system') return { known: true, ca: null };
  if (named !== null) return { known: true, ca: readFile(connection, named, 'sslrootcert') };
  const usual = join(homedir(), '.postgresql', 'root.crt');
  if (existsSync(usual)) return { known: true, ca: readFile(connection, usual, 'sslrootcert') };
  if (mode === 'verify-ca' || mode === 'verify-full')
    throw new MillraceError('ENDPOINT_TLS_ROOTS_MISSING', { end: connection.end, mode, file: usual });
  return { known: false, ca: null };
}

function readFile({ end }: ConnectionSettings, path: string, parameter: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new MillraceError(
      'ENDPOINT_URL_INVALID',
      { end, part: `the parameter "${parameter}"`, reason: `cannot read the file ${path}` },
      { cause },
    );
  }
}
