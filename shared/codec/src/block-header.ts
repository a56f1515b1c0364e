import type { SliceHeader } from '@millrace/contract/events.js';
import type { Position } from '@millrace/contract/position.js';
import type { TableVersion } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import type { BlockFormat } from './block-schema.js';
import type { ByteReader } from './byte-reader.js';
import { ByteWriter } from './byte-writer.js';
import { startChecksummedFrame } from './framing.js';
import { describePosition, positionKeyBytes, positionKeyText } from './position.js';

/** What the capture says about a block; the rest of the header follows from its events. */
export interface BlockHeader {
  /** Random id of the journal. */
  readonly journal: string;
  /** Offset of the Takeover of the incarnation that writes the block. */
  readonly epoch: bigint;
  /** 0, 1, 2 … within the epoch. */
  readonly seq: bigint;
  /** Offset of this incarnation's record before this one; in a send of several blocks, the expected one. */
  readonly prev: bigint;
  /** Of every position in the block. */
  readonly source: string;
  readonly timeline: number;
  /** Position of the last Commit or Progress before the block; in a slice, before its transaction. Null: none yet. */
  readonly after: Position | null;
  readonly slice: SliceHeader | null;
  /**
   * Latest commit time, in microseconds since 1970, of every transaction begun up to the block's end: unlike the source's clock it never
   * goes back from one block to the next. Null: no transaction has said when it commits.
   */
  readonly clock: bigint | null;
}

/** A table version as a block names it. */
export interface TableReference {
  readonly registryId: number;
  readonly fingerprint: string;
}

/** What a header says about the block's events. */
export interface BlockSummary {
  /** Position of the last Commit or Progress in the block; null where it holds none. */
  readonly upTo: Position | null;
  readonly transactions: number;
  readonly rows: number;
  readonly schemas: number;
}

export interface HeaderParts extends BlockSummary {
  readonly header: BlockHeader;
  readonly tables: readonly TableVersion[];
}

/** Frame and header, up to the events. */
export function encodeHeader(parts: HeaderParts, blockSchemaId: number): ByteWriter {
  const { header, upTo, tables } = parts;
  checkHistory(header);
  const out = new ByteWriter(512);
  startChecksummedFrame(out, blockSchemaId);
  out.text(header.journal);
  out.long(header.epoch);
  out.long(header.seq);
  out.long(header.prev);
  out.text(header.source);
  out.safeLong(header.timeline);
  out.int(header.after === null ? 0 : 1);
  if (header.after !== null) {
    out.safeLong(header.after.timeline);
    writeKey(out, header.after);
  }
  out.int(upTo === null ? 0 : 1);
  if (upTo !== null) writeKey(out, upTo);
  out.int(header.slice === null ? 0 : 1);
  if (header.slice !== null) {
    out.int(header.slice.index);
    out.long(header.slice.first);
    out.boolean(header.slice.last);
  }
  if (tables.length > 0) out.int(tables.length);
  for (const table of tables) {
    out.int(table.registryId);
    out.text(table.fingerprint);
  }
  out.int(0);
  out.int(header.clock === null ? 0 : 1);
  if (header.clock !== null) out.long(header.clock);
  out.int(parts.transactions);
  out.int(parts.rows);
  out.int(parts.schemas);
  return out;
}

function writeKey(out: ByteWriter, position: Position): void {
  const key = positionKeyBytes(position);
  out.blob(key, 0, key.length);
}

function checkHistory({ source, after }: BlockHeader): void {
  if (after !== null && after.source !== source) {
    throw new MillraceError('POSITION_INCOMPARABLE', { left: describePosition(after), right: `any of source ${source}` });
  }
}

export function readHeader(
  reader: ByteReader,
  format: BlockFormat,
): BlockHeader & BlockSummary & { readonly references: readonly TableReference[] } {
  const journal = reader.text();
  const epoch = reader.bigint();
  const seq = reader.bigint();
  const prev = reader.bigint();
  const source = reader.text();
  const timeline = reader.safeLong();
  const after = reader.optional() ? { source, timeline: reader.safeLong(), key: readKey(reader) } : null;
  const upTo = reader.optional() ? { source, timeline, key: readKey(reader) } : null;
  const slice = reader.optional() ? { index: readCount(reader), first: reader.bigint(), last: reader.boolean() } : null;
  const references = readReferences(reader);
  const clock = format > 1 && reader.optional() ? reader.bigint() : null;
  const [transactions, rows, schemas] = [readCount(reader), readCount(reader), readCount(reader)];
  return { journal, epoch, seq, prev, source, timeline, after, slice, clock, upTo, references, transactions, rows, schemas };
}

function readKey(reader: ByteReader): string {
  reader.blob();
  return positionKeyText(reader.bytes, reader.blobStart, reader.blobEnd);
}

function readReferences(reader: ByteReader): TableReference[] {
  const references: TableReference[] = [];
  for (let count = reader.arrayBlock(); count > 0; count = reader.arrayBlock()) {
    for (let index = 0; index < count; index++) references.push({ registryId: reader.int(), fingerprint: reader.text() });
  }
  return references;
}

function readCount(reader: ByteReader): number {
  const count = reader.int();
  if (count < 0) throw reader.corrupt('a count in the header is negative');
  return count;
}
