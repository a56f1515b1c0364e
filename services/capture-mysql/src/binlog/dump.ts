import { Buffer } from 'node:buffer';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { abortable } from '@millrace/flow/abort.js';
import { queryRows } from '@millrace/mysql/server.js';
import type { Connection } from 'mysql2/promise';
import { z } from 'zod';
import { MysqlGtidSet } from '../gtid-set.js';
import { PacketStream, serverFailure } from '../packets.js';
import { fileName, type LogPosition } from '../position.js';
import type { SourceServer } from '../server-log.js';

/** Commands (MySQL internals manual, "Replication Protocol"). */
const COMMAND = { binlogDump: 0x12, registerSlave: 0x15, binlogDumpGtid: 0x1e } as const;
/** The server says at least this often that it is there. */
const HEARTBEAT_SECONDS = 5;
/** COM_BINLOG_DUMP holds a place in 32 bits. */
const MAX_DUMP_OFFSET = 0xffff_ffff;
/** Where a log file's first event begins. */
const FIRST_EVENT = 4;
/** BINLOG_THROUGH_GTID: the place is told by the set. */
const THROUGH_GTID = 0x04;

export interface DumpRequest {
  readonly server: SourceServer;
  readonly after: LogPosition;
  readonly serverId: number;
  readonly uuid: string;
  /** Shown by SHOW SLAVE HOSTS. */
  readonly name: string;
  readonly signal: AbortSignal;
}

export interface Dump {
  readonly packets: PacketStream;
  /** Every event ends with a CRC-32 of itself. */
  readonly checksums: boolean;
}

const checksumRow = z.object({ checksum: z.string().nullable() });

/**
 * Starts to read the log behind a place. On the server that the place is of, by file and offset; on another, by GTIDs.
 * What it sends may begin before the place: a file's beginning where the offset is beyond what the command can say.
 */
export async function startDump(session: Connection, request: DumpRequest): Promise<Dump> {
  const { server, after, serverId, signal } = request;
  const sameServer = after.rest.server === server.identity;
  const nanoseconds = String(HEARTBEAT_SECONDS * 1_000_000_000);
  // MySQL 8.4 asks for the names with "source"; older ones for those with "master".
  await session.query(
    `SET @master_binlog_checksum = @@global.binlog_checksum, @source_binlog_checksum = @@global.binlog_checksum,
         @master_heartbeat_period = ${nanoseconds}, @source_heartbeat_period = ${nanoseconds}`,
  );
  if (server.engine === 'mysql') await session.query('SET @slave_uuid = ?, @replica_uuid = ?', [request.uuid, request.uuid]);
  else {
    await session.query('SET @mariadb_slave_capability = 4');
    if (!sameServer)
      await session.query('SET @slave_connect_state = ?, @slave_gtid_strict_mode = 1, @slave_gtid_ignore_duplicates = 0', [
        after.rest.gtids,
      ]);
  }
  const [row] = await queryRows(session, 'SELECT @master_binlog_checksum AS checksum', [], checksumRow);
  await register(session, request);
  const command = sameServer
    ? dumpCommand(after, serverId)
    : server.engine === 'mysql'
      ? gtidDumpCommand(MysqlGtidSet.parse(after.rest.gtids), serverId)
      : dumpFrom('', FIRST_EVENT, serverId);
  signal.throwIfAborted();
  return { packets: PacketStream.send(session, command), checksums: (row?.checksum ?? 'NONE') !== 'NONE' };
}

async function register(session: Connection, { serverId, name, signal }: DumpRequest): Promise<void> {
  const host = Buffer.from(name, 'utf8').subarray(0, 60);
  const head = Buffer.alloc(6);
  head.writeUInt8(COMMAND.registerSlave, 0);
  head.writeUInt32LE(serverId, 1);
  head.writeUInt8(host.length, 5);
  // No user, no password, no port, no rank, and the source's id is filled in by the server.
  const packets = PacketStream.send(session, Buffer.concat([head, host, Buffer.alloc(12)]));
  packets.isLast = () => true;
  await abortable(packets.more(), signal);
  const answer = packets.next();
  if (answer !== undefined && answer.bytes[answer.start] === 0xff) throw serverFailure(answer);
}

function dumpCommand({ file, offset, rest }: LogPosition, serverId: number): Buffer {
  return dumpFrom(fileName(rest.base, file), offset > MAX_DUMP_OFFSET ? FIRST_EVENT : Math.max(offset, FIRST_EVENT), serverId);
}

function dumpFrom(name: string, offset: number, serverId: number): Buffer {
  const head = Buffer.alloc(11);
  head.writeUInt8(COMMAND.binlogDump, 0);
  head.writeUInt32LE(offset, 1);
  head.writeUInt16LE(0, 5);
  head.writeUInt32LE(serverId, 7);
  return Buffer.concat([head, Buffer.from(name, 'utf8')]);
}

function gtidDumpCommand(executed: MysqlGtidSet, serverId: number): Buffer {
  const set = executed.encode();
  const head = Buffer.alloc(23);
  head.writeUInt8(COMMAND.binlogDumpGtid, 0);
  head.writeUInt16LE(THROUGH_GTID, 1);
  head.writeUInt32LE(serverId, 3);
  head.writeUInt32LE(0, 7);
  head.writeBigUInt64LE(BigInt(FIRST_EVENT), 11);
  head.writeUInt32LE(set.length, 19);
  return Buffer.concat([head, set]);
}

/** What it means that the server ended a dump: ER_MASTER_FATAL_ERROR_READING_BINLOG stands for nearly everything (sql/rpl_master.cc). */
export function dumpError(
  error: Error,
  number: number,
  { serverId, resume }: { readonly serverId: number; readonly resume: string },
): unknown {
  const reason = error.message;
  if (number !== 1236 && number !== 1789) return error;
  if (/same server_?(uuid|id)/i.test(reason) || /duplicate/i.test(reason))
    return new MillraceError('SOURCE_READER_REPLACED', { serverId, reason }, { cause: error });
  if (/purged|Could not find first log file|could not find next log|not in the master's binlog|missing/i.test(reason))
    return new MillraceError('SOURCE_LOG_PURGED', { resume, reason }, { cause: error });
  if (/log event entry exceeded max_allowed_packet|max_allowed_packet/i.test(reason))
    return new MillraceError(
      'SOURCE_BINLOG_UNSUPPORTED',
      { what: `an event larger than the server sends: ${reason}`, remedy: 'SET GLOBAL max_allowed_packet = 1073741824.' },
      { cause: error },
    );
  return new MillraceError('SOURCE_LOG_FOREIGN', { reason }, { cause: error });
}
