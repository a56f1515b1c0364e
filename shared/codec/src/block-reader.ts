import type { EventBlock, EventCursor } from '@millrace/contract/events.js';
import type { Position } from '@millrace/contract/position.js';
import type { TableVersion } from '@millrace/contract/table.js';
import { type BlockHeader, type BlockSummary, readHeader, type TableReference } from './block-header.js';
import type { BlockFormat } from './block-schema.js';
import { ByteReader } from './byte-reader.js';
import { BlockCursor } from './event-cursor.js';
import { openChecksummedFrame } from './framing.js';

/** Gives the version behind a reference; the same object each time, so that plans may hang on it. */
export type ResolveTable = (registryId: number, fingerprint: string) => TableVersion;

/** A block of the journal with its header. */
export interface JournalBlock extends EventBlock, BlockHeader {
  /** Position of the last Commit or Progress in the block; null where it holds none. */
  readonly upTo: Position | null;
  /** Commits in the block. */
  readonly transactionCount: number;
  /** The same events under other table versions, whose images have the same bytes (a rename); one for each of `tables`. */
  withTables(tables: readonly TableVersion[]): JournalBlock;
}

/** A block whose header is read and checked, and whose table versions are yet to be found: `references` says which. */
export interface ParsedBlock extends BlockHeader, BlockSummary {
  readonly kind: 'block';
  readonly offset: bigint;
  readonly byteLength: number;
  readonly references: readonly TableReference[];
  resolve(resolve: ResolveTable): JournalBlock;
}

/** Where a record lies, for messages, to those who do not know the topic's name. */
export function journalOffset(offset: bigint): string {
  return `journal offset ${offset}`;
}

/**
 * Reads a block's header and verifies the checksum over all of it. The buffer is kept, not copied. `where` is its place for messages.
 * @throws MillraceError JOURNAL_CORRUPT, RECORD_TOO_LARGE
 */
export function parseBlock(
  framed: Uint8Array,
  offset: bigint,
  format: BlockFormat = 2,
  where = journalOffset(offset),
): ParsedBlock {
  const reader = openChecksummedFrame(framed, where);
  const header = readHeader(reader, format);
  const eventsStart = reader.position;
  return {
    kind: 'block',
    offset,
    byteLength: framed.length,
    ...header,
    resolve: (resolve) => {
      const tables = header.references.map(({ registryId, fingerprint }) => resolve(registryId, fingerprint));
      return openBlock({ framed, offset, where, format, eventsStart, header, summary: header }, tables);
    },
  };
}

/** `parseBlock` for callers that have every table version at hand. */
export function decodeBlock(framed: Uint8Array, offset: bigint, resolve: ResolveTable, format: BlockFormat = 2): JournalBlock {
  return parseBlock(framed, offset, format).resolve(resolve);
}

/** A block whose header is at hand; `eventsStart` is where the Avro array of events begins. */
export interface BlockParts {
  readonly framed: Uint8Array;
  readonly offset: bigint;
  /** The record's place, for messages. */
  readonly where: string;
  readonly format: BlockFormat;
  readonly eventsStart: number;
  readonly header: BlockHeader;
  readonly summary: BlockSummary;
}

export function openBlock(parts: BlockParts, tables: readonly TableVersion[]): JournalBlock {
  const { framed, offset, where, format, eventsStart, header, summary } = parts;
  const { journal, epoch, seq, prev, source, timeline, after, slice, clock } = header;
  return {
    journal,
    epoch,
    seq,
    prev,
    source,
    timeline,
    after,
    slice,
    clock,
    offset,
    upTo: summary.upTo,
    byteLength: framed.length,
    transactionCount: summary.transactions,
    rowCount: summary.rows,
    schemaCount: summary.schemas,
    tables,
    events: (): EventCursor => {
      const reader = new ByteReader(framed, eventsStart, framed.length, where);
      return new BlockCursor(reader, { format, header, summary, tables });
    },
    withTables: (others) => openBlock(parts, others),
  };
}
