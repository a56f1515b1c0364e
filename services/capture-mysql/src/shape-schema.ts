import type { ColumnSchema, TableSchema } from '@millrace/contract/table.js';
import { TYPE } from './binlog/event-types.js';
import type { LogColumn, TableShape } from './binlog/table-map.js';
import { labelsOf, logicalTypeOf, plainDeclaration } from './catalog/column-type.js';
import { tableOf } from './catalog/describe-tables.js';
import { BINARY_COLLATION, type Collation } from './charsets.js';

export type Collations = ReadonlyMap<number, Collation>;

/** Numbers of the geometry types in the log (MySQL's Geometry::wkbType). */
const GEOMETRIES = [
  'geometry',
  'point',
  'linestring',
  'polygon',
  'multipoint',
  'multilinestring',
  'multipolygon',
  'geometrycollection',
] as const;

const GEOMETRY_NAMES: ReadonlySet<string> = new Set([...GEOMETRIES, 'geomcollection']);

/** Rows of this shape can be written as this version: the same columns of the same types, and the same key. */
export function fits(shape: TableShape, schema: TableSchema, collations: Collations): boolean {
  const logged = schema.columns.filter((column, index) => column.generated === null || indexIn(shape, column, index) >= 0);
  return (
    logged.length === shape.columns.length &&
    logged.every((column, index) => {
      const at = indexIn(shape, column, shape.named ? index : schema.columns.indexOf(column));
      const inLog = shape.columns[at];
      return inLog !== undefined && columnFits(inLog, column, collations);
    }) &&
    keyFits(shape, schema)
  );
}

function indexIn(shape: TableShape, { name }: ColumnSchema, index: number): number {
  return shape.named ? shape.columns.findIndex((column) => column.name === name) : index < shape.columns.length ? index : -1;
}

/** A table without a primary key may show a unique key in its place, since the server treats it as one. */
function keyFits({ named, primaryKey, columns }: TableShape, schema: TableSchema): boolean {
  if (!named || schema.primaryKey.length === 0) return true;
  const names = (primaryKey ?? []).map((index) => columns[index]?.name);
  return names.length === schema.primaryKey.length && schema.primaryKey.every((name, index) => names[index] === name);
}

function columnFits(inLog: LogColumn, column: ColumnSchema, collations: Collations): boolean {
  const { native } = column;
  if (native.name === 'uuid' || native.name === 'inet6') return inLog.type === TYPE.string && inLog.meta === 16;
  if (native.name === 'inet4') return inLog.type === TYPE.string && inLog.meta === 4;
  if (native.name === 'enum' || native.name === 'set') return labelsFit(inLog, column, collations);
  const collation = inLog.collation === null ? undefined : collations.get(inLog.collation)?.name;
  if (column.collation !== null && collation !== undefined && collation !== column.collation) return false;
  if (inLog.type === TYPE.geometry && inLog.geometry === null) return GEOMETRY_NAMES.has(native.name);
  const declared = declarationOf(inLog, collations);
  const plain = plainDeclaration(native.declaration).replace(/^geomcollection$/, 'geometrycollection');
  const wanted = inLog.unsigned === null ? plain.replace(/ unsigned$/, '') : plain;
  return declared === null ? inLog.collation === null && mayBe(inLog, wanted) : declared === wanted;
}

/** Without the collation the log does not tell texts from bytes. */
function mayBe({ type }: LogColumn, declaration: string): boolean {
  if (type === TYPE.varchar) return /^var(char|binary)/.test(declaration);
  return type === TYPE.string ? /^(char|binary)/.test(declaration) : /(text|blob)$/.test(declaration);
}

function labelsFit(inLog: LogColumn, { native }: ColumnSchema, collations: Collations): boolean {
  if (inLog.type !== (native.name === 'enum' ? TYPE.enum : TYPE.set)) return false;
  const charset = inLog.collation === null ? undefined : collations.get(inLog.collation)?.charset;
  const labels = labelsOf(native.declaration);
  if (inLog.labels === null) return true;
  if (inLog.labels.length !== labels.length) return false;
  return charset?.isUtf8 !== true || inLog.labels.every((label, index) => label.toString('utf8') === labels[index]);
}

