import type { Buffer } from 'node:buffer';
import { MillraceError } from '@millrace/errors/millrace-error.js';

/**
 * The messages of PostgreSQL's replication stream and of its pgoutput plugin, protocol version 1
 * (PostgreSQL manual, "Streaming Replication Protocol" and "Logical Replication Message Formats").
 * Rows are not here: they go from bytes to bytes in row-translator.ts.
 */
export const MESSAGE = {
  // The connection's messages while it streams.
  copyData: 0x64, // d
  copyDone: 0x63, // c
  error: 0x45, // E
  notice: 0x4e, // N
  parameterStatus: 0x53, // S
  copyBothResponse: 0x57, // W
  commandComplete: 0x43, // C
  readyForQuery: 0x5a, // Z
  // Inside CopyData.
  xlogData: 0x77, // w
  keepalive: 0x6b, // k
  // Inside XLogData: pgoutput.
  begin: 0x42, // B
  commit: 0x43, // C
  origin: 0x4f, // O
  relation: 0x52, // R
  type: 0x59, // Y
  insert: 0x49, // I
  update: 0x55, // U
  delete: 0x44, // D
  truncate: 0x54, // T
  message: 0x4d, // M
  // Inside a row message: which tuple follows.
  newTuple: 0x4e, // N
  keyTuple: 0x4b, // K
  oldTuple: 0x4f, // O
  // Inside a tuple: how a column's value travels.
  null: 0x6e, // n
  unchanged: 0x75, // u
  text: 0x74, // t
} as const;

export interface RelationColumn {
  readonly name: string;
  /** Part of the replica identity. */
  readonly key: boolean;
  readonly typeOid: number;
  readonly typeModifier: number;
}

/** What the stream says about a relation before its first row in a session and after each change: as it was at that place. */
export interface RelationMessage {
  readonly oid: number;
  readonly schema: string;
  readonly table: string;
  /** pg_class.relreplident: d(efault), n(othing), f(ull), i(ndex). */
  readonly replicaIdentity: string;
  /** In attnum order, without dropped and generated columns. */
  readonly columns: readonly RelationColumn[];
}

/** Reads fields of a message one after the other; reading past its end is SOURCE_PROTOCOL. */
export class MessageReader {
  constructor(
    readonly bytes: Buffer,
    readonly view: DataView,
    private position: number,
    private readonly end: number,
  ) {}

  uint8(): number {
    return this.view.getUint8(this.#advance(1));
  }

  int16(): number {
    return this.view.getInt16(this.#advance(2));
  }

  int32(): number {
    return this.view.getInt32(this.#advance(4));
  }

  uint32(): number {
    return this.view.getUint32(this.#advance(4));
  }

  int64(): bigint {
    return this.view.getBigInt64(this.#advance(8));
  }

  /** An LSN as a position's key. */
  lsn(): string {
    const at = this.#advance(8);
    return this.bytes.toString('hex', at, at + 8);
  }

  string(): string {
    const at = this.position;
    const zero = this.bytes.indexOf(0, at);
    if (zero < 0 || zero >= this.end) throw truncated();
    this.position = zero + 1;
    return this.bytes.toString('utf8', at, zero);
  }

  #advance(count: number): number {
    const at = this.position;
    if (at + count > this.end) throw truncated();
    this.position = at + count;
    return at;
  }
}

function truncated(): MillraceError {
  return new MillraceError('SOURCE_PROTOCOL', { what: 'a message that ends too early' });
}

export function readRelation(reader: MessageReader): RelationMessage {
  const oid = reader.uint32();
  // pgoutput writes an empty name for pg_catalog (logicalrep_write_namespace).
  const schema = reader.string() || 'pg_catalog';
  const table = reader.string();
  const replicaIdentity = String.fromCharCode(reader.uint8());
  const count = reader.int16();
  const columns: RelationColumn[] = [];
  for (let index = 0; index < count; index++) {
    const key = (reader.uint8() & 1) === 1;
    columns.push({ name: reader.string(), key, typeOid: reader.uint32(), typeModifier: reader.int32() });
  }
  return { oid, schema, table, replicaIdentity, columns };
}

export interface TruncateMessage {
  readonly oids: readonly number[];
  readonly cascade: boolean;
  readonly restartIdentity: boolean;
}

export function readTruncate(reader: MessageReader): TruncateMessage {
  const count = reader.int32();
  const options = reader.uint8();
  const oids: number[] = [];
  for (let index = 0; index < count; index++) oids.push(reader.uint32());
  return { oids, cascade: (options & 1) !== 0, restartIdentity: (options & 2) !== 0 };
}

/** Microseconds between 1970 and PostgreSQL's epoch, 2000-01-01 UTC. */
export const POSTGRES_EPOCH_MICROS = 946_684_800_000_000n;

/** Standby status update: everything up to `acknowledged` is durable here, the server may free its log up to there. */
export function writeStatus(target: Buffer, acknowledged: bigint, nowMs: number, replyRequested: boolean): number {
  // CopyData header, then 'r', written, flushed, applied, clock, reply. All three are the durable LSN: reporting a later
  // "written" would make the server think that we are up to date and send no keepalive from which progress follows.
  target.writeUInt8(MESSAGE.copyData, 0);
  target.writeInt32BE(4 + 34, 1);
  target.writeUInt8(0x72, 5);
  target.writeBigUInt64BE(acknowledged, 6);
  target.writeBigUInt64BE(acknowledged, 14);
  target.writeBigUInt64BE(acknowledged, 22);
  target.writeBigInt64BE(BigInt(Math.round(nowMs)) * 1_000n - POSTGRES_EPOCH_MICROS, 30);
  target.writeUInt8(replyRequested ? 1 : 0, 38);
  return 39;
}

export const STATUS_BYTES = 39;
