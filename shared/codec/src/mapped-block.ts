import type { CommitAhead, EventBlock, EventCursor, EventKind } from '@millrace/contract/events.js';
import type { ChunkPart } from '@millrace/contract/load.js';
import type { Row } from '@millrace/contract/row.js';
import type { TableVersion } from '@millrace/contract/table.js';
import { assertNever, invariant } from '@millrace/errors/millrace-error.js';
import { BlockBuilder } from './block-builder.js';
import { type JournalBlock, journalOffset, openBlock, parseBlock } from './block-reader.js';
import { ChunkRowsBuilder, ChunkRowsCursor } from './chunk-rows.js';
import { decodeRow, writeRow } from './row-reader.js';

/** A row event as values in the column order of its table version. */
export type RowChange =
  | { readonly kind: 'insert'; readonly after: Row }
  | { readonly kind: 'update'; readonly before: Row | null; readonly after: Row }
  | { readonly kind: 'delete'; readonly before: Row };

export type MapChange = (change: RowChange, origin: ChangeOrigin) => RowChange | null;

/** Where a change lies in the journal: every reading of the journal finds the same. */
export interface ChangeOrigin {
  readonly transactionId: string;
  /** Null where its Begin does not say it. */
  readonly commit: CommitAhead | null;
  readonly block: JournalBlock;
  /** Row events of the block before it. */
  readonly row: number;
}

/** What becomes of a table's events. */
export type TableMapping =
  /** Another name for the same columns: the images stay as they are. */
  | { readonly kind: 'rename'; readonly version: TableVersion }
  /** Each row is mapped to one of `version`, or to none (a filter). */
  | { readonly kind: 'rows'; readonly version: TableVersion; readonly map: MapChange }
  | { readonly kind: 'drop' };

const NO_EVENTS_BYTES = { framed: Uint8Array.of(0), eventsStart: 0, format: 2 } as const;
const NO_EVENTS = { upTo: null, transactions: 0, rows: 0, schemas: 0 } as const;

/**
 * Maps a stream of blocks, in order, to what a task's rules make of them. Blocks whose tables are renamed at most keep their bytes;
 * others are written anew. One remapper per reader: over a large transaction's slices it counts the events, since the Commit says
 * how many there are, and knows what its Begin said.
 */
export class BlockRemapper {
  private readonly builder = new BlockBuilder();
  private readonly mappings = new WeakMap<TableVersion, TableMapping>();
  /** Row and truncate events that the open transaction has after mapping. */
  private transactionEvents = 0;
  private transactionId = '';
  private commitAhead: CommitAhead | null = null;
  /** Row events of the block so far. */
  private rowsBefore = 0;

  /** `mappingOf` is asked once per table version. */
  constructor(private readonly mappingOf: (table: TableVersion) => TableMapping) {}

  remap(block: JournalBlock): EventBlock {
    const renamed: TableVersion[] = [];
    for (const table of block.tables) {
      const mapping = this.mapping(table);
      if (mapping.kind === 'rename') renamed.push(mapping.version);
    }
    // A slice alone does not say whether its transaction lost events in another one.
    if (block.slice === null && renamed.length === block.tables.length) return block.withTables(renamed);
    return this.rewrite(block);
  }

  private mapping(table: TableVersion): TableMapping {
    let mapping = this.mappings.get(table);
    if (mapping === undefined) {
      mapping = this.mappingOf(table);
      this.mappings.set(table, mapping);
    }
    return mapping;
  }

  private rewrite(block: JournalBlock): EventBlock {
    const { builder } = this;
    builder.reset();
    const events = block.events();
    this.rowsBefore = 0;
    for (let kind = events.next(); kind !== undefined; kind = events.next()) this.event(kind, events, block);
    if (builder.isEmpty) {
      const { offset } = block;
      return openBlock({ ...NO_EVENTS_BYTES, offset, where: journalOffset(offset), header: block, summary: NO_EVENTS }, []);
    }
    const tables = builder.tableVersions[Symbol.iterator]();
    const mapped = parseBlock(builder.seal(block, 0), block.offset);
    return mapped.resolve(() => {
      const { value } = tables.next();
      invariant(value !== undefined, 'a block names as many tables as its builder');
      return value;
    });
  }

