import type { Attached, CaptureIdentity, TableSelector } from '@millrace/contract/capture.js';
import type { Snapshot } from '@millrace/contract/load.js';
import type { Position } from '@millrace/contract/position.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { closeSession, connect } from '@millrace/mysql/connect.js';
import { errorNumberOf } from '@millrace/mysql/connect-error.js';
import type { ConnectionSettings } from '@millrace/mysql/connection-url.js';
import { queryRows } from '@millrace/mysql/server.js';
import type { Connection } from 'mysql2/promise';
import { z } from 'zod';
import { listTables } from './catalog/list-tables.js';
import { ChangedTables } from './changed-tables.js';
import { MariadbGtidState, MysqlGtidSet } from './gtid-set.js';
import { fileName, formatPlace, type LogPosition, parsePosition } from './position.js';
import { queryError, RIGHTS } from './query-error.js';
import { selectTables } from './selection.js';
import { gtidsAt, readerServerId, readLogFiles, readServer, type SourceServer } from './server-log.js';
import { openSnapshot } from './snapshot.js';

/** What a capture knows of the source once it is attached. */
export interface Attachment {
  readonly identity: CaptureIdentity;
  readonly server: SourceServer;
  /** Identity of the history: that of the server that the journal began with. */
  readonly source: string;
  /** Failovers that lie behind the capture. */
  readonly failovers: number;
  readonly changed: ChangedTables;
}

export interface AttachRequest {
  readonly connection: ConnectionSettings;
  readonly identity: CaptureIdentity;
  readonly selector: TableSelector;
  readonly signal: AbortSignal;
}

export interface AttachResult {
  readonly attachment: Attachment;
  readonly attached: Attached;
}

/** First start: nothing is made in the source; the snapshot's place in the log is where the stream begins. */
export async function attachAnew(request: AttachRequest): Promise<AttachResult> {
  const { identity, signal, connection, selector } = request;
  const { server, tables } = await withSession(request, async (session) => {
    const found = await readServer(session);
    await refusePrepared(session);
    await refuseTakenId(session, identity);
    return { server: found, tables: selectTables(await listTables(session), selector) };
  });
  const attachment = { identity, server, source: server.identity, failovers: 0, changed: new ChangedTables() };
  const snapshot: Snapshot = await openSnapshot({ connection, attachment, tables, signal });
  return { attachment, attached: { acknowledged: snapshot.position, snapshot } };
}

/**
 * A later start: the log must hold everything behind the position, and must be the one that the position is of. On another server
 * the GTIDs tell whether it has what the journal has.
 * @throws MillraceError SOURCE_LOG_PURGED, SOURCE_LOG_FOREIGN, SOURCE_SERVER_ID_TAKEN
 */
export async function attachAgain(request: AttachRequest, resume: Position): Promise<AttachResult> {
  const { identity } = request;
  const position = parsePosition(resume);
  const server = await withSession(request, async (session) => {
    const found = await readServer(session);
    if (found.identity === position.rest.server) await requireSameLog(session, found, { position, resume });
    else await requireSuccessor(session, found, { position, resume });
    await refuseTakenId(session, identity);
    return found;
  });
  const failovers = position.failovers + (server.identity === position.rest.server ? 0 : 1);
  return {
    attachment: { identity, server, source: resume.source, failovers, changed: new ChangedTables() },
    attached: { acknowledged: resume, snapshot: null },
  };
}

interface Resume {
  readonly position: LogPosition;
  readonly resume: Position;
}

async function requireSameLog(session: Connection, server: SourceServer, { position, resume }: Resume): Promise<void> {
  const name = fileName(position.rest.base, position.file);
  const files = await readLogFiles(session);
  const file = files.find((each) => each.name === name);
  if (server.engine === 'mysql' && server.gtids) await requireExecuted(session, { position, resume });
  if (file === undefined) {
    const [oldest] = files;
    const begins = oldest === undefined ? '' : ` (it begins with ${oldest.name})`;
    const isNewer = oldest !== undefined && oldest.name > name;
    if (isNewer)
      throw new MillraceError('SOURCE_LOG_PURGED', { resume: formatPlace(resume), reason: `there is no file ${name}${begins}` });
    throw new MillraceError('SOURCE_LOG_FOREIGN', { reason: `there is no file ${name} yet${begins}` });
  }
  if (file.bytes < position.offset)
    throw new MillraceError('SOURCE_LOG_FOREIGN', { reason: `${name} ends at ${file.bytes}, before ${position.offset}` });
  if (server.engine === 'mariadb') {
    const found = await gtidsAt(session, server, { name, offset: position.offset });
    const expected = MariadbGtidState.parse(position.rest.gtids).toString();
    if (found !== expected)
      throw new MillraceError('SOURCE_LOG_FOREIGN', {
        reason: `at ${formatPlace(resume)} it has the GTIDs ${found || 'of none'}, not ${expected || 'of none'}`,
      });
  }
}

