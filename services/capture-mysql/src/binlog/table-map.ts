import { Buffer } from 'node:buffer';
import type { TableId } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { EventReader } from './event-reader.js';
import { TYPE } from './event-types.js';

/** One column as the log describes it. */
export interface LogColumn {
  /** TYPE; enum and set under their own numbers. */
  readonly type: number;
  /** The type's parameters: length in bytes, precision and scale (`precision << 8 | scale`), fraction digits, bytes of a length. */
  readonly meta: number;
  /** Null where the log does not say. */
  readonly unsigned: boolean | null;
  /** Null where the log does not carry names (binlog_row_metadata=MINIMAL). */
  readonly name: string | null;
  /** Collation id of a text column, or of an enum's or set's labels; 63 for bytes; null where the log does not say. */
  readonly collation: number | null;
  /** Labels of an enum or set, in the bytes of its charset; null where the log does not say. */
  readonly labels: readonly Buffer[] | null;
  /** Geometry type's number, 0 for any; null where the log does not say. */
  readonly geometry: number | null;
}

/** A table as a TABLE_MAP event describes it: what the rows behind it look like. */
export interface TableShape {
  readonly id: TableId;
  readonly columns: readonly LogColumn[];
  /** Column indexes of the primary key in key order; null where the log does not say. */
  readonly primaryKey: readonly number[] | null;
  /** The log names the columns. */
  readonly named: boolean;
}

/** Types of optional metadata fields (MySQL's rows_event.h, Table_map_log_event). */
const FIELD = {
  signedness: 1,
  defaultCharset: 2,
  columnCharset: 3,
  columnName: 4,
  setLabels: 5,
  enumLabels: 6,
  geometryType: 7,
  simplePrimaryKey: 8,
  primaryKeyWithPrefix: 9,
  labelDefaultCharset: 10,
  labelColumnCharset: 11,
} as const;

/** The table's number in a TABLE_MAP or rows event, which begins with it. */
export function tableNumber(body: EventReader): number {
  return body.uint48();
}

/** Database and table of a TABLE_MAP event's body behind its number and flags; leaves the reader at the columns. */
export function readTableName(body: EventReader): TableId {
  const schema = body.text(body.uint8());
  body.skip(1);
  const table = body.text(body.packed());
  body.skip(1);
  return { schema, table };
}

/** The rest of a TABLE_MAP event's body: the columns and what the server says about them. */
export function readTableShape(id: TableId, body: EventReader, engine: 'mysql' | 'mariadb'): TableShape {
  const count = body.packed();
  const types = body.slice(count);
  const metaLength = body.packed();
  const meta = new EventReader(body.bytes, body.position, body.position + metaLength);
  body.skip(metaLength);
  const columns = Array.from(types, (type) => readType(type, meta));
  body.skip((count + 7) >> 3);
  return withMetadata(id, columns, { body, engine });
}

type BareColumn = Pick<LogColumn, 'type' | 'meta'>;

function readType(type: number, meta: EventReader): BareColumn {
  switch (type) {
    case TYPE.float:
    case TYPE.double:
    case TYPE.blob:
    case TYPE.geometry:
    case TYPE.json:
    case TYPE.timestamp2:
    case TYPE.datetime2:
    case TYPE.time2:
    case TYPE.blobCompressed:
    case TYPE.vector:
      return { type, meta: meta.uint8() };
    case TYPE.varchar:
    case TYPE.varcharCompressed:
      return { type, meta: meta.uint16() };
    case TYPE.newDecimal:
      return { type, meta: (meta.uint8() << 8) | meta.uint8() };
    case TYPE.bit: {
      const bits = meta.uint8();
      return { type, meta: meta.uint8() * 8 + bits };
    }
    case TYPE.string:
    case TYPE.varString:
    case TYPE.enum:
    case TYPE.set: {
      const high = meta.uint8();
      const low = meta.uint8();
      // Lengths above 255 hide their upper two bits, inverted, in the type (log_event.cc, Field_string::do_save_field_metadata).
      if ((high & 0x30) !== 0x30) return { type: high | 0x30, meta: low | (((high & 0x30) ^ 0x30) << 4) };
      return { type: high, meta: low };
    }
    case TYPE.tiny:
    case TYPE.short:
    case TYPE.long:
    case TYPE.longlong:
    case TYPE.int24:
    case TYPE.null:
    case TYPE.timestamp:
    case TYPE.date:
    case TYPE.time:
    case TYPE.datetime:
    case TYPE.year:
    case TYPE.newDate:
      return { type, meta: 0 };
    default:
      throw new MillraceError('SOURCE_BINLOG_PROTOCOL', { what: `a column of type ${type}` });
  }
}

interface Metadata {
  signedness: Buffer | undefined;
  textCollations: readonly number[] | undefined;
  textDefault: DefaultCollation | undefined;
  labelCollations: readonly number[] | undefined;
  labelDefault: DefaultCollation | undefined;
  names: readonly string[] | undefined;
  enumLabels: readonly (readonly Buffer[])[] | undefined;
  setLabels: readonly (readonly Buffer[])[] | undefined;
  geometries: readonly number[] | undefined;
  primaryKey: readonly number[] | undefined;
}

interface DefaultCollation {
  readonly collation: number;
  readonly others: ReadonlyMap<number, number>;
}

