import type { ColumnSchema } from '@millrace/contract/table.js';
import type { Engine, TargetType } from './rule.js';

/** A default in the target's dialect; `untranslated`: the source has one that is left out, with a word to somebody. */
export type ConvertedDefault =
  | { readonly kind: 'default'; readonly expression: string | null }
  | { readonly kind: 'untranslated'; readonly expression: string };

const NUMBER = /^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$/;
const NOW = /^(?:current_timestamp|now|localtimestamp)(?:\(\s*(\d?)\s*\))?$/i;
/** A literal as pg_get_expr prints it, with the cast behind it. */
const POSTGRESQL_LITERAL = /^'((?:[^'\\]|'')*)'(?:::[\w\s"().,[\]]+)?$/;
const MYSQL_LITERAL = /^'((?:[^'\\]|''|\\.)*)'$/s;

/**
 * Literals, numbers and the present time in the other engine's words. Whatever else a default says (functions, sequences, operators) is
 * left out: a wrong one would bend rows that programs write later, unnoticed.
 */
export function convertDefault(column: ColumnSchema, type: TargetType, target: Engine): ConvertedDefault {
  const expression = column.default;
  if (expression === null || column.identity === 'serial') return { kind: 'default', expression: null };
  const text = expression.trim();
  const untranslated = { kind: 'untranslated', expression } as const;
  const now = NOW.exec(text);
  if (now !== null) {
    if (!isMoment(type)) return untranslated;
    return { kind: 'default', expression: `CURRENT_TIMESTAMP${precisionOf(type, target, now[1])}` };
  }
  if (/^null(::.*)?$/i.test(text)) return { kind: 'default', expression: null };
  const literal = column.native.engine === 'postgresql' ? POSTGRESQL_LITERAL.exec(text) : MYSQL_LITERAL.exec(text);
  const value = NUMBER.test(text) ? text : (boolean(text) ?? (literal === null ? null : unquote(literal[1] ?? '')));
  if (value === null || !fits(value, type)) return untranslated;
  const unescaped = target === 'postgresql' ? value : value.replaceAll('\\', '\\\\');
  return { kind: 'default', expression: NUMBER.test(value) && isNumber(type) ? value : `'${unescaped.replaceAll("'", "''")}'` };
}

function boolean(text: string): string | null {
  return text === 'true' ? '1' : text === 'false' ? '0' : null;
}

const ESCAPES: Readonly<Record<string, string>> = { '0': '\0', n: '\n', r: '\r', t: '\t', b: '\b', Z: '\x1a' };

function unquote(inside: string): string {
  return inside.replace(/''|\\(.)/gs, (found, escaped: string | undefined) =>
    escaped === undefined ? (found === "''" ? "'" : found) : (ESCAPES[escaped] ?? escaped),
  );
}

const NUMBER_TYPES = new Set([
  ...['int2', 'int4', 'int8', 'numeric', 'float4', 'float8'],
  ...['tinyint', 'smallint', 'mediumint', 'int', 'bigint', 'decimal', 'float', 'double'],
]);
const MOMENTS = new Set(['timestamp', 'timestamptz', 'datetime']);
/** No default at all, or none before MySQL 8.0.13 (MySQL manual, "Data Type Default Values"). */
const WITHOUT_DEFAULTS = new Set(['longtext', 'longblob', 'json', 'geometry']);

function isNumber({ name }: TargetType): boolean {
  return NUMBER_TYPES.has(name);
}

function isMoment({ name }: TargetType): boolean {
  return MOMENTS.has(name);
}

/** MySQL wants the default's fraction digits to be the column's (MySQL manual, "Automatic Initialization and Updating"). */
function precisionOf({ declaration }: TargetType, target: Engine, given: string | undefined): string {
  if (target === 'postgresql') return given === undefined || given === '' ? '' : `(${given})`;
  return /\((\d)\)/.exec(declaration)?.[0] ?? '';
}

function fits(value: string, type: TargetType): boolean {
  if (WITHOUT_DEFAULTS.has(type.name)) return false;
  if (isNumber(type)) return NUMBER.test(value);
  // A zero or partial date is none in PostgreSQL.
  if (MOMENTS.has(type.name) || type.name === 'date') return !/^0000-|-00/.test(value);
  return type.name !== 'bytea' && type.name !== 'varbinary' && type.name !== 'bit';
}