const subsetRow = z.object({ executed: z.coerce.number(), purged: z.coerce.number(), has: z.string() });

async function requireExecuted(session: Connection, { position, resume }: Resume): Promise<void> {
  const { gtids } = position.rest;
  const [row] = await queryRows(
    session,
    'SELECT GTID_SUBSET(?, @@global.gtid_executed) AS executed, GTID_SUBSET(@@global.gtid_purged, ?) AS purged, @@global.gtid_executed AS has',
    [gtids, gtids],
    subsetRow,
  );
  if (row?.executed !== 1)
    throw new MillraceError('SOURCE_LOG_FOREIGN', {
      reason: `the source has not executed ${gtids}, only ${row?.has === '' ? 'nothing' : (row?.has ?? '?')}`,
    });
  if (row.purged !== 1)
    throw new MillraceError('SOURCE_LOG_PURGED', {
      resume: formatPlace(resume),
      reason: 'transactions that the journal does not have are purged',
    });
}

/** Another server than the one the journal was written from: only GTIDs tell whether it went on where that one was. */
async function requireSuccessor(session: Connection, server: SourceServer, { position, resume }: Resume): Promise<void> {
  const [engine = ''] = position.rest.server.split(':');
  const { gtids } = position.rest;
  if (engine !== server.engine || gtids === '' || !server.gtids)
    throw new MillraceError('SOURCE_LOG_FOREIGN', {
      reason: `it is ${server.identity}, the journal is of ${position.rest.server}, and no GTIDs join the two`,
    });
  if (server.engine === 'mysql') {
    // What that server executed in another order would be missed: the set must hold all of ours.
    MysqlGtidSet.parse(gtids);
    await requireExecuted(session, { position, resume });
  }
  // MariaDB answers for itself when its log is asked for the position (gtid_strict_mode).
}

async function refusePrepared(session: Connection): Promise<void> {
  const rows = await queryRows(session, 'XA RECOVER', [], z.object({ data: z.string() })).catch((error: unknown) => {
    // MySQL 8 asks for XA_RECOVER_ADMIN (ER_XAER_RMERR): who may not look is told by the log, where such a transaction ends.
    const number = errorNumberOf(error) ?? 0;
    if (RIGHTS.has(number) || number === 1401) return [];
    throw error;
  });
  const [first] = rows;
  if (first !== undefined) throw new MillraceError('SOURCE_XA_PREPARED', { xid: first.data });
}

const readerRow = z.object({ Server_id: z.coerce.number(), Host: z.string().optional() });

/** A replica with the capture's server id would be ended by it, and end it in turn. */
async function refuseTakenId(session: Connection, identity: CaptureIdentity): Promise<void> {
  const serverId = readerServerId(identity);
  const server = await readServer(session);
  const statement = server.engine === 'mysql' && server.version >= 8_000_022 ? 'SHOW REPLICAS' : 'SHOW SLAVE HOSTS';
  // MariaDB asks for REPLICATION MASTER ADMIN; who may not look learns of a conflict from the server, which ends one of the two.
  const readers = await queryRows(session, statement, [], readerRow).catch((error: unknown) => {
    if (RIGHTS.has(errorNumberOf(error) ?? 0)) return [];
    throw error;
  });
  for (const { Server_id: id, Host: owner = '' } of readers) {
    if (id === serverId && !owner.startsWith('millrace:')) throw new MillraceError('SOURCE_SERVER_ID_TAKEN', { serverId, owner });
  }
}

async function withSession<T>(
  { connection, identity, signal }: AttachRequest,
  work: (session: Connection) => Promise<T>,
): Promise<T> {
  const session = await connect(connection, { applicationName: `millrace:${identity.task}`, settings: {}, signal });
  try {
    return await work(session);
  } catch (error) {
    throw queryError(error, 'attaching to the log');
  } finally {
    await closeSession(session);
  }
}
