import type { LogicalType } from '@millrace/contract/table.js';

/** A column as information_schema.COLUMNS tells its type. */
export interface CatalogType {
  /** DATA_TYPE: `int`, `varchar`. */
  readonly name: string;
  /** COLUMN_TYPE: `int(11) unsigned`, `enum('a','b')`. */
  readonly declaration: string;
  /** CHARACTER_MAXIMUM_LENGTH */
  readonly length: number | null;
  readonly precision: number | null;
  readonly scale: number | null;
  /** DATETIME_PRECISION */
  readonly fraction: number | null;
  /** MariaDB's longtext with json_valid as its check. */
  readonly json: boolean;
}

const GEOMETRIES = new Set([
  'geometry',
  'point',
  'linestring',
  'polygon',
  'multipoint',
  'multilinestring',
  'multipolygon',
  'geometrycollection',
  'geomcollection',
]);

/** What values of the type mean; null: a type that Millrace does not carry. */
export function logicalTypeOf(type: CatalogType): LogicalType | null {
  const unsigned = / unsigned\b/.test(type.declaration);
  if (type.json) return { kind: 'json' };
  if (GEOMETRIES.has(type.name)) return { kind: 'bytes', maxLength: null };
  switch (type.name) {
    case 'tinyint':
    case 'year':
      return { kind: 'integer', bits: 16 };
    case 'smallint':
      return { kind: 'integer', bits: unsigned ? 32 : 16 };
    case 'mediumint':
      return { kind: 'integer', bits: 32 };
    case 'int':
      return { kind: 'integer', bits: unsigned ? 64 : 32 };
    case 'bigint':
      return unsigned ? { kind: 'decimal', precision: 20, scale: 0 } : { kind: 'integer', bits: 64 };
    case 'float':
      return { kind: 'float', bits: 32 };
    case 'double':
      return { kind: 'float', bits: 64 };
    case 'decimal':
      return { kind: 'decimal', precision: type.precision, scale: type.scale };
    case 'char':
      return { kind: 'text', maxLength: type.length, padded: true };
    case 'varchar':
      return { kind: 'text', maxLength: type.length, padded: false };
    case 'tinytext':
    case 'text':
    case 'mediumtext':
    case 'longtext':
      return { kind: 'text', maxLength: null, padded: false };
    case 'binary':
    case 'varbinary':
      return { kind: 'bytes', maxLength: type.length };
    case 'tinyblob':
    case 'blob':
    case 'mediumblob':
    case 'longblob':
      return { kind: 'bytes', maxLength: null };
    case 'date':
      return { kind: 'date' };
    case 'time':
      return { kind: 'time', precision: type.fraction ?? 0, withZone: false };
    case 'datetime':
      return { kind: 'timestamp', precision: type.fraction ?? 0, withZone: false };
    case 'timestamp':
      return { kind: 'timestamp', precision: type.fraction ?? 0, withZone: true };
    case 'json':
      return { kind: 'json' };
    case 'enum':
      return { kind: 'enum', labels: labelsOf(type.declaration) };
    case 'uuid':
      return { kind: 'uuid' };
    case 'bit':
    case 'set':
    case 'inet4':
    case 'inet6':
      return { kind: 'other' };
    default:
      return null;
  }
}

/** Labels of an `enum('a','it''s')` or `set(…)`: in information_schema quotes are doubled and nothing else is escaped. */
export function labelsOf(declaration: string): readonly string[] {
  return [...declaration.matchAll(/'((?:[^']|'')*)'/g)].map(([, label = '']) => label.replaceAll("''", "'"));
}

/** The declaration with what does not change a value left out: display widths of integers, ZEROFILL, precision of floats. */
export function plainDeclaration(declaration: string): string {
  const text = declaration.replace(/ zerofill\b/, '').replace(/ \/\*.*\*\//, '');
  return /^(tinyint|smallint|mediumint|int|bigint|float|double|year)\b/.test(text) ? text.replace(/\([\d,]*\)/, '') : text;
}
