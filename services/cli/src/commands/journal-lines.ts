import { Buffer } from 'node:buffer';
import { decodeRow } from '@millrace/codec/row-reader.js';
import { displayTable } from '@millrace/codec/table-key.js';
import type { CommitAhead, EventBlock, EventCursor } from '@millrace/contract/events.js';
import { UNCHANGED } from '@millrace/contract/row.js';
import type { TableId, TableVersion } from '@millrace/contract/table.js';
import { assertNever } from '@millrace/errors/millrace-error.js';

type Line = Readonly<Record<string, unknown>>;

/** The events of a block as plain objects, exact: 64-bit integers beyond 2^53 as text, bytes as hexadecimal, unchanged columns left out. */
export function* eventLines(block: EventBlock, table: string | null): Generator<Line> {
  const cursor = block.events();
  for (let kind = cursor.next(); kind !== undefined; kind = cursor.next()) {
    const at = { offset: block.offset, event: kind };
    switch (kind) {
      case 'begin':
        yield { ...at, transaction: cursor.transactionId, ...ahead(cursor.commitAhead) };
        break;
      case 'insert':
      case 'update':
      case 'delete':
        if (wanted(cursor.table.source, table)) yield { ...at, ...cursor.table.source, ...images(cursor, kind) };
        break;
      case 'truncate':
        yield {
          ...at,
          tables: cursor.truncated.map(({ source }) => displayTable(source)),
          cascade: cursor.cascade,
          restartIdentity: cursor.restartIdentity,
        };
        break;
      case 'schema':
        if (wanted(cursor.table.source, table))
          yield {
            ...at,
            ...cursor.table.source,
            change: cursor.change,
            columns: columnsOf(cursor.table),
            primaryKey: cursor.table.schema.primaryKey,
          };
        break;
      case 'commit':
        yield {
          ...at,
          position: cursor.position.key,
          events: cursor.eventCount,
          committedAt: timeOf(cursor.committedAtMicros),
        };
        break;
      case 'progress':
        yield { ...at, position: cursor.position.key };
        break;
      default:
        assertNever(kind);
    }
  }
}

/** Begin's position is where the log holds the commit; the Commit's own is where the journal stands behind it. */
function ahead(commit: CommitAhead | null): Line {
  return commit === null ? {} : { position: commit.position.key, committedAt: timeOf(commit.atMicros) };
}

function timeOf(micros: bigint): string {
  return new Date(Number(micros / 1_000n)).toISOString();
}

function wanted(source: TableId, table: string | null): boolean {
  return table === null || displayTable(source) === table;
}

function columnsOf(version: TableVersion): readonly string[] {
  return version.schema.columns.map(({ name, native }) => `${name} ${native.declaration}`);
}

function images(cursor: EventCursor, kind: 'insert' | 'update' | 'delete'): Line {
  const before =
    kind === 'insert' || cursor.beforeStart < 0 ? {} : { before: image(cursor, cursor.beforeStart, cursor.beforeEnd) };
  const after = kind === 'delete' ? {} : { after: image(cursor, cursor.afterStart, cursor.afterEnd) };
  return { ...before, ...after };
}

function image({ table, bytes }: EventCursor, start: number, end: number): Line {
  const row = decodeRow(table, bytes, start, end);
  const named = table.schema.columns.map(({ name }, index): readonly [string, unknown] => [name, row[index]]);
  return Object.fromEntries(named.filter(([, value]) => value !== UNCHANGED).map(([name, value]) => [name, printable(value)]));
}

function printable(value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString();
  if (typeof value === 'number' && (!Number.isFinite(value) || Object.is(value, -0)))
    return Object.is(value, -0) ? '-0' : String(value);
  if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString('hex')}`;
  return value;
}
