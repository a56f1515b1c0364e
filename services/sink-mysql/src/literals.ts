import { Buffer } from 'node:buffer';
import { COLUMN, type ImageReader } from '@millrace/codec/image-reader.js';
import type { WireType } from '@millrace/codec/wire-type.js';
import { assertNever } from '@millrace/errors/millrace-error.js';
import { bentNumber } from './json-numbers.js';
import { GEOMETRY_TYPES } from './target-schema.js';
import type { TargetColumn } from './target-table.js';

/** A value that MySQL has no form for: NaN, a time with a zone. A refusal of the data, like one of the server. */
export class NotMysqlValue extends Error {
  override readonly name = 'NotMysqlValue';
}

/** How a value is written, by the type of its column in the target. */
export type ValueForm =
  | 'number'
  | 'year'
  | 'bits'
  | 'text'
  | 'labels'
  | 'json'
  | 'bytes'
  | 'geometry'
  | 'datetime'
  | 'time'
  | 'plain';

const NUMBERS = new Set(['tinyint', 'smallint', 'mediumint', 'int', 'bigint', 'decimal', 'float', 'double']);

export function formOf({ type }: Pick<TargetColumn, 'type'>): ValueForm {
  if (NUMBERS.has(type)) return 'number';
  if (type === 'year') return 'year';
  if (type === 'bit') return 'bits';
  if (type === 'json') return 'json';
  if (type === 'enum' || type === 'set') return 'labels';
  if (type === 'datetime' || type === 'timestamp') return 'datetime';
  if (type === 'time') return 'time';
  if (GEOMETRY_TYPES.has(type)) return 'geometry';
  if (type.endsWith('binary') || type.endsWith('blob')) return 'bytes';
  return type === 'char' || type === 'varchar' || type.endsWith('text') ? 'text' : 'plain';
}

/**
 * The value that the reader stands before, as an SQL literal that means exactly it in a session of Millrace. Undefined where the image
 * does not carry the column.
 * @throws NotMysqlValue
 */
export function readLiteral(reader: ImageReader, wire: WireType, form: ValueForm): string | undefined {
  const state = reader.next();
  if (state === COLUMN.null) return 'NULL';
  if (state === COLUMN.unchanged) return undefined;
  switch (wire) {
    case 'boolean':
      return reader.boolean() ? '1' : '0';
    case 'int':
      return numberLiteral(String(reader.int()), form);
    case 'long':
      return numberLiteral(String(reader.bigint()), form);
    case 'float':
      return floatLiteral(reader.float(), form);
    case 'double':
      return floatLiteral(reader.double(), form);
    case 'bytes':
      return hexLiteral(reader.blobView());
    case 'string':
      return textLiteral(reader.text(), form);
    default:
      return assertNever(wire);
  }
}

function numberLiteral(digits: string, form: ValueForm): string {
  return form === 'number' ? digits : `'${integerText(digits, form)}'`;
}

/** As a text '0' is the year 2000. */
export function integerText(digits: string, form: ValueForm): string {
  return form === 'year' ? digits.padStart(4, '0') : digits;
}

/** @throws NotMysqlValue */
export function floatText(value: number): string {
  if (!Number.isFinite(value)) throw new NotMysqlValue(`MySQL has no ${value}`);
  return Object.is(value, -0) ? '-0' : String(value);
}

function floatLiteral(value: number, form: ValueForm): string {
  const text = floatText(value);
  if (form !== 'number') return `'${text}'`;
  // Without an exponent it would be a decimal.
  return text.includes('e') ? text : `${text}e0`;
}

export function hexLiteral(bytes: Uint8Array): string {
  return `x'${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')}'`;
}

export function textLiteral(text: string, form: ValueForm): string {
  const value = plainText(text, form);
  if (form === 'bits') return `b'${value}'`;
  if (form === 'number' && /^-?\d+(\.\d+)?$/.test(value)) return value;
  return quoted(value);
}

/**
 * A text value as the target's type reads it.
 * @throws NotMysqlValue
 */
export function plainText(text: string, form: ValueForm): string {
  if (form === 'bits' && !/^[01]+$/.test(text)) throw new NotMysqlValue(`${text} is no row of bits`);
  const bent = form === 'json' ? bentNumber(text) : null;
  if (bent !== null) throw new NotMysqlValue(`MySQL's json would keep the number ${bent} as another one`);
  if (form === 'datetime' && text.endsWith('+00')) return text.slice(0, -3);
  // Some versions take an offset and some cut it off.
  if ((form === 'datetime' || form === 'time') && /.[+-]\d\d(:?\d\d)*$/.test(text) && !/^-?\d+-\d+-\d+$/.test(text))
    throw new NotMysqlValue(`${text} has another time zone than UTC`);
  return text;
}

const TO_ESCAPE = /[\\'\0]/;

function quoted(text: string): string {
  if (!TO_ESCAPE.test(text)) return `'${text}'`;
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "''").replaceAll('\0', '\\0')}'`;
}

/**
 * A condition that holds where the column has exactly this value. The first part may use an index; a collation that takes several texts
 * for the same is then put right by their bytes.
 * @param column quoted
 * @param literal as `readLiteral` gives it
 */
export function hasValue(column: string, literal: string, form: ValueForm): string {
  if (literal === 'NULL') return `${column} IS NULL`;
  switch (form) {
    case 'text':
      return `${column} = ${literal} AND ${sameBytes(column, literal)}`;
    case 'labels':
      return sameBytes(column, literal);
    case 'bits':
      return `${column} = CAST(${literal} AS UNSIGNED)`;
    case 'json':
      return `${column} = CAST(${literal} AS JSON)`;
    case 'geometry':
      return `HEX(${column}) = HEX(${literal})`;
    case 'number':
    case 'year':
    case 'bytes':
    case 'datetime':
    case 'time':
    case 'plain':
      return `${column} = ${literal}`;
    default:
      return assertNever(form);
  }
}

/** The same, but a collation may take another text for this one: for telling apart rows that are known to be the right ones. */
export function isEqual(column: string, literal: string, form: ValueForm): string {
  return form === 'text' && literal !== 'NULL' ? `${column} = ${literal}` : hasValue(column, literal, form);
}

/** A condition that holds where the column has exactly one of these values, of which none is null. */
export function isAmong(column: string, literals: readonly string[], form: ValueForm): string {
  switch (form) {
    case 'text':
    case 'labels': {
      const bytes = `${bytesOf(column)} IN (${literals.map((literal) => `CAST(${literal} AS BINARY)`).join(', ')})`;
      return form === 'text' ? `${column} IN (${literals.join(', ')}) AND ${bytes}` : bytes;
    }
    case 'number':
    case 'bytes':
      return `${column} IN (${literals.join(', ')})`;
    default:
      return literals.map((literal) => hasValue(column, literal, form)).join(' OR ');
  }
}

/** Of texts: the bytes that they have in UTF-8, whatever the column's character set is. */
function bytesOf(column: string): string {
  return `CAST(CONVERT(${column} USING utf8mb4) AS BINARY)`;
}

function sameBytes(column: string, literal: string): string {
  return `${bytesOf(column)} = CAST(${literal} AS BINARY)`;
}
