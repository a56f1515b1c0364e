import { closeSession, connect } from '@millrace/mysql/connect.js';
import type { ConnectionSettings } from '@millrace/mysql/connection-url.js';
import { identifyServer, queryRows, type Server } from '@millrace/mysql/server.js';
import type { Connection } from 'mysql2/promise';
import { z } from 'zod';
import { targetError } from './server-failure.js';
import { watchSession } from './session-watch.js';

/**
 * Fixed for every session of a sink, whatever the server's or the user's defaults are. Foreign keys would refuse rows that come before
 * the ones they name, and cascade what the log brings by itself. No lock is waited for longer than a retry would take.
 */
const SESSION_SETTINGS = {
  autocommit: '1',
  foreign_key_checks: '0',
  unique_checks: '1',
  sql_notes: '1',
  sql_safe_updates: '0',
  sql_auto_is_null: '0',
  sql_select_limit: 'DEFAULT',
  innodb_lock_wait_timeout: '30',
  lock_wait_timeout: '30',
  wait_timeout: '28800',
} as const satisfies Record<string, string>;

export interface SinkSession {
  readonly connection: Connection;
  readonly server: Server;
  /** The longest statement that the server takes, in bytes. */
  readonly maxPacketBytes: number;
}

export type SessionPurpose = 'assess' | 'inspect' | 'remove' | 'claim' | 'apply' | 'load' | 'alter';

const packetRow = z.object({ bytes: z.coerce.number().int() });

/** Opens a session to the target, which the signal's abort ends at once, whatever it is at. @throws MillraceError ENDPOINT_*, TARGET_* */
export async function openSinkSession(
  settings: ConnectionSettings,
  task: string,
  purpose: SessionPurpose,
  signal?: AbortSignal,
): Promise<SinkSession> {
  const connection = await connect(settings, {
    applicationName: `millrace:${task}:sink:${purpose}`,
    settings: SESSION_SETTINGS,
    multipleStatements: purpose === 'apply',
    ...(signal === undefined ? {} : { signal }),
  });
  try {
    await connection.query('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED');
    const server = await identifyServer(connection);
    const [packet] = await queryRows(connection, 'SELECT @@max_allowed_packet AS bytes', [], packetRow);
    await watchSession(connection, settings);
    return { connection, server, maxPacketBytes: packet?.bytes ?? 0 };
  } catch (error) {
    await closeSession(connection);
    throw targetError(error, 'opening a session');
  }
}
