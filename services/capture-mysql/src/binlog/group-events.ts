import type { EventReader } from './event-reader.js';
import { inflatedBytes } from './inflate.js';

export type Gtid =
  | { readonly engine: 'mysql'; readonly uuid: string; readonly number: number }
  | { readonly engine: 'mariadb'; readonly domain: number; readonly server: number; readonly sequence: bigint };

/** What the first event of a group (a transaction, or one statement) says of it. */
export interface GroupHead {
  /** Null where the server has none. */
  readonly gtid: Gtid | null;
  /** When it commits; 0: only its last event says. */
  readonly atMicros: bigint;
  /** The group ends with an event of its own, and not with its first statement. */
  readonly explicit: boolean;
}

/** The top bit of a GTID event's time says that the original server's time follows. */
const HAS_ORIGINAL_TIME = 1n << 55n;
const LOGICAL_CLOCK = 2;
/** MariaDB: the group is one statement; a group commit's id follows. */
const STANDALONE = 1;

/** GTID_LOG_EVENT and its anonymous twin (MySQL's Gtid_event); 5.7 has no times. */
export function readMysqlGtid(body: EventReader): GroupHead {
  body.skip(1);
  const hex = body.slice(16).toString('hex');
  const uuid = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
  const number = Number(body.uint64());
  let atMicros = 0n;
  if (body.left > 0 && body.uint8() === LOGICAL_CLOCK) {
    body.skip(16);
    if (body.left >= 7) atMicros = body.uint56() & (HAS_ORIGINAL_TIME - 1n);
  }
  return { gtid: { engine: 'mysql', uuid, number }, atMicros, explicit: false };
}

/** MariaDB's GTID event stands for BEGIN, too. */
export function readMariadbGtid(body: EventReader, server: number): GroupHead {
  const sequence = body.uint64();
  const domain = body.uint32();
  const flags = body.uint8();
  return { gtid: { engine: 'mariadb', domain, server, sequence }, atMicros: 0n, explicit: (flags & STANDALONE) === 0 };
}

export interface QueryEvent {
  readonly sql: string;
  readonly database: string;
}

export function readQuery(body: EventReader, compressed: boolean): QueryEvent {
  body.skip(8);
  const databaseLength = body.uint8();
  body.skip(2);
  body.skip(body.uint16());
  const database = body.text(databaseLength);
  body.skip(1);
  return { sql: compressed ? inflatedBytes(body).toString('utf8') : body.text(body.left), database };
}

/** An XA transaction's name in one form, whether it comes in an event or in a statement: `gtrid,bqual,format`, the first two in hexadecimal. */
export function readXid(body: EventReader): { readonly onePhase: boolean; readonly xid: string } {
  const onePhase = body.uint8() !== 0;
  const format = body.uint32();
  const globalLength = body.uint32();
  const branchLength = body.uint32();
  const global = body.slice(globalLength).toString('hex');
  return { onePhase, xid: `${global},${body.slice(branchLength).toString('hex')},${format}` };
}
