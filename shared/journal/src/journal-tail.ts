import { tableKey } from '@millrace/codec/table-key.js';
import type { EventBlock, SchemaChange, SliceHeader } from '@millrace/contract/events.js';
import type { TableVersion } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { journalError } from './journal-error.js';
import type { JournalLog, LogBlock, LogRecord } from './journal-log.js';
import { JOURNAL_PARTITION } from './journal-partition.js';
import { advance, type LogBounds, type ReaderState } from './rules/reader-rules.js';
import type { RecordHeader } from './rules/record-header.js';
import { tailStart } from './rules/tail-rules.js';

/** Records read back at a time: nearly always the last one already tells. */
const LOOK_BACK_RECORDS = 16n;

/** A record of the tail, without its events. */
interface TailRecord {
  readonly header: RecordHeader;
  /** Where the last block up to and including this record lies that tells of tables. */
  readonly schemas: bigint;
  /** The block's; null for a Takeover. */
  readonly clock: bigint | null;
}

export interface JournalTail {
  /** Where the log begins. */
  readonly start: bigint;
  /** A reader's that stands at the tail's end. */
  readonly state: ReaderState;
  /** The last block that tells of tables among those that were taken; -1 where there is none. */
  readonly schemas: bigint;
  /** Offset of slice 0 of the large transaction that the journal ends in: its blocks are void. Null: it ends with a whole one. */
  readonly voidFrom: bigint | null;
  /** The last block's: blocks that follow never have an earlier one. */
  readonly clock: bigint | null;
}

/** What the last Schema event of a table said. */
export interface TableAtTail {
  readonly version: TableVersion;
  readonly change: SchemaChange;
}

/**
 * Where the journal stands just below `end`: read back to the last block that is certainly in force, then forward by the reader's
 * rules, so it costs the same however long the journal is.
 * @throws MillraceError JOURNAL_NO_ANCHOR, and the errors of the reader's rules
 */
export async function readTail(log: JournalLog, range: LogBounds, signal: AbortSignal): Promise<JournalTail> {
  const { start, end } = range;
  let records: TailRecord[] = [];
  let from = end;
  for (;;) {
    const below = from - LOOK_BACK_RECORDS > start ? from - LOOK_BACK_RECORDS : start;
    records = [...(await log.range(below, from, signal)).map(tailRecord), ...records];
    from = below;
    const headers = records.map(({ header }) => header);
    const begin = tailStart(headers, start);
    if (begin.kind === 'no-anchor') throw new MillraceError('JOURNAL_NO_ANCHOR', { topic: log.topic, start });
    if (begin.kind === 'start') return { start, ...readForward(log.topic, begin.state, records) };
  }
}

function tailRecord(record: LogRecord): TailRecord {
  if (record.kind === 'takeover') return { header: record.header, schemas: -1n, clock: null };
  const { block, header, schemasBefore } = record;
  return { header, schemas: tellsOfTables(record) ? header.offset : schemasBefore, clock: block.clock };
}

function readForward(topic: string, begin: ReaderState, records: readonly TailRecord[]): Omit<JournalTail, 'start'> {
  let state = begin;
  let schemas = -1n;
  let voidFrom: bigint | null = null;
  let clock: bigint | null = null;
  for (const { header, schemas: upToHere, clock: clockHere } of records) {
    if (header.offset < begin.nextOffset) continue;
    const decision = advance(state, header);
    if (decision.kind === 'error') throw journalError(topic, decision.error);
    state = decision.state;
    if (decision.kind !== 'apply' || header.kind !== 'block') continue;
    schemas = upToHere;
    clock = clockHere;
    voidFrom = header.slice === null || header.slice.last ? null : firstSlice(header.offset, header.slice);
  }
  return { state, schemas, voidFrom, clock };
}

function firstSlice(offset: bigint, { index, first }: SliceHeader): bigint {
  return index === 0 ? offset : first;
}

/**
 * Every table's last Schema event in force, by following each block's pointer to the one before it that tells of tables, down to one
 * that lists them all: one record read for each such block, none for the rows between. `schemas` is the last of them that is not void.
 * @throws MillraceError JOURNAL_TRIMMED where one of them is gone
 */
export async function tablesAtTail(
  log: TableLog,
  tail: JournalTail,
  signal: AbortSignal,
): Promise<{ readonly tables: TableAtTail[]; readonly schemas: bigint }> {
  const tables = new Map<string, TableAtTail>();
  let schemas = -1n;
  for await (const block of tellingBlocks(log, tail, signal)) {
    if (tail.voidFrom !== null && block.header.offset >= tail.voidFrom) continue;
    if (schemas < 0n) schemas = block.header.offset;
    const listed = block.tablesBefore === null ? [] : await log.listed(block.tablesBefore, signal);
    const older = listed.map((version): TableAtTail => ({ version, change: { kind: 'version' } }));
    for (const table of [...announcedIn(block.block), ...older]) {
      const key = tableKey(table.version.source);
      if (!tables.has(key)) tables.set(key, table);
    }
  }
  return { tables: [...tables.values()], schemas };
}

/** What of a log tells of tables. */
export type TableLog = Pick<JournalLog, 'topic' | 'range' | 'listed'>;

/**
 * Blocks that tell of tables, newest first, from `schemas` down to one that lists them all, or to the first one ever.
 * @throws MillraceError JOURNAL_TRIMMED where one of them is gone
 */
export async function* tellingBlocks(
  log: TableLog,
  { schemas, start }: { readonly schemas: bigint; readonly start: bigint },
  signal?: AbortSignal,
): AsyncGenerator<LogBlock> {
  for (let at = schemas; at >= 0n; ) {
    if (at < start)
      throw new MillraceError('JOURNAL_TRIMMED', { topic: log.topic, partition: JOURNAL_PARTITION, offset: at, start });
    const [record] = await log.range(at, at + 1n, signal);
    if (record?.kind !== 'block' || !tellsOfTables(record) || record.schemasBefore >= at) {
      throw new MillraceError('JOURNAL_INCONSISTENT', {
        topic: log.topic,
        offset: at,
        what: 'a later block names it as one that tells of tables',
      });
    }
    yield record;
    if (record.tablesBefore !== null) return;
    at = record.schemasBefore;
  }
}

function tellsOfTables({ block, tablesBefore }: LogBlock): boolean {
  return block.schemaCount > 0 || tablesBefore !== null;
}

/** The last Schema event of each table in one block. */
function announcedIn(block: EventBlock): Iterable<TableAtTail> {
  const announced = new Map<string, TableAtTail>();
  const cursor = block.events();
  for (let kind = cursor.next(); kind !== undefined; kind = cursor.next()) {
    if (kind === 'schema') announced.set(tableKey(cursor.table.source), { version: cursor.table, change: cursor.change });
  }
  return announced.values();
}
