import { MillraceError } from '@millrace/errors/millrace-error.js';
import { type Logger as PinoLogger, pino } from 'pino';

export type Logger = PinoLogger;

/** Keys that may hold a secret, at any of the depths that we log. Connection URLs are logged by `safeUrl` only. */
const SECRET_KEYS = ['password', 'url', 'source', 'target', 'kafkaPassword'].flatMap((key) => [key, `*.${key}`, `*.*.${key}`]);

/**
 * Structured logs as JSON lines on stderr: stdout belongs to the command's own output. Errors are logged by code and remedy;
 * their stack only at debug and below.
 */
export function createLogger(options: { readonly level: string; readonly name: string }): Logger {
  return pino(
    {
      name: options.name,
      level: options.level,
      redact: { paths: SECRET_KEYS, censor: '[secret]' },
      serializers: { err: (error: unknown) => describeError(error, options.level === 'debug' || options.level === 'trace') },
      base: { name: options.name, pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
    },
    pino.destination({ dest: 2, sync: true }),
  );
}

/** What a log line says of an error. */
export function describeError(error: unknown, withStack: boolean): Readonly<Record<string, unknown>> {
  if (!(error instanceof Error)) return { message: String(error) };
  const stack = withStack ? { stack: error.stack } : {};
  const cause = error.cause === undefined ? {} : { cause: describeError(error.cause, withStack) };
  if (error instanceof MillraceError)
    return { code: error.code, class: error.class, message: error.message, remedy: error.remedy, ...cause, ...stack };
  return { type: error.name, message: error.message, ...cause, ...stack };
}

/** A URL as it may be shown: without user, password and options. */
export function safeUrl(url: string): string {
  const match = /^([a-z][a-z0-9+.-]*):\/\/(?:[^@/?#]*@)?([^?#]*)/i.exec(url);
  return match === null ? '(not a URL)' : `${match[1] ?? ''}://${match[2] ?? ''}`;
}
