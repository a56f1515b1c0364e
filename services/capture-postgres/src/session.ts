import { closeSession, connect, connectTimeoutMs, timeLimit } from '@millrace/postgres/connect.js';
import { connectError } from '@millrace/postgres/connect-error.js';
import type { ConnectionSettings } from '@millrace/postgres/connection-url.js';
import type { Client } from 'pg';

/**
 * Fixed for every session, the walsender's too, because they decide how values become text: a value has the same bytes
 * in the snapshot and in the stream, and names in catalogue expressions are always schema-qualified.
 * `row_security=off` makes a read fail where a policy would silently hide rows from it.
 */
const SESSION_SETTINGS = {
  DateStyle: 'ISO',
  IntervalStyle: 'postgres',
  TimeZone: 'UTC',
  // Since PostgreSQL 12 every value above 0 gives the shortest text that reads back as the same number.
  extra_float_digits: '3',
  bytea_output: 'hex',
  lc_monetary: 'C',
  xmloption: 'content',
  search_path: 'pg_catalog',
  quote_all_identifiers: 'off',
  standard_conforming_strings: 'on',
  row_security: 'off',
  statement_timeout: '0',
  lock_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  // Catalogue queries are wide and short: compiling them costs more than running them.
  jit: 'off',
} as const satisfies Record<string, string>;

/**
 * Settings that only newer servers know: a role's or database's time-out must not end a session that waits, and a query whose
 * client has gone must not go on waiting for a lock.
 */
const SETTINGS_WHERE_KNOWN = {
  idle_session_timeout: '0',
  transaction_timeout: '0',
  client_connection_check_interval: '10s',
} as const satisfies Record<string, string>;

export interface SessionOptions {
  /** Shown in pg_stat_activity; PostgreSQL cuts it at 63 bytes. */
  readonly applicationName: string;
  /** True: a walsender (`replication=database`), which takes replication commands and plain SQL without parameters. */
  readonly replication?: boolean;
  /** Its abort ends the session at once, whatever it is at. */
  readonly signal?: AbortSignal;
}

/**
 * Opens a session with Millrace's fixed settings. A connection that is lost later shows in the next query's error;
 * it raises no event that nobody listens to.
 * @throws MillraceError ENDPOINT_UNREACHABLE, ENDPOINT_STARTING, ENDPOINT_CONNECTIONS_EXHAUSTED (retry); ENDPOINT_AUTHENTICATION,
 * ENDPOINT_DATABASE_MISSING, ENDPOINT_TLS_REFUSED, ENDPOINT_TLS_ROOTS_MISSING, ENDPOINT_CONNECT_REFUSED (operator).
 */
export async function openSession(connection: ConnectionSettings, options: SessionOptions): Promise<Client> {
  const client = await connect(connection, { ...options, settings: SESSION_SETTINGS });
  using _ = timeLimit(client, connectTimeoutMs(connection));
  try {
    const wanted = Object.entries(SETTINGS_WHERE_KNOWN).map(([name, value]) => `('${name}', '${value}')`);
    // A walsender takes no parameters.
    await client.query(
      `SELECT set_config(name, value, false) FROM (VALUES ${wanted.join(', ')}) wanted (name, value) JOIN pg_settings USING (name)`,
    );
    return client;
  } catch (cause) {
    await closeSession(client);
    throw connectError(cause, connection);
  }
}