/** The column's declaration in the catalogue's words, without what the log leaves out; null where it does not say enough. */
function declarationOf(column: LogColumn, collations: Collations): string | null {
  const { type, meta, collation, geometry } = column;
  const sign = column.unsigned === true ? ' unsigned' : '';
  switch (type) {
    case TYPE.tiny:
      return `tinyint${sign}`;
    case TYPE.short:
      return `smallint${sign}`;
    case TYPE.int24:
      return `mediumint${sign}`;
    case TYPE.long:
      return `int${sign}`;
    case TYPE.longlong:
      return `bigint${sign}`;
    case TYPE.float:
      return `float${sign}`;
    case TYPE.double:
      return `double${sign}`;
    case TYPE.newDecimal:
      return `decimal(${meta >> 8},${meta & 0xff})${sign}`;
    case TYPE.year:
      return 'year';
    case TYPE.date:
    case TYPE.newDate:
      return 'date';
    case TYPE.time2:
      return `time${digits(meta)}`;
    case TYPE.datetime2:
      return `datetime${digits(meta)}`;
    case TYPE.timestamp2:
      return `timestamp${digits(meta)}`;
    case TYPE.bit:
      return `bit(${meta})`;
    case TYPE.json:
      return 'json';
    case TYPE.geometry:
      return GEOMETRIES[geometry ?? 0] ?? 'geometry';
    case TYPE.enum:
    case TYPE.set:
      return labelled(column);
    case TYPE.string:
    case TYPE.varString:
    case TYPE.varchar: {
      if (collation === null) return null;
      const prefix = type === TYPE.varchar ? 'var' : '';
      if (collation === BINARY_COLLATION) return `${prefix}binary(${meta})`;
      return `${prefix}char(${Math.floor(meta / (collations.get(collation)?.charset.maxBytes ?? 1))})`;
    }
    case TYPE.blob: {
      if (collation === null) return null;
      const size = ['', 'tiny', '', 'medium', 'long'][meta] ?? '';
      return size + (collation === BINARY_COLLATION ? 'blob' : 'text');
    }
    default:
      return null;
  }
}

function labelled({ type, labels }: LogColumn): string | null {
  if (labels === null) return null;
  const quoted = labels.map((label) => `'${label.toString('utf8').replaceAll("'", "''")}'`).join(',');
  return `${type === TYPE.enum ? 'enum' : 'set'}(${quoted})`;
}

function digits(count: number): string {
  return count === 0 ? '' : `(${count})`;
}

/**
 * The version that a shape tells of where neither the earlier version nor the catalogue fits it. What the log does not say comes from
 * a column of the same name that fits, in the catalogue first; what nobody knows is left open: nullable, no default.
 * Null where the log does not say enough.
 */
export function schemaFromShape(
  shape: TableShape,
  known: { readonly earlier: TableSchema; readonly now: TableSchema | undefined },
  collations: Collations,
): TableSchema | null {
  const engine = known.earlier.columns[0]?.native.engine ?? '';
  const columns: ColumnSchema[] = [];
  for (const [index, inLog] of shape.columns.entries()) {
    const like = [known.now, known.earlier]
      .flatMap((schema) => schema?.columns ?? [])
      .find((column) => column.name === inLog.name && columnFits(inLog, column, collations));
    const column = like ?? columnFromLog(inLog, { engine, ordinal: index + 1 }, collations);
    if (column === null) return null;
    columns.push(column);
  }
  const names = new Set(columns.map(({ name }) => name));
  const before = known.earlier.primaryKey;
  const inLog = (shape.primaryKey ?? []).flatMap((index) => columns[index]?.name ?? []);
  const primaryKey = before.length > 0 && before.every((name) => names.has(name)) && inLog.length === 0 ? before : inLog;
  return continueFrom(known.earlier, tableOf(shape.id, columns, before.length === 0 ? before : primaryKey));
}

