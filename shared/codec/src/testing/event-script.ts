import type { EventBlock, EventCursor, SchemaChange } from '@millrace/contract/events.js';
import type { Position } from '@millrace/contract/position.js';
import type { Row } from '@millrace/contract/row.js';
import type { TableVersion } from '@millrace/contract/table.js';
import { assertNever } from '@millrace/errors/millrace-error.js';
import fc from 'fast-check';
import type { BlockBuilder } from '../block-builder.js';
import { decodeRow, encodeRow, writeRow } from '../row-reader.js';
import { rowOf } from './arbitrary-tables.js';

/** Events as objects: what a builder is told, and what a reader should find. `table` is an index into a list of versions. */
export type ScriptEvent =
  | { readonly kind: 'begin'; readonly xid: string; readonly ahead?: { readonly key: string; readonly at: bigint } }
  | { readonly kind: 'insert'; readonly table: number; readonly after: Row }
  | { readonly kind: 'update'; readonly table: number; readonly before: Row | null; readonly after: Row }
  | { readonly kind: 'delete'; readonly table: number; readonly before: Row }
  | {
      readonly kind: 'truncate';
      readonly tables: readonly number[];
      readonly cascade: boolean;
      readonly restartIdentity: boolean;
    }
  | { readonly kind: 'schema'; readonly table: number; readonly change: SchemaChange }
  | { readonly kind: 'commit'; readonly key: string; readonly events: number; readonly committedAt: bigint }
  | { readonly kind: 'progress'; readonly key: string };

export const SOURCE = 'system-1/5';
export const TIMELINE = 3;

export function positionAt(key: string): Position {
  return { source: SOURCE, timeline: TIMELINE, key };
}

const text = fc.string({ unit: 'binary', maxLength: 10 });
const key = fc.uint8Array({ minLength: 8, maxLength: 8 }).map((bytes) => Buffer.from(bytes).toString('hex'));
const micros = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });

const change: fc.Arbitrary<SchemaChange> = fc.oneof(
  fc.constantFrom<SchemaChange>({ kind: 'version' }, { kind: 'dropped' }),
  fc.record({ kind: fc.constant('load' as const), load: text, reason: text }),
  fc.record({ kind: fc.constant('error' as const), code: text, message: text }),
);

function schemaEvent(tables: readonly TableVersion[]): fc.Arbitrary<ScriptEvent> {
  return fc.record({ kind: fc.constant('schema' as const), table: fc.nat(tables.length - 1), change });
}

function rowEvent(tables: readonly TableVersion[]): fc.Arbitrary<ScriptEvent> {
  const perTable = tables.map(({ schema }, table) => {
    const row = rowOf(schema);
    const at = { table: fc.constant(table) };
    return fc.oneof(
      fc.record({ kind: fc.constant('insert' as const), ...at, after: row }),
      fc.record({ kind: fc.constant('update' as const), ...at, before: fc.option(row), after: row }),
      fc.record({ kind: fc.constant('delete' as const), ...at, before: row }),
    );
  });
  return fc.oneof(...perTable);
}

function truncateEvent(tables: readonly TableVersion[]): fc.Arbitrary<ScriptEvent> {
  return fc.record({
    kind: fc.constant('truncate' as const),
    tables: fc.array(fc.nat(tables.length - 1), { maxLength: 3 }),
    cascade: fc.boolean(),
    restartIdentity: fc.boolean(),
  });
}

function transaction(tables: readonly TableVersion[]): fc.Arbitrary<readonly ScriptEvent[]> {
  const inner = fc.oneof(
    { weight: 8, arbitrary: rowEvent(tables) },
    { weight: 1, arbitrary: truncateEvent(tables) },
    { weight: 1, arbitrary: schemaEvent(tables) },
  );
  return fc
    .record({ xid: text, events: fc.array(inner, { maxLength: 8 }), key, committedAt: micros, ahead: fc.option(key) })
    .map(({ xid, events, key: at, committedAt, ahead }) => [
      { kind: 'begin', xid, ...(ahead === null ? {} : { ahead: { key: ahead, at: committedAt } }) },
      ...events,
      { kind: 'commit', key: at, events: events.filter((event) => event.kind !== 'schema').length, committedAt },
    ]);
}

/** Whole transactions with Schema and Progress events between them; never empty. */
export function wholeTransactions(tables: readonly TableVersion[]): fc.Arbitrary<readonly ScriptEvent[]> {
  const outside = fc.oneof(
    schemaEvent(tables),
    key.map((at): ScriptEvent => ({ kind: 'progress', key: at })),
  );
  const part = fc.oneof({ weight: 3, arbitrary: transaction(tables) }, { weight: 1, arbitrary: outside.map((event) => [event]) });
  return fc.array(part, { minLength: 1, maxLength: 5 }).map((parts) => parts.flat());
}

export function writeEvents(builder: BlockBuilder, tables: readonly TableVersion[], events: readonly ScriptEvent[]): void {
  for (const event of events) writeEvent(builder, tables, event);
}

function at(tables: readonly TableVersion[], index: number): TableVersion {
  const table = tables[index];
  if (table === undefined) throw new Error(`the script has no table ${index}`);
  return table;
}

