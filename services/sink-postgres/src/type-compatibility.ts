import type { ColumnSchema, LogicalType } from '@millrace/contract/table.js';
import { assertNever } from '@millrace/errors/millrace-error.js';
import type { PresentColumn } from './present-table.js';

/** A type as format_type prints it, in its parts: `timestamp(3) without time zone[]`. */
interface TypeName {
  readonly name: string;
  readonly arguments: readonly number[];
  readonly isArray: boolean;
}

/** Of integers by their bits: decimal digits that every value fits into, and the widest float's bits that hold each exactly. */
const INTEGERS = {
  16: { names: ['smallint', 'integer', 'bigint'], digits: 5, floats: ['real', 'double precision'] },
  32: { names: ['integer', 'bigint'], digits: 10, floats: ['double precision'] },
  64: { names: ['bigint'], digits: 19, floats: [] },
} as const;

/**
 * Why the target's column cannot hold every value of the source's exactly, as a clause for a message; null where it can. Holding means
 * that the value reads back the same: json does not fit into jsonb (which reorders it), nor real into double precision (whose digits would
 * depend on the way that the value took).
 */
export function typeMismatch(source: ColumnSchema, target: PresentColumn): string | null {
  if (source.native.declaration === target.declaration) return null;
  const base = parseType(target.base);
  if (holds(source.type, source, base, target.enumLabels)) return null;
  return `it is ${target.declaration}, which cannot hold every ${source.native.declaration}`;
}

export function parseType(declaration: string): TypeName {
  const isArray = declaration.endsWith('[]');
  const element = isArray ? declaration.slice(0, -2) : declaration;
  // A name in quotes may hold parentheses of its own.
  const found = element.includes('"') ? null : /\(([-\d,]+)\)/.exec(element);
  if (found === null) return { name: element, arguments: [], isArray };
  return { name: element.replace(found[0], ''), arguments: (found[1] ?? '').split(',').map(Number), isArray };
}

function holds(type: LogicalType, source: ColumnSchema, target: TypeName, labels: readonly string[] | null): boolean {
  if (type.kind === 'array') return target.isArray && holdsElement(type.element, source, { ...target, isArray: false });
  if (target.isArray) return false;
  const [first] = target.arguments;
  switch (type.kind) {
    case 'boolean':
      return target.name === 'boolean';
    case 'integer': {
      const { names, digits, floats } = INTEGERS[type.bits];
      if (isOneOf(names, target.name) || isOneOf(floats, target.name)) return true;
      return holdsDigits(target, digits, 0) || holdsText(target, digits + 1);
    }
    case 'float':
      return target.name === (type.bits === 32 ? 'real' : 'double precision');
    case 'decimal': {
      const { precision, scale } = type;
      if (precision === null || scale === null)
        return (target.name === 'numeric' && first === undefined) || holdsText(target, null);
      // 'NaN', a sign, a point, and zeros that a negative scale stands for.
      return holdsDigits(target, precision - scale, scale) || holdsText(target, precision + Math.abs(scale) + 3);
    }
    case 'text':
      if (type.padded && target.name === 'character') return (first ?? 1) >= (type.maxLength ?? 1);
      return holdsText(target, type.maxLength) || target.name === 'citext' || target.name.endsWith('.citext');
    case 'bytes':
      return target.name === 'bytea';
    case 'date':
      return target.name === 'date' || holdsText(target, null);
    case 'time':
    case 'timestamp': {
      const zone = type.withZone ? 'with' : 'without';
      if (target.name === `${type.kind} ${zone} time zone`) return (first ?? 6) >= type.precision;
      return holdsText(target, null);
    }
    case 'interval':
      return (target.name === 'interval' && first === undefined) || holdsText(target, null);
    case 'uuid':
      return target.name === 'uuid' || holdsText(target, 36);
    case 'json':
      return target.name === 'json' || (target.name === 'jsonb' && source.native.name === 'jsonb') || holdsText(target, null);
    case 'enum':
      if (labels !== null) return type.labels.every((label) => labels.includes(label));
      return holdsText(target, Math.max(0, ...type.labels.map((label) => [...label].length)));
    case 'other':
      return holdsText(target, null);
    default:
      return assertNever(type);
  }
}

/** Elements are carried as the array's text, so they are held where the plain value would be, but for types whose text has quotes of its own. */
function holdsElement(type: LogicalType, source: ColumnSchema, target: TypeName): boolean {
  if (type.kind === 'json') return target.name === 'json' || target.name === source.native.name.replace(/^_/, '');
  if (type.kind === 'enum') return holdsText(target, null);
  return holds(type, source, target, null);
}

function isOneOf(names: readonly string[], name: string): boolean {
  return names.includes(name);
}

/** numeric with room for so many digits before and after the point. */
function holdsDigits({ name, arguments: [precision, scale = 0] }: TypeName, before: number, after: number): boolean {
  if (name !== 'numeric') return false;
  return precision === undefined || (precision - scale >= before && scale >= after);
}

/** A text type with room for so many characters; null: for any number. */
function holdsText({ name, arguments: [length] }: TypeName, characters: number | null): boolean {
  if (name === 'text') return true;
  if (name !== 'character varying') return false;
  return length === undefined || (characters !== null && length >= characters);
}
