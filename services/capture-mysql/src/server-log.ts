import { createHash } from 'node:crypto';
import type { CaptureIdentity } from '@millrace/contract/capture.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { identifyServer, queryRows, type Server } from '@millrace/mysql/server.js';
import type { Connection } from 'mysql2/promise';
import { z } from 'zod';
import { MariadbGtidState, MysqlGtidSet } from './gtid-set.js';
import { parseFileName } from './position.js';

export interface SourceServer extends Server {
  /** Tells this server from every other, across its restarts. */
  readonly identity: string;
  /** MySQL with gtid_mode=ON; MariaDB always. */
  readonly gtids: boolean;
}

const identityRow = z.object({ identity: z.string() });
const variableRow = z.object({ name: z.string(), value: z.string() });

export async function readServer(session: Connection): Promise<SourceServer> {
  const server = await identifyServer(session);
  const own = server.engine === 'mysql' ? '@@server_uuid' : "CONCAT_WS(':', @@server_id, @@hostname, @@port)";
  const [row] = await queryRows(session, `SELECT ${own} AS identity`, [], identityRow);
  const mode = server.engine === 'mysql' ? (await readVariables(session, ['gtid_mode'])).get('gtid_mode') : 'ON';
  return { ...server, identity: `${server.engine}:${row?.identity ?? ''}`, gtids: mode === 'ON' };
}

/** Global variables by name; those that the server does not know are missing. */
export async function readVariables(session: Connection, names: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const rows = await queryRows(
    session,
    'SHOW GLOBAL VARIABLES WHERE Variable_name IN (?)',
    [names],
    z
      .object({ Variable_name: z.string(), Value: z.string() })
      .transform(({ Variable_name, Value }) => ({ name: Variable_name, value: Value })),
  );
  return new Map(rows.map((row) => variableRow.parse(row)).map(({ name, value }) => [name.toLowerCase(), value]));
}

/**
 * Whether the server stores names in lower case, however statements in the log write them.
 * @throws MillraceError SOURCE_SETTING where it stores them as given and compares them in lower case: then the log names no table for certain.
 */
export async function hasLowerCaseNames(session: Connection): Promise<boolean> {
  const setting = 'lower_case_table_names';
  const value = (await readVariables(session, [setting])).get(setting) ?? '0';
  if (value === '2') {
    const why = 'A statement in the log may write a table in other letters than the catalogue.';
    throw new MillraceError('SOURCE_SETTING', { setting, value, wanted: '0 or 1', why });
  }
  return value === '1';
}

/** The end of the log. */
export interface LogEnd {
  readonly base: string;
  readonly file: number;
  readonly offset: number;
  /** Canonical text of what was executed, empty where the server has no GTIDs. */
  readonly gtids: string;
}

const statusRow = z.object({ File: z.string(), Position: z.coerce.number(), Executed_Gtid_Set: z.string().optional() });
const gtidRow = z.object({ gtids: z.string().nullable() });

/** @throws MillraceError SOURCE_LOG_OFF */
export async function readLogEnd(session: Connection, server: SourceServer): Promise<LogEnd> {
  const statement = server.engine === 'mysql' && server.version >= 8_002_000 ? 'SHOW BINARY LOG STATUS' : 'SHOW MASTER STATUS';
  const [row] = await queryRows(session, statement, [], statusRow);
  if (row === undefined) throw new MillraceError('SOURCE_LOG_OFF');
  const place = { ...parseFileName(row.File), offset: row.Position };
  return {
    ...place,
    gtids: await gtidsAt(session, server, { name: row.File, offset: row.Position, executed: row.Executed_Gtid_Set }),
  };
}

/** What was executed up to a place that lies between two transactions. */
export async function gtidsAt(
  session: Connection,
  server: SourceServer,
  { name, offset, executed }: { readonly name: string; readonly offset: number; readonly executed?: string | undefined },
): Promise<string> {
  if (server.engine === 'mysql') return server.gtids ? MysqlGtidSet.parse(executed ?? '').toString() : '';
  const [row] = await queryRows(session, 'SELECT BINLOG_GTID_POS(?, ?) AS gtids', [name, offset], gtidRow);
  return MariadbGtidState.parse(row?.gtids ?? '').toString();
}

const logFileRow = z.object({ Log_name: z.string(), File_size: z.coerce.number() });

/** The log's files and their sizes, oldest first. */
export async function readLogFiles(session: Connection): Promise<readonly { readonly name: string; readonly bytes: number }[]> {
  const rows = await queryRows(session, 'SHOW BINARY LOGS', [], logFileRow);
  return rows.map(({ Log_name, File_size }) => ({ name: Log_name, bytes: File_size }));
}

/** The id under which the capture reads the log, the same for every incarnation: a newer one ends an older one's reader. */
export function readerServerId({ task, journal }: CaptureIdentity): number {
  const digest = createHash('sha256').update(`${task}\n${journal}`).digest();
  // The upper half: people number their servers from 1 on.
  return (digest.readUInt32BE(0) | 0x8000_0000) >>> 0;
}

/** A UUID of the reader, which MySQL tells readers apart by. */
export function readerUuid({ task, journal }: CaptureIdentity): string {
  const hex = createHash('sha256').update(`${task}\n${journal}`).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), `4${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)].join('-');
}
