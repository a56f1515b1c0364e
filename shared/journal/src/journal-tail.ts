import { tableKey } from '@millrace/codec/table-key.js';
import type { EventBlock, SchemaChange, SliceHeader } from '@millrace/contract/events.js';
import type { TableVersion } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { journalError } from './journal-error.js';
import type { JournalLog, LogRecord } from './journal-log.js';
import { advance, type LogBounds, type ReaderState } from './rules/reader-rules.js';
import type { RecordHeader } from './rules/record-header.js';
import { tailStart } from './rules/tail-rules.js';

/** Records read back at a time: nearly always the last one already tells. */
const LOOK_BACK_RECORDS = 16n;

/** A record of the tail, without its events. */
interface TailRecord {
  readonly header: RecordHeader;
  /** Where the last Schema events up to and including this record lie. */
  readonly schemas: bigint;
  /** The block's; null for a Takeover. */
  readonly clock: bigint | null;
}

export interface JournalTail {
  /** Where the log begins. */
  readonly start: bigint;
  /** A reader's that stands at the tail's end. */
  readonly state: ReaderState;
  /** The last block with Schema events among those that were taken; -1 where there is none. */
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
  return { header, schemas: block.schemaCount > 0 ? header.offset : schemasBefore, clock: block.clock };
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
 * Every table's last Schema event in force, by following each block's pointer to the one with Schema events before it: one record
 * read for each such block, none for the rows between. `schemas` is the last such block that is not void; `complete` is false where
 * earlier ones were trimmed away, so that tables may be missing.
 */
export async function tablesAtTail(
  log: JournalLog,
  tail: JournalTail,
  signal: AbortSignal,
): Promise<{ readonly tables: TableAtTail[]; readonly schemas: bigint; readonly complete: boolean }> {
  const tables = new Map<string, TableAtTail>();
  let schemas = -1n;
  let at = tail.schemas;
  while (at >= tail.start && at >= 0n) {
    const [record] = await log.range(at, at + 1n, signal);
    if (record?.kind !== 'block' || record.schemasBefore >= at) {
      throw new MillraceError('JOURNAL_INCONSISTENT', {
        topic: log.topic,
        offset: at,
        what: 'a later block names it as one with Schema events',
      });
    }
    if (tail.voidFrom === null || at < tail.voidFrom) {
      if (schemas < 0n) schemas = at;
      for (const [key, table] of announcedIn(record.block)) if (!tables.has(key)) tables.set(key, table);
    }
    at = record.schemasBefore;
  }
  return { tables: [...tables.values()], schemas, complete: at < 0n };
}

/** The last Schema event of each table in one block. */
function announcedIn(block: EventBlock): Map<string, TableAtTail> {
  const announced = new Map<string, TableAtTail>();
  const cursor = block.events();
  for (let kind = cursor.next(); kind !== undefined; kind = cursor.next()) {
    if (kind === 'schema') announced.set(tableKey(cursor.table.source), { version: cursor.table, change: cursor.change });
  }
  return announced;
}