function columnFromLog(
  inLog: LogColumn,
  { engine, ordinal }: { readonly engine: string; readonly ordinal: number },
  collations: Collations,
): ColumnSchema | null {
  const declaration = declarationOf(inLog, collations);
  const name = /^[a-z]+/.exec(declaration ?? '')?.[0];
  if (declaration === null || name === undefined || inLog.name === null) return null;
  const length = /\((\d+)\)/.exec(declaration)?.[1];
  const type = logicalTypeOf({
    name,
    declaration,
    length: length === undefined ? null : Number(length),
    precision: inLog.meta >> 8,
    scale: inLog.meta & 0xff,
    fraction: inLog.meta,
    json: false,
  });
  if (type === null) return null;
  const hasCollation = type.kind === 'text' || name === 'enum' || name === 'set';
  return {
    name: inLog.name,
    ordinal,
    type,
    native: { engine, schema: '', name, declaration },
    nullable: true,
    generated: null,
    identity: 'none',
    default: null,
    missingValue: null,
    collation: hasCollation && inLog.collation !== null ? (collations.get(inLog.collation)?.name ?? null) : null,
  };
}

/**
 * `now` as the successor of `earlier`: columns that were there keep their identity, new ones get numbers of their own and the constant that
 * rows before them show. The order is the table's, which is the log's.
 */
export function continueFrom(earlier: TableSchema, now: TableSchema): TableSchema {
  const before = new Map(earlier.columns.map((column) => [column.name, column]));
  let last = Math.max(0, ...earlier.columns.map(({ ordinal }) => ordinal));
  const columns = now.columns.map((column) => {
    const same = before.get(column.name);
    if (same !== undefined) return { ...column, ordinal: same.ordinal, missingValue: same.missingValue };
    last += 1;
    return { ...column, ordinal: last, missingValue: constantOf(column) };
  });
  return { ...now, columns };
}

/** A default that is one and the same value for every row, as the row images show it; null: none, or not known. */
function constantOf(column: ColumnSchema): string | null {
  const text = /^'((?:[^'\\]|''|\\\\)*)'$/
    .exec(column.default ?? '')?.[1]
    ?.replaceAll("''", "'")
    .replaceAll('\\\\', '\\');
  const bare = /^-?\d+(\.\d+)?$/.exec(column.default ?? '')?.[0];
  switch (column.type.kind) {
    case 'integer':
    case 'decimal':
    case 'float':
    case 'text':
    case 'enum':
    case 'date':
    case 'time':
      return text ?? bare ?? null;
    case 'timestamp':
      return column.type.withZone ? null : (text ?? null);
    default:
      return null;
  }
}

/** Why rows that are there already cannot be known from the change of the table alone; null: they can. */
export function reasonToLoad(earlier: TableSchema, now: TableSchema): string | null {
  const before = new Map(earlier.columns.map((column) => [column.name, column]));
  const after = new Set(now.columns.map(({ name }) => name));
  const gone = earlier.columns.filter(({ name }) => !after.has(name));
  const added = now.columns.filter(({ name }) => !before.has(name));
  // A renamed column looks like one dropped and one added.
  if (gone.length > 0 && added.length > 0) return 'columns were renamed, or dropped and added at once';
  for (const column of added) {
    if (column.generated !== null) continue;
    const isNull = column.nullable && column.default === null && column.identity === 'none';
    if (!isNull && column.missingValue === null) return `the added column ${column.name} has a value in every row`;
  }
  for (const column of now.columns) {
    const old = before.get(column.name);
    if (old !== undefined && !isWidened(old, column)) return `the column ${column.name} has another type`;
  }
  return null;
}

/** Every value of the old type is the same value of the new one. */
function isWidened(old: ColumnSchema, now: ColumnSchema): boolean {
  if ((old.generated === null) !== (now.generated === null)) return false;
  if (plainDeclaration(old.native.declaration) === plainDeclaration(now.native.declaration)) return true;
  const [from, to] = [old.type, now.type];
  if (from.kind === 'integer' && to.kind === 'integer')
    return (
      from.bits <= to.bits &&
      / unsigned/.test(old.native.declaration) === / unsigned/.test(now.native.declaration) &&
      old.native.name !== 'year' &&
      now.native.name !== 'year' &&
      WIDTHS.indexOf(old.native.name) <= WIDTHS.indexOf(now.native.name)
    );
  if (from.kind === 'text' && to.kind === 'text')
    return from.padded === to.padded && from.maxLength !== null && to.maxLength !== null && from.maxLength <= to.maxLength;
  if (from.kind === 'enum' && to.kind === 'enum') return from.labels.every((label, index) => to.labels[index] === label);
  return false;
}

const WIDTHS = ['tinyint', 'smallint', 'mediumint', 'int', 'bigint'];
