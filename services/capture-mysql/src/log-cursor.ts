import type { Position } from '@millrace/contract/position.js';
import { invariant } from '@millrace/errors/millrace-error.js';
import type { Gtid } from './binlog/group-events.js';
import { MariadbGtidState, MysqlGtidSet } from './gtid-set.js';
import { fileName, type LogPosition, parseFileName, placeKey, positionKey } from './position.js';
import type { SourceServer } from './server-log.js';

const TWO_32 = 2 ** 32;
/** XA transactions that are prepared at once and hold nothing of the selection. */
const MAX_PREPARED = 1_000;

/** Where the stream stands in the log, and what was executed up to there. */
export class LogCursor {
  readonly #source: string;
  readonly #server: SourceServer;
  readonly failovers: number;
  /** The journal's end, where its file is one of this server's. */
  readonly #written: LogPosition | null;
  readonly #gtids: MysqlGtidSet | MariadbGtidState;
  readonly #prepared: Set<string>;
  #base: string;
  #file: number;
  #offset: number;

  /** `after` is the journal's end; on another server than the one it was written from a new numbering of files begins. */
  constructor(source: string, server: SourceServer, after: LogPosition) {
    const same = after.rest.server === server.identity;
    this.#source = source;
    this.#server = server;
    this.failovers = same ? after.failovers : after.failovers + 1;
    this.#written = same ? after : null;
    const { gtids } = after.rest;
    this.#gtids = server.engine === 'mysql' ? MysqlGtidSet.parse(gtids) : MariadbGtidState.parse(gtids);
    this.#prepared = new Set(after.rest.prepared);
    this.#base = after.rest.base;
    this.#file = same ? after.file : 0;
    this.#offset = same ? after.offset : 0;
  }

  /** The next event lies in this file from `offset` on. */
  rotate(name: string, offset: number): void {
    const { base, file } = parseFileName(name);
    this.#base = base;
    this.#file = file;
    this.#offset = offset;
  }

  /** An event ends at `end`, of which its header holds the lower 32 bits; 0: it is none of the file's. */
  advance(end: number): void {
    if (end === 0) return;
    let next = Math.floor(this.#offset / TWO_32) * TWO_32 + end;
    if (next + TWO_32 / 2 < this.#offset) next += TWO_32;
    // A file's first event is sent ahead of a place in its middle.
    if (next > this.#offset) this.#offset = next;
  }

  /** The event that ended here, and with it its group, lies at or before the journal's end. */
  isWritten(): boolean {
    const written = this.#written;
    if (written === null) return false;
    return this.#file < written.file || (this.#file === written.file && this.#offset <= written.offset);
  }

  executed(gtid: Gtid): void {
    if (gtid.engine === 'mysql') {
      invariant(this.#gtids instanceof MysqlGtidSet, 'a GTID of the other engine');
      if (this.#server.gtids) this.#gtids.add(gtid.uuid, gtid.number);
    } else {
      invariant(this.#gtids instanceof MariadbGtidState, 'a GTID of the other engine');
      this.#gtids.set(gtid.domain, gtid.server, gtid.sequence);
    }
  }

  /** An XA transaction without anything of the selection is prepared. */
  prepared(xid: string): void {
    invariant(this.#prepared.size < MAX_PREPARED, 'at most 1,000 XA transactions are prepared at once');
    this.#prepared.add(xid);
  }

  /** It ends; false: nobody knows what it holds. */
  finish(xid: string): boolean {
    return this.#prepared.delete(xid);
  }

  position(): Position {
    const rest = { base: this.#base, server: this.#server.identity, gtids: this.#gtids.toString() };
    const key = positionKey({
      failovers: this.failovers,
      file: this.#file,
      offset: this.#offset,
      rest: this.#prepared.size === 0 ? rest : { ...rest, prepared: [...this.#prepared] },
    });
    return { source: this.#source, timeline: 0, key };
  }

  /** The place alone. */
  place(): Position {
    return { source: this.#source, timeline: 0, key: placeKey(this.failovers, this.#file, this.#offset) };
  }

  describe(): string {
    return `${fileName(this.#base, this.#file)}:${this.#offset}`;
  }
}