function withMetadata(
  id: TableId,
  bare: readonly BareColumn[],
  { body, engine }: { readonly body: EventReader; readonly engine: 'mysql' | 'mariadb' },
): TableShape {
  const metadata = readMetadata(body);
  let numeric = 0;
  let text = 0;
  let labelled = 0;
  let enums = 0;
  let sets = 0;
  let geometries = 0;
  const columns = bare.map(({ type, meta }, index): LogColumn => {
    const isLabelled = type === TYPE.enum || type === TYPE.set;
    const collation = isLabelled
      ? collationAt(labelled++, metadata.labelCollations, metadata.labelDefault)
      : hasCollation(type, engine)
        ? collationAt(text++, metadata.textCollations, metadata.textDefault)
        : null;
    return {
      type,
      meta,
      unsigned: isNumeric(type) && bit(metadata.signedness, numeric++),
      name: metadata.names?.[index] ?? null,
      collation,
      labels:
        type === TYPE.enum
          ? (metadata.enumLabels?.[enums++] ?? null)
          : type === TYPE.set
            ? (metadata.setLabels?.[sets++] ?? null)
            : null,
      geometry: type === TYPE.geometry ? (metadata.geometries?.[geometries++] ?? null) : null,
    };
  });
  // A list of another length would put every later column's charset in a wrong place.
  if (metadata.textCollations !== undefined && metadata.textCollations.length !== text) throw misfit(id, 'charsets');
  if (metadata.labelCollations !== undefined && metadata.labelCollations.length !== labelled) throw misfit(id, 'label charsets');
  if (metadata.names !== undefined && metadata.names.length !== bare.length) throw misfit(id, 'names');
  return { id, columns, primaryKey: metadata.primaryKey ?? null, named: metadata.names !== undefined };
}

function readMetadata(body: EventReader): Metadata {
  const found: Metadata = {
    signedness: undefined,
    textCollations: undefined,
    textDefault: undefined,
    labelCollations: undefined,
    labelDefault: undefined,
    names: undefined,
    enumLabels: undefined,
    setLabels: undefined,
    geometries: undefined,
    primaryKey: undefined,
  };
  while (body.left > 0) {
    const type = body.uint8();
    const length = body.packed();
    const field = new EventReader(body.bytes, body.position, body.position + length);
    body.skip(length);
    switch (type) {
      case FIELD.signedness:
        found.signedness = field.slice(length);
        break;
      case FIELD.defaultCharset:
        found.textDefault = readDefaultCollation(field);
        break;
      case FIELD.columnCharset:
        found.textCollations = list(field, () => field.packed());
        break;
      case FIELD.columnName:
        found.names = list(field, () => field.text(field.packed()));
        break;
      case FIELD.setLabels:
        found.setLabels = list(field, () => readLabels(field));
        break;
      case FIELD.enumLabels:
        found.enumLabels = list(field, () => readLabels(field));
        break;
      case FIELD.geometryType:
        found.geometries = list(field, () => field.packed());
        break;
      case FIELD.simplePrimaryKey:
        found.primaryKey = list(field, () => field.packed());
        break;
      case FIELD.primaryKeyWithPrefix:
        found.primaryKey = list(field, () => {
          const index = field.packed();
          field.packed();
          return index;
        });
        break;
      case FIELD.labelDefaultCharset:
        found.labelDefault = readDefaultCollation(field);
        break;
      case FIELD.labelColumnCharset:
        found.labelCollations = list(field, () => field.packed());
        break;
      default:
        // Later servers add fields (visibility, dimensions): none of them changes how a row is read.
        break;
    }
  }
  return found;
}

function list<T>(field: EventReader, read: () => T): readonly T[] {
  const items: T[] = [];
  while (field.left > 0) items.push(read());
  return items;
}

function readLabels(field: EventReader): readonly Buffer[] {
  const count = field.packed();
  return Array.from({ length: count }, () => Buffer.from(field.slice(field.packed())));
}

function readDefaultCollation(field: EventReader): DefaultCollation {
  const collation = field.packed();
  const others = new Map(list(field, () => [field.packed(), field.packed()] as const));
  return { collation, others };
}

function collationAt(index: number, all: readonly number[] | undefined, usual: DefaultCollation | undefined): number | null {
  return all?.[index] ?? usual?.others.get(index) ?? usual?.collation ?? null;
}

/** Columns that the list of signedness counts. */
function isNumeric(type: number): boolean {
  switch (type) {
    case TYPE.tiny:
    case TYPE.short:
    case TYPE.int24:
    case TYPE.long:
    case TYPE.longlong:
    case TYPE.newDecimal:
    case TYPE.float:
    case TYPE.double:
      return true;
    default:
      return false;
  }
}

/** Columns that the lists of charsets count. MariaDB counts geometries, which it keeps as blobs. */
function hasCollation(type: number, engine: 'mysql' | 'mariadb'): boolean {
  switch (type) {
    case TYPE.string:
    case TYPE.varString:
    case TYPE.varchar:
    case TYPE.varcharCompressed:
    case TYPE.blob:
    case TYPE.blobCompressed:
      return true;
    case TYPE.geometry:
      return engine === 'mariadb';
    default:
      return false;
  }
}

/** Bit of a list that begins with the highest bit of its first byte. */
function bit(bytes: Buffer | undefined, index: number): boolean | null {
  return bytes === undefined ? null : ((bytes[index >> 3] ?? 0) & (0x80 >> (index & 7))) !== 0;
}

function misfit({ schema, table }: TableId, what: string): MillraceError {
  return new MillraceError('SOURCE_BINLOG_PROTOCOL', {
    what: `metadata of ${schema}.${table} whose ${what} do not fit its columns`,
  });
}
