import type { ColumnSchema, LogicalType, TableSchema } from '@millrace/contract/table.js';
import { assertNever } from '@millrace/errors/millrace-error.js';
import type { TargetColumn, TargetTable } from './target-table.js';

export interface Incompatibility {
  readonly column: string;
  /** A clause for a message: `it is missing`. */
  readonly reason: string;
  /** What to do. */
  readonly remedy: string;
}

/** Every column for which a table that is there cannot hold the rows of the version; empty where it can. */
export function incompatibilities(schema: TableSchema, present: TargetTable): readonly Incompatibility[] {
  const targets = new Map(present.columns.map((column) => [column.name, column]));
  const found: Incompatibility[] = [];
  for (const column of schema.columns) {
    const { name, native, generated } = column;
    const target = targets.get(name);
    if (target === undefined) {
      if (generated === null) found.push({ column: name, reason: 'it is missing', remedy: `add it as ${native.declaration}` });
    } else if (target.generated !== (generated !== null)) {
      found.push({
        column: name,
        reason:
          generated === null
            ? 'it is computed by the target, and the source has values for it'
            : 'the source computes it and does not send its values',
        remedy: generated === null ? 'drop its expression' : `make it GENERATED ALWAYS AS (${generated})`,
      });
    } else if (generated === null) {
      const reason = typeMismatch(column, target);
      if (reason !== null) found.push({ column: name, reason, remedy: `change its type to ${native.declaration}` });
      else if (column.nullable && !target.nullable && !schema.primaryKey.includes(name))
        found.push({ column: name, reason: 'it is NOT NULL and the source has nulls to bring', remedy: 'drop its NOT NULL' });
    }
  }
  const carried = new Set(schema.columns.map(({ name }) => name));
  for (const { name, nullable, default: value, autoIncrement, generated } of present.columns) {
    if (!carried.has(name) && !nullable && value === null && !autoIncrement && !generated)
      found.push({
        column: name,
        reason: 'the source does not have it, and it is NOT NULL without a default',
        remedy: 'give it a default, or drop its NOT NULL',
      });
  }
  return found;
}

/** A declaration without what makes no difference to its values: display widths and ZEROFILL. */
export function plainDeclaration(declaration: string): string {
  return declaration
    .trim()
    .replace(/^(tiny|small|medium|big)?(int)\(\d+\)/i, '$1$2')
    .replace(/^integer/i, 'int')
    .replace(/ zerofill/i, '');
}

/**
 * Why the target's column cannot hold every value of the source's exactly, as a clause for a message; null where it can: holding means
 * that the value reads back the same.
 */
export function typeMismatch(source: ColumnSchema, target: TargetColumn): string | null {
  const sameType = sameDeclaration(source.native.declaration, target.declaration);
  if (!sameType && !holds(source.type, target))
    return `it is ${target.declaration}, which cannot hold every ${source.native.declaration}`;
  const { charset } = target;
  const isText = source.type.kind === 'text' || source.type.kind === 'enum' || source.type.kind === 'json';
  const own = source.collation?.split('_')[0];
  if (isText && charset !== null && !charset.startsWith('utf8mb4') && charset !== own)
    return `its character set ${charset} does not hold every character`;
  return null;
}

function sameDeclaration(left: string, right: string): boolean {
  const plain = [left, right].map((each) => plainDeclaration(each));
  if (plain[0] === plain[1]) return true;
  // Labels may differ in case; everything else may not.
  const isLabelled = /^(enum|set)\(/i.test(plain[0] ?? '');
  return !isLabelled && plain[0]?.toLowerCase() === plain[1]?.toLowerCase();
}

/** Of signed integers by their bits: the types that hold them, and the digits before a decimal's point. */
const INTEGERS = {
  16: { names: ['smallint', 'mediumint', 'int', 'bigint'], digits: 5 },
  32: { names: ['int', 'bigint'], digits: 10 },
  64: { names: ['bigint'], digits: 19 },
} as const;

/** Bytes that a type holds at most, whatever its characters are. */
const CAPACITY: ReadonlyMap<string, number> = new Map([
  ['tinytext', 255],
  ['text', 65_535],
  ['mediumtext', 16_777_215],
  ['longtext', Number.POSITIVE_INFINITY],
  ['tinyblob', 255],
  ['blob', 65_535],
  ['mediumblob', 16_777_215],
  ['longblob', Number.POSITIVE_INFINITY],
]);

function holds(type: LogicalType, target: TargetColumn): boolean {
  const [first = null, second = null] = (/\((\d+)(?:,(\d+))?\)/.exec(target.declaration)?.slice(1) ?? []).map((digits) =>
    digits === undefined ? null : Number(digits),
  );
  const unsigned = target.declaration.includes('unsigned');
  const text = (characters: number | null): boolean => holdsText(target.type, first, characters);
  const digits = (before: number, after: number): boolean =>
    target.type === 'decimal' && !unsigned && (first ?? 10) - (second ?? 0) >= before && (second ?? 0) >= after;
  switch (type.kind) {
    case 'boolean':
      return ['tinyint', 'smallint', 'mediumint', 'int', 'bigint'].includes(target.type);
    case 'integer': {
      const { names, digits: count } = INTEGERS[type.bits];
      return (!unsigned && names.some((name) => name === target.type)) || digits(count, 0) || text(count + 1);
    }
    case 'float':
      return target.type === (type.bits === 32 ? 'float' : 'double') && !unsigned;
    case 'decimal':
      if (type.precision === null || type.scale === null) return text(null);
      return digits(type.precision - type.scale, type.scale) || text(type.precision + Math.abs(type.scale) + 3);
    case 'text':
      return text(type.maxLength) || (type.padded && target.type === 'char' && (first ?? 1) >= (type.maxLength ?? 1));
    case 'bytes':
      return holdsBytes(target.type, first, type.maxLength);
    case 'date':
      return target.type === 'date' || text(13);
    case 'time':
      return (target.type === 'time' && !type.withZone && (first ?? 0) >= type.precision) || text(32);
    case 'timestamp':
      return (
        ((target.type === 'datetime' || (type.withZone && target.type === 'timestamp')) && (first ?? 0) >= type.precision) ||
        text(40)
      );
    case 'json':
      return target.type === 'json' || target.type === 'longtext';
    case 'enum':
      return text(Math.max(0, ...type.labels.map((label) => [...label].length))) || holdsLabels(type.labels, target.declaration);
    case 'uuid':
      return target.type === 'uuid' || text(36);
    case 'interval':
    case 'array':
    case 'other':
      return text(null);
    default:
      return assertNever(type);
  }
}

/** A text type with room for so many characters; null: for any number. */
function holdsText(type: string, length: number | null, characters: number | null): boolean {
  if (type === 'varchar') return characters !== null && (length ?? 0) >= characters;
  const capacity = type.endsWith('text') ? CAPACITY.get(type) : undefined;
  return capacity !== undefined && capacity >= (characters === null ? Number.POSITIVE_INFINITY : characters * 4);
}

function holdsBytes(type: string, length: number | null, bytes: number | null): boolean {
  if (type === 'varbinary') return bytes !== null && (length ?? 0) >= bytes;
  const capacity = type.endsWith('blob') ? CAPACITY.get(type) : undefined;
  return capacity !== undefined && capacity >= (bytes ?? Number.POSITIVE_INFINITY);
}

/** Each label as the declaration writes it. */
function holdsLabels(labels: readonly string[], declaration: string): boolean {
  return declaration.startsWith('enum(') && labels.every((label) => declaration.includes(`'${label.replaceAll("'", "''")}'`));
}
