import { Buffer } from 'node:buffer';
import { MillraceError } from '@millrace/errors/millrace-error.js';

/** What a server, or a position, has executed, by global transaction ids. Grows as the stream goes on. */
export interface GtidSet {
  /** The set's text, the same for equal sets. */
  toString(): string;
}

/** MySQL's set: per server UUID the closed intervals of its transaction numbers (MySQL manual, "GTID Sets"). */
export class MysqlGtidSet implements GtidSet {
  readonly #intervals: Map<string, [number, number][]>;
  #text: string | undefined;

  private constructor(intervals: Map<string, [number, number][]>) {
    this.#intervals = intervals;
  }

  /** Reads `uuid:1-5:7,uuid:1-3`, line breaks allowed. @throws MillraceError SOURCE_BINLOG_UNSUPPORTED for tagged GTIDs (MySQL 8.3). */
  static parse(text: string): MysqlGtidSet {
    const set = new MysqlGtidSet(new Map());
    for (const part of text.replaceAll(/\s/g, '').split(',')) {
      if (part === '') continue;
      const [uuid = '', ...ranges] = part.toLowerCase().split(':');
      for (const range of ranges) {
        const match = /^(\d+)(?:-(\d+))?$/.exec(range);
        if (match === null) {
          throw new MillraceError('SOURCE_BINLOG_UNSUPPORTED', {
            what: `the tagged GTID ${part}`,
            remedy: 'Millrace does not read tagged GTIDs (MySQL 8.3): leave gtid_next at AUTOMATIC without a tag.',
          });
        }
        set.#add(uuid, Number(match[1]), Number(match[2] ?? match[1]));
      }
    }
    return set;
  }

  add(uuid: string, number: number): void {
    this.#add(uuid, number, number);
  }

  has(uuid: string, number: number): boolean {
    return (this.#intervals.get(uuid) ?? []).some(([from, to]) => from <= number && number <= to);
  }

  contains(other: MysqlGtidSet): boolean {
    return [...other.#intervals].every(([uuid, wanted]) => {
      const held = this.#intervals.get(uuid) ?? [];
      return wanted.every(([from, to]) => held.some(([first, last]) => first <= from && to <= last));
    });
  }

  toString(): string {
    this.#text ??= [...this.#intervals]
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([uuid, ranges]) => [uuid, ...ranges.map(([from, to]) => (from === to ? String(from) : `${from}-${to}`))].join(':'))
      .join(',');
    return this.#text;
  }

  /** As COM_BINLOG_DUMP_GTID takes it: intervals are half-open there. */
  encode(): Buffer {
    const parts = [uint64(this.#intervals.size)];
    for (const [uuid, ranges] of this.#intervals) {
      parts.push(Buffer.from(uuid.replaceAll('-', ''), 'hex'), uint64(ranges.length));
      for (const [from, to] of ranges) parts.push(uint64(from), uint64(to + 1));
    }
    return Buffer.concat(parts);
  }

  #add(uuid: string, from: number, to: number): void {
    this.#text = undefined;
    const ranges = this.#intervals.get(uuid);
    const last = ranges?.at(-1);
    if (ranges === undefined || last === undefined) this.#intervals.set(uuid, [[from, to]]);
    else if (from === last[1] + 1) last[1] = to;
    else this.#intervals.set(uuid, merged([...ranges, [from, to]]));
  }
}

/** MariaDB's state: the last GTID of each domain (MariaDB knowledge base, "Global Transaction ID"). */
export class MariadbGtidState implements GtidSet {
  readonly #last: Map<number, { readonly server: number; readonly sequence: bigint }>;

  private constructor(last: Map<number, { readonly server: number; readonly sequence: bigint }>) {
    this.#last = last;
  }

  /** Reads `0-1-100,1-2-7`. */
  static parse(text: string): MariadbGtidState {
    const state = new MariadbGtidState(new Map());
    for (const part of text.replaceAll(/\s/g, '').split(',')) {
      if (part === '') continue;
      const match = /^(\d+)-(\d+)-(\d+)$/.exec(part);
      if (match === null) throw new MillraceError('SOURCE_BINLOG_PROTOCOL', { what: `the GTID "${part}"` });
      state.set(Number(match[1]), Number(match[2]), BigInt(match[3] ?? '0'));
    }
    return state;
  }

  set(domain: number, server: number, sequence: bigint): void {
    this.#last.set(domain, { server, sequence });
  }

  toString(): string {
    return [...this.#last]
      .sort(([one], [other]) => one - other)
      .map(([domain, { server, sequence }]) => `${domain}-${server}-${sequence}`)
      .join(',');
  }
}

function merged(ranges: [number, number][]): [number, number][] {
  const result: [number, number][] = [];
  for (const [from, to] of ranges.sort(([one], [other]) => one - other)) {
    const last = result.at(-1);
    if (last !== undefined && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else result.push([from, to]);
  }
  return result;
}

function uint64(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}