  private event(kind: EventKind, events: EventCursor, block: JournalBlock): void {
    const { builder } = this;
    switch (kind) {
      case 'begin':
        this.transactionId = events.transactionId;
        this.commitAhead = events.commitAhead;
        builder.begin(this.transactionId, this.commitAhead ?? undefined);
        this.transactionEvents = 0;
        break;
      case 'insert':
      case 'update':
      case 'delete':
        if (this.row(kind, events, block)) this.transactionEvents++;
        this.rowsBefore++;
        break;
      case 'truncate':
        if (this.truncate(events)) this.transactionEvents++;
        break;
      case 'schema': {
        const mapping = this.mapping(events.table);
        if (mapping.kind !== 'drop') builder.schema(mapping.version, events.change);
        break;
      }
      case 'commit':
        builder.commit(events.position, this.transactionEvents, events.committedAtMicros);
        break;
      case 'progress':
        builder.progress(events.position);
        break;
      default:
        assertNever(kind);
    }
  }

  private row(kind: RowChange['kind'], events: EventCursor, block: JournalBlock): boolean {
    const mapping = this.mapping(events.table);
    switch (mapping.kind) {
      case 'drop':
        return false;
      case 'rename':
        this.builder.copyRow(kind, mapping.version, events);
        return true;
      case 'rows': {
        const { transactionId, commitAhead: commit, rowsBefore: row } = this;
        const change = mapping.map(readChange(kind, events), { transactionId, commit, block, row });
        if (change !== null) writeChange(this.builder, mapping.version, change);
        return change !== null;
      }
      default:
        return assertNever(mapping);
    }
  }

  private truncate(events: EventCursor): boolean {
    const versions = events.truncated.flatMap((table) => {
      const mapping = this.mapping(table);
      return mapping.kind === 'drop' ? [] : [mapping.version];
    });
    if (versions.length > 0) this.builder.truncate(versions, events);
    return versions.length > 0;
  }
}

function readChange(kind: 'insert' | 'update' | 'delete', events: EventCursor): RowChange {
  const { table, bytes } = events;
  if (kind === 'insert') return { kind, after: decodeRow(table, bytes, events.afterStart, events.afterEnd) };
  const before = events.beforeStart < 0 ? null : decodeRow(table, bytes, events.beforeStart, events.beforeEnd);
  if (kind === 'update') return { kind, before, after: decodeRow(table, bytes, events.afterStart, events.afterEnd) };
  invariant(before !== null, 'a delete has an old image');
  return { kind, before };
}

function writeChange(builder: BlockBuilder, version: TableVersion, change: RowChange): void {
  switch (change.kind) {
    case 'insert':
      writeRow(version, change.after, builder.insert(version));
      break;
    case 'update': {
      const image = builder.update(version, change.before !== null);
      if (change.before !== null) writeRow(version, change.before, image);
      writeRow(version, change.after, image);
      break;
    }
    case 'delete':
      writeRow(version, change.before, builder.delete(version));
      break;
    default:
      assertNever(change);
  }
}

/** How loaded rows of `from` become rows of `to`. */
export interface ChunkMapping {
  readonly from: TableVersion;
  readonly to: TableVersion;
  readonly map: (row: Row) => Row;
}

/**
 * Maps the loaded rows of a table, in the encoding 'rows'.
 * @throws MillraceError JOURNAL_CORRUPT, ROW_IMAGE_CORRUPT
 */
export function mapChunkPart(part: ChunkPart, { from, to, map }: ChunkMapping): ChunkPart {
  const builder = new ChunkRowsBuilder(to);
  const rows = new ChunkRowsCursor(part, from);
  while (rows.next()) writeRow(to, map(decodeRow(from, part.bytes, rows.start, rows.end)), builder.row());
  return builder.take();
}
