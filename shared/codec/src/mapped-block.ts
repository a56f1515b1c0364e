import type { EventBlock, EventCursor } from '@millrace/contract/events.js';
import type { ChunkPart } from '@millrace/contract/load.js';
import type { Row } from '@millrace/contract/row.js';
import type { TableVersion } from '@millrace/contract/table.js';
import { assertNever, invariant } from '@millrace/errors/millrace-error.js';
import { BlockBuilder } from './block-builder.js';
import { type JournalBlock, openBlock, parseBlock } from './block-reader.js';
import { ChunkRowsBuilder, ChunkRowsCursor } from './chunk-rows.js';
import { decodeRow, writeRow } from './row-reader.js';

/** A row event as values in the column order of its table version. */
export type RowChange =
  | { readonly kind: 'insert'; readonly after: Row }
  | { readonly kind: 'update'; readonly before: Row | null; readonly after: Row }
  | { readonly kind: 'delete'; readonly before: Row };

/** What becomes of a table's events. */
export type TableMapping =
  /** Another name for the same columns: the images stay as they are. */
  | { readonly kind: 'rename'; readonly version: TableVersion }
  /** Each row is mapped to one of `version`, or to none (a filter). */
  | { readonly kind: 'rows'; readonly version: TableVersion; readonly map: (change: RowChange) => RowChange | null }
  | { readonly kind: 'drop' };

const NO_EVENTS = { upTo: null, transactions: 0, rows: 0, schemas: 0 } as const;

/**
 * Maps a stream of blocks, in order, to what a task's rules make of them. Blocks whose tables are renamed at most keep their bytes;
 * others are written anew. One remapper per reader: it counts a large transaction's events over its slices, since the Commit says
 * how many there are.
 */
export class BlockRemapper {
  private readonly builder = new BlockBuilder();
  private readonly mappings = new WeakMap<TableVersion, TableMapping>();
  /** Row and truncate events that the open transaction has after mapping. */
  private transactionEvents = 0;

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
    for (let kind = events.next(); kind !== undefined; kind = events.next()) this.event(kind, events);
    if (builder.isEmpty) {
      return openBlock({ framed: Uint8Array.of(0), offset: block.offset, eventsStart: 0, header: block, summary: NO_EVENTS }, []);
    }
    const tables = builder.tableVersions[Symbol.iterator]();
    const mapped = parseBlock(builder.seal(block, 0), block.offset);
    return mapped.resolve(() => {
      const { value } = tables.next();
      invariant(value !== undefined, 'a block names as many tables as its builder');
      return value;
    });
  }

  private event(kind: ReturnType<EventCursor['next']> & string, events: EventCursor): void {
    const { builder } = this;
    switch (kind) {
      case 'begin':
        builder.begin(events.transactionId);
        this.transactionEvents = 0;
        break;
      case 'insert':
      case 'update':
      case 'delete':
        if (this.row(kind, events)) this.transactionEvents++;
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

  private row(kind: 'insert' | 'update' | 'delete', events: EventCursor): boolean {
    const mapping = this.mapping(events.table);
    switch (mapping.kind) {
      case 'drop':
        return false;
      case 'rename':
        this.builder.copyRow(kind, mapping.version, events);
        return true;
      case 'rows': {
        const change = mapping.map(readChange(kind, events));
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

/**
 * Maps the loaded rows of a table, in the encoding 'rows', as the stream's inserts are mapped.
 * @throws MillraceError JOURNAL_CORRUPT, ROW_IMAGE_CORRUPT
 */
export function mapChunkPart(part: ChunkPart, table: TableVersion, mapping: TableMapping): ChunkPart {
  switch (mapping.kind) {
    case 'rename':
      return part;
    case 'drop':
      return new ChunkRowsBuilder(table).take();
    case 'rows': {
      const builder = new ChunkRowsBuilder(mapping.version);
      const rows = new ChunkRowsCursor(part, table);
      while (rows.next()) {
        const change = mapping.map({ kind: 'insert', after: decodeRow(table, part.bytes, rows.start, rows.end) });
        if (change === null) continue;
        invariant(change.kind === 'insert', 'a loaded row is mapped to a row or to nothing');
        writeRow(mapping.version, change.after, builder.row());
      }
      return builder.take();
    }
    default:
      return assertNever(mapping);
  }
}
