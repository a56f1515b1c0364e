import { Buffer } from 'node:buffer';
import type { ColumnSchema, TableVersion } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { labelsOf as catalogLabels } from '../catalog/column-type.js';
import { BINARY_COLLATION, type Charset, type Collation, type TextDecoder8 } from '../charsets.js';
import { decimalBytes } from './decimal-text.js';
import { TYPE } from './event-types.js';
import type { LogColumn, TableShape } from './table-map.js';

/** How a column's bytes in a row become a value. */
export type ColumnOp =
  | { readonly kind: 'integer'; readonly width: 1 | 2 | 3 | 4; readonly unsigned: boolean }
  | { readonly kind: 'long' }
  | { readonly kind: 'unsignedLong' }
  | { readonly kind: 'float' }
  | { readonly kind: 'double' }
  | { readonly kind: 'decimal'; readonly precision: number; readonly scale: number; readonly width: number }
  | { readonly kind: 'year' }
  | { readonly kind: 'date' }
  | { readonly kind: 'time' | 'datetime' | 'timestamp'; readonly digits: number }
  | { readonly kind: 'bit'; readonly bits: number }
  | { readonly kind: 'enum'; readonly width: 1 | 2; readonly labels: readonly Buffer[] }
  | { readonly kind: 'set'; readonly width: number; readonly labels: readonly Buffer[] }
  | { readonly kind: 'text'; readonly prefix: 1 | 2 | 3 | 4; readonly decoder: TextDecoder8 | null }
  /** `padTo`: BINARY(n), whose trailing zeros the log leaves out; 0: none. */
  | { readonly kind: 'bytes'; readonly prefix: 1 | 2 | 3 | 4; readonly padTo: number }
  | { readonly kind: 'json'; readonly prefix: 1 | 2 | 3 | 4 }
  | { readonly kind: 'uuid' | 'inet4' | 'inet6'; readonly prefix: 1 | 2 };

/** A table's shape in the log, compiled against the version that its rows are written as. */
export interface RowPlan {
  readonly version: TableVersion;
  /** By the log's columns. */
  readonly ops: readonly ColumnOp[];
  /** By the version's columns: the log's column; -1 for generated columns, which are in no row image. */
  readonly sources: Int16Array;
  /** The log's columns come in the version's order, so a row is written while it is read. */
  readonly ordered: boolean;
}

export interface PlanContext {
  readonly collations: ReadonlyMap<number, Collation>;
  /** Decoders of charsets other than UTF-8 that the shape's columns need, by charset. */
  readonly decoders: ReadonlyMap<string, TextDecoder8>;
}

/** Charsets of the shape's text columns that are not UTF-8: their decoders are needed before a plan can be made. */
export function charsetsOf(
  shape: TableShape,
  version: TableVersion,
  { collations }: Pick<PlanContext, 'collations'>,
): readonly Charset[] {
  const found = new Map<string, Charset>();
  for (const [index, column] of shape.columns.entries()) {
    const schema = schemaColumnOf(shape, index, version);
    const charset = charsetOf(column, schema, collations);
    if (charset !== null && !charset.isUtf8 && charset.name !== 'binary') found.set(charset.name, charset);
  }
  return [...found.values()];
}

/** @throws MillraceError INTERNAL where the shape is not the version's: the version was chosen to fit. */
export function compileRowPlan(shape: TableShape, version: TableVersion, context: PlanContext): RowPlan {
  const { columns } = version.schema;
  const sources = Int16Array.from(columns, (column, index) =>
    column.generated === null ? logIndexOf(shape, column, index) : -1,
  );
  for (const [index, column] of columns.entries()) {
    if (column.generated === null && (sources[index] ?? -1) < 0)
      throw new MillraceError('INTERNAL', { what: `the version of ${shape.id.schema}.${shape.id.table} does not fit its log` });
  }
  return {
    version,
    ops: shape.columns.map((column, index) => opOf(column, schemaColumnOf(shape, index, version), context)),
    sources,
    ordered: columns.length === shape.columns.length && sources.every((source, index) => source === index),
  };
}

function logIndexOf(shape: TableShape, { name }: ColumnSchema, index: number): number {
  return shape.named ? shape.columns.findIndex((column) => column.name === name) : index < shape.columns.length ? index : -1;
}

function schemaColumnOf(shape: TableShape, index: number, { schema }: TableVersion): ColumnSchema | undefined {
  if (!shape.named) return schema.columns[index];
  const name = shape.columns[index]?.name;
  return schema.columns.find((column) => column.name === name);
}

function charsetOf(
  { collation }: LogColumn,
  schema: ColumnSchema | undefined,
  collations: ReadonlyMap<number, Collation>,
): Charset | null {
  if (collation !== null) return collations.get(collation)?.charset ?? null;
  if (schema?.collation == null) return null;
  return [...collations.values()].find(({ name }) => name === schema.collation)?.charset ?? null;
}