function writeEvent(builder: BlockBuilder, tables: readonly TableVersion[], event: ScriptEvent): void {
  switch (event.kind) {
    case 'begin':
      builder.begin(
        event.xid,
        event.ahead === undefined ? undefined : { position: positionAt(event.ahead.key), atMicros: event.ahead.at },
      );
      break;
    case 'insert':
      writeRow(at(tables, event.table), event.after, builder.insert(at(tables, event.table)));
      break;
    case 'update': {
      const image = builder.update(at(tables, event.table), event.before !== null);
      if (event.before !== null) writeRow(at(tables, event.table), event.before, image);
      writeRow(at(tables, event.table), event.after, image);
      break;
    }
    case 'delete':
      writeRow(at(tables, event.table), event.before, builder.delete(at(tables, event.table)));
      break;
    case 'truncate':
      builder.truncate(
        event.tables.map((table) => at(tables, table)),
        event,
      );
      break;
    case 'schema':
      builder.schema(at(tables, event.table), event.change);
      break;
    case 'commit':
      builder.commit(positionAt(event.key), event.events, event.committedAt);
      break;
    case 'progress':
      builder.progress(positionAt(event.key));
      break;
  }
}

/** What the lean reader finds in a block, in the script's words. */
export function readEvents(block: EventBlock, tables: readonly TableVersion[]): ScriptEvent[] {
  const found: ScriptEvent[] = [];
  const events = block.events();
  for (let kind = events.next(); kind !== undefined; kind = events.next()) {
    switch (kind) {
      case 'begin':
        found.push({ kind, xid: events.transactionId, ...aheadOf(events) });
        break;
      case 'insert': {
        const after = decodeRow(events.table, events.bytes, events.afterStart, events.afterEnd);
        found.push({ kind, table: tables.indexOf(events.table), after });
        break;
      }
      case 'update': {
        const before =
          events.beforeStart < 0 ? null : decodeRow(events.table, events.bytes, events.beforeStart, events.beforeEnd);
        const after = decodeRow(events.table, events.bytes, events.afterStart, events.afterEnd);
        found.push({ kind, table: tables.indexOf(events.table), before, after });
        break;
      }
      case 'delete': {
        const before = decodeRow(events.table, events.bytes, events.beforeStart, events.beforeEnd);
        found.push({ kind, table: tables.indexOf(events.table), before });
        break;
      }
      case 'truncate': {
        const { cascade, restartIdentity } = events;
        found.push({ kind, tables: events.truncated.map((table) => tables.indexOf(table)), cascade, restartIdentity });
        break;
      }
      case 'schema':
        found.push({ kind, table: tables.indexOf(events.table), change: events.change });
        break;
      case 'commit':
        found.push({ kind, key: events.position.key, events: events.eventCount, committedAt: events.committedAtMicros });
        break;
      case 'progress':
        found.push({ kind, key: events.position.key });
        break;
    }
  }
  return found;
}

function aheadOf({ commitAhead }: EventCursor): { readonly ahead?: { readonly key: string; readonly at: bigint } } {
  return commitAhead === null ? {} : { ahead: { key: commitAhead.position.key, at: commitAhead.atMicros } };
}

function avroAheadOf({ ahead }: ScriptEvent & { readonly kind: 'begin' }): unknown {
  return ahead === undefined ? null : { 'millrace.CommitAhead': { key: Buffer.from(ahead.key, 'hex'), at: ahead.at } };
}

/** The events as avsc writes them; `index` gives a script table's place in the block's list. */
export function avroEventsOf(
  events: readonly ScriptEvent[],
  tables: readonly TableVersion[],
  index: (table: number) => number,
): unknown[] {
  const image = (table: number, row: Row): Buffer => Buffer.from(encodeRow(at(tables, table), row));
  return events.map((event) => {
    switch (event.kind) {
      case 'begin':
        return { 'millrace.Begin': { xid: event.xid, commit: avroAheadOf(event) } };
      case 'insert':
        return { 'millrace.Insert': { table: index(event.table), after: image(event.table, event.after) } };
      case 'update': {
        const before = event.before === null ? null : { bytes: image(event.table, event.before) };
        return { 'millrace.Update': { table: index(event.table), before, after: image(event.table, event.after) } };
      }
      case 'delete':
        return { 'millrace.Delete': { table: index(event.table), before: image(event.table, event.before) } };
      case 'truncate':
        return { 'millrace.Truncate': { ...event, tables: event.tables.map(index) } };
      case 'schema':
        return { 'millrace.Schema': { table: index(event.table), change: avroChangeOf(event.change) } };
      case 'commit':
        return {
          'millrace.Commit': { key: Buffer.from(event.key, 'hex'), events: event.events, committedAt: event.committedAt },
        };
      case 'progress':
        return { 'millrace.Progress': { key: Buffer.from(event.key, 'hex') } };
      default:
        return assertNever(event);
    }
  });
}

function avroChangeOf(change: SchemaChange): unknown {
  switch (change.kind) {
    case 'version':
      return { 'millrace.Version': {} };
    case 'load':
      return { 'millrace.Load': { load: change.load, reason: change.reason } };
    case 'dropped':
      return { 'millrace.Dropped': {} };
    case 'error':
      return { 'millrace.Failed': { code: change.code, message: change.message } };
  }
}
