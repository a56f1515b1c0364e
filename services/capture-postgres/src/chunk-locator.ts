import type { ChunkSpec, KeyRange } from '@millrace/contract/load.js';
import type { TableSchema } from '@millrace/contract/table.js';
import { assertNever, MillraceError } from '@millrace/errors/millrace-error.js';
import { quoteIdentifier, quoteLiteral } from '@millrace/postgres/quote-identifier.js';

/** Where a chunk's rows lie in the relation that stores them (a table, or one leaf of a partitioned table). */
export type ChunkLocator =
  | { readonly kind: 'all'; readonly relation: number }
  /** By the chunk's own key range. */
  | { readonly kind: 'keys'; readonly relation: number }
  /** Pages `[from, to)` of the relation's file; null: to its end, wherever that is by now. */
  | { readonly kind: 'pages'; readonly relation: number; readonly from: number; readonly to: number | null };

/** `16393 keys`, `16393 pages 2048-4096`: the pg_class oid and the place in it. */
export function formatLocator(locator: ChunkLocator): string {
  switch (locator.kind) {
    case 'all':
    case 'keys':
      return `${locator.relation} ${locator.kind}`;
    case 'pages':
      return `${locator.relation} pages ${locator.from}-${locator.to ?? ''}`;
    default:
      return assertNever(locator);
  }
}

/** @throws MillraceError SOURCE_CHUNK_UNREADABLE where the text is no locator: it was written by something else. */
export function parseLocator(text: string): ChunkLocator {
  const match = /^(\d{1,10}) (?:(all|keys)|pages (\d{1,10})-(\d{0,10}))$/.exec(text);
  if (match === null) throw new MillraceError('SOURCE_CHUNK_UNREADABLE', { locator: text });
  const [, relation, kind, from, to] = match;
  if (kind === 'all' || kind === 'keys') return { kind, relation: Number(relation) };
  return { kind: 'pages', relation: Number(relation), from: Number(from), to: to === '' || to === undefined ? null : Number(to) };
}

/** The chunk's rows as an SQL condition, null for all rows. */
export function chunkCondition(chunk: ChunkSpec, schema: TableSchema): string | null {
  const locator = parseLocator(chunk.locator);
  switch (locator.kind) {
    case 'all':
      return null;
    case 'keys':
      if (chunk.keys === null) throw new MillraceError('SOURCE_CHUNK_UNREADABLE', { locator: chunk.locator });
      return keyCondition(chunk.keys, schema);
    case 'pages':
      return pagesCondition(locator.from, locator.to);
    default:
      return assertNever(locator);
  }
}

export function keyCondition(keys: KeyRange, schema: TableSchema): string | null {
  const column = quoteIdentifier(keys.column);
  const bounds = [
    ...(keys.from === null ? [] : [`${column} >= ${keyLiteral(keys.from, keys, schema)}`]),
    ...(keys.to === null ? [] : [`${column} < ${keyLiteral(keys.to, keys, schema)}`]),
  ];
  return bounds.length === 0 ? null : bounds.join(' AND ');
}

/** A key's text as a literal of the column's type, so that the index serves the comparison. */
export function keyLiteral(value: string, keys: KeyRange, schema: TableSchema): string {
  const column = schema.columns.find((each) => each.name === keys.column);
  const known = column !== undefined && (keys.order === 'bytes' || /^-?\d{1,20}$/.test(value));
  if (!known) throw new MillraceError('SOURCE_CHUNK_UNREADABLE', { locator: `${keys.column} from ${value}` });
  return `${quoteLiteral(value)}::${column.native.declaration}`;
}

function pagesCondition(from: number, to: number | null): string | null {
  const bounds = [...(from === 0 ? [] : [`ctid >= '(${from},0)'::tid`]), ...(to === null ? [] : [`ctid < '(${to},0)'::tid`])];
  return bounds.length === 0 ? null : bounds.join(' AND ');
}