function opOf(column: LogColumn, schema: ColumnSchema | undefined, context: PlanContext): ColumnOp {
  const { type, meta } = column;
  const unsigned = column.unsigned ?? / unsigned\b/.test(schema?.native.declaration ?? '');
  switch (type) {
    case TYPE.tiny:
      return { kind: 'integer', width: 1, unsigned };
    case TYPE.short:
      return { kind: 'integer', width: 2, unsigned };
    case TYPE.int24:
      return { kind: 'integer', width: 3, unsigned };
    case TYPE.long:
      return { kind: 'integer', width: 4, unsigned };
    case TYPE.longlong:
      return { kind: unsigned ? 'unsignedLong' : 'long' };
    case TYPE.float:
      return { kind: 'float' };
    case TYPE.double:
      return { kind: 'double' };
    case TYPE.newDecimal: {
      const [precision, scale] = [meta >> 8, meta & 0xff];
      return { kind: 'decimal', precision, scale, width: decimalBytes(precision, scale) };
    }
    case TYPE.year:
      return { kind: 'year' };
    case TYPE.date:
    case TYPE.newDate:
      return { kind: 'date' };
    case TYPE.time2:
      return { kind: 'time', digits: meta };
    case TYPE.datetime2:
      return { kind: 'datetime', digits: meta };
    case TYPE.timestamp2:
      return { kind: 'timestamp', digits: meta };
    case TYPE.bit:
      return { kind: 'bit', bits: meta };
    case TYPE.enum:
      return { kind: 'enum', width: meta === 2 ? 2 : 1, labels: labelsOf(column, schema, context) };
    case TYPE.set:
      return { kind: 'set', width: meta, labels: labelsOf(column, schema, context) };
    case TYPE.json:
      return { kind: 'json', prefix: prefixOf(meta) };
    case TYPE.geometry:
      return { kind: 'bytes', prefix: prefixOf(meta), padTo: 0 };
    case TYPE.string:
    case TYPE.varString:
    case TYPE.varchar: {
      const prefix = meta > 255 ? 2 : 1;
      const native = schema?.native.name;
      if (native === 'uuid' || native === 'inet4' || native === 'inet6') return { kind: native, prefix };
      return stringOp(column, schema, { prefix, padTo: type === TYPE.varchar ? 0 : meta, context });
    }
    case TYPE.tinyBlob:
    case TYPE.mediumBlob:
    case TYPE.longBlob:
    case TYPE.blob:
      return stringOp(column, schema, { prefix: prefixOf(meta), padTo: 0, context });
    default:
      throw unreadable(column, schema);
  }
}

function stringOp(
  column: LogColumn,
  schema: ColumnSchema | undefined,
  { prefix, padTo, context }: { readonly prefix: 1 | 2 | 3 | 4; readonly padTo: number; readonly context: PlanContext },
): ColumnOp {
  const charset = charsetOf(column, schema, context.collations);
  const bytes = column.collation === null ? schema?.type.kind === 'bytes' : column.collation === BINARY_COLLATION;
  if (bytes) return { kind: 'bytes', prefix, padTo };
  if (charset === null) throw unreadable(column, schema);
  if (charset.isUtf8) return { kind: 'text', prefix, decoder: null };
  const decoder = context.decoders.get(charset.name);
  if (decoder === undefined) throw new MillraceError('SOURCE_CHARSET', { charset: charset.name });
  return { kind: 'text', prefix, decoder };
}

function labelsOf(column: LogColumn, schema: ColumnSchema | undefined, context: PlanContext): readonly Buffer[] {
  const { labels } = column;
  // The catalogue's labels are UTF-8 already.
  if (labels === null) return catalogLabels(schema?.native.declaration ?? '').map((label) => Buffer.from(label, 'utf8'));
  const charset = charsetOf(column, schema, context.collations);
  if (charset === null) throw unreadable(column, schema);
  if (charset.isUtf8 || charset.name === 'binary') return labels;
  const decoder = context.decoders.get(charset.name);
  if (decoder === undefined) throw new MillraceError('SOURCE_CHARSET', { charset: charset.name });
  return labels.map((label) => {
    const end = decoder.decode(label, 0, label.length);
    return Buffer.from(decoder.output.subarray(0, end));
  });
}

function prefixOf(meta: number): 1 | 2 | 3 | 4 {
  return meta === 1 || meta === 2 || meta === 3 ? meta : 4;
}

/** A form of value that Millrace does not read: old temporal types, compressed columns, types of later servers. */
function unreadable({ type, name }: LogColumn, schema: ColumnSchema | undefined): MillraceError {
  return new MillraceError('SOURCE_VALUE_FORMAT', { column: schema?.name ?? name ?? 'without a name', type });
}
