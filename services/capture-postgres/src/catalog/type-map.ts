import type { LogicalType } from '@millrace/contract/table.js';

/** VARHDRSZ: lengths and numeric modifiers are stored with a varlena header's four bytes added. */
const HEADER = 4;

/**
 * Meaning of a type of pg_catalog by its pg_type.typname and the column's type modifier (-1: none); `other` for those whose
 * text alone is carried (money, xml, geometry, network, bit strings, ranges, text search, oid and its aliases …).
 */
export function systemType(name: string, modifier: number): LogicalType {
  switch (name) {
    case 'bool':
      return { kind: 'boolean' };
    case 'int2':
      return { kind: 'integer', bits: 16 };
    case 'int4':
      return { kind: 'integer', bits: 32 };
    case 'int8':
      return { kind: 'integer', bits: 64 };
    case 'float4':
      return { kind: 'float', bits: 32 };
    case 'float8':
      return { kind: 'float', bits: 64 };
    case 'numeric':
      return numericType(modifier);
    case 'text':
      return { kind: 'text', maxLength: null, padded: false };
    case 'varchar':
      return { kind: 'text', maxLength: lengthOf(modifier), padded: false };
    case 'bpchar':
      return { kind: 'text', maxLength: lengthOf(modifier), padded: modifier >= 0 };
    case 'name':
      return { kind: 'text', maxLength: 63, padded: false };
    case 'bytea':
      return { kind: 'bytes', maxLength: null };
    case 'date':
      return { kind: 'date' };
    case 'time':
    case 'timetz':
      return { kind: 'time', precision: secondsPrecision(modifier), withZone: name === 'timetz' };
    case 'timestamp':
    case 'timestamptz':
      return { kind: 'timestamp', precision: secondsPrecision(modifier), withZone: name === 'timestamptz' };
    case 'interval':
      return { kind: 'interval' };
    case 'uuid':
      return { kind: 'uuid' };
    case 'json':
    case 'jsonb':
      return { kind: 'json' };
    default:
      return { kind: 'other' };
  }
}

function lengthOf(modifier: number): number | null {
  return modifier < 0 ? null : modifier - HEADER;
}

/** Precision above scale; the scale is a signed 11-bit number since PostgreSQL 15 (numeric.c, numeric_typmod_scale). */
function numericType(modifier: number): LogicalType {
  if (modifier < 0) return { kind: 'decimal', precision: null, scale: null };
  const packed = modifier - HEADER;
  return { kind: 'decimal', precision: (packed >> 16) & 0xffff, scale: ((packed & 0x7ff) ^ 0x400) - 0x400 };
}

function secondsPrecision(modifier: number): number {
  return modifier < 0 ? 6 : modifier;
}
