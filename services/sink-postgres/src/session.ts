import { closeSession, connect, connectTimeoutMs, timeLimit } from '@millrace/postgres/connect.js';
import { sqlStateOf } from '@millrace/postgres/connect-error.js';
import type { ConnectionSettings } from '@millrace/postgres/connection-url.js';
import type { Client } from 'pg';
import { watchSession } from './session-watch.js';
import { targetError } from './sql-state.js';

/**
 * Fixed for every session of a sink: how texts are read must not depend on a role's or a database's settings, names are always
 * qualified, a commit is durable when it is answered, and no lock is waited for longer than a retry would take.
 */
const SESSION_SETTINGS = {
  DateStyle: 'ISO',
  IntervalStyle: 'postgres',
  TimeZone: 'UTC',
  extra_float_digits: '3',
  bytea_output: 'hex',
  lc_monetary: 'C',
  xmloption: 'content',
  search_path: 'pg_catalog',
  standard_conforming_strings: 'on',
  row_security: 'off',
  synchronous_commit: 'on',
  default_transaction_isolation: 'read committed',
  statement_timeout: '0',
  lock_timeout: '30s',
  // A sink that hangs must not hold its locks for ever: its successor waits for them.
  idle_in_transaction_session_timeout: '120s',
  jit: 'off',
} as const satisfies Record<string, string>;

export interface SinkSession {
  readonly client: Client;
  /** False where the role may not set session_replication_role: triggers and foreign keys of the target then fire. */
  readonly triggersOff: boolean;
}

/** Opens a session to the target, which the signal's abort ends at once, whatever it is at. @throws MillraceError ENDPOINT_* */
export async function openSinkSession(
  connection: ConnectionSettings,
  applicationName: string,
  signal?: AbortSignal,
): Promise<SinkSession> {
  const client = await connect(connection, {
    applicationName,
    settings: SESSION_SETTINGS,
    ...(signal === undefined ? {} : { signal }),
  });
  using _ = timeLimit(client, connectTimeoutMs(connection));
  try {
    await watchSession(client, connection);
    return { client, triggersOff: await switchTriggersOff(client) };
  } catch (error) {
    await closeSession(client);
    throw targetError(error, 'opening a session');
  }
}

/**
 * Superusers may; since PostgreSQL 15 others too where granted, and managed services have rules of their own: only trying tells,
 * on every version.
 */
async function switchTriggersOff(client: Client): Promise<boolean> {
  try {
    await client.query('SET session_replication_role = replica');
    return true;
  } catch (error) {
    if (sqlStateOf(error) === '42501') return false;
    throw error;
  }
}
