import type { LogicalType, NativeType } from '@millrace/contract/table.js';
import type { DmsType, DmsTypeName } from '../rule.js';

/** A column's type on a PostgreSQL target, and the range of integers where it is narrower than the type. */
export interface TargetType {
  readonly type: LogicalType;
  readonly native: NativeType;
  readonly range: readonly [bigint, bigint] | null;
}

const MAX_FRACTION_DIGITS = 6;

/**
 * PostgreSQL's type for one of DMS's: unsigned integers take the next wider type, `int1` and `uint1` smallint, `uint8`
 * numeric(20,0), as DMS's page "Using a PostgreSQL database as a target" has it.
 */
export function targetType(dms: DmsType): TargetType {
  switch (dms.name) {
    case 'boolean':
      return typed({ kind: 'boolean' }, 'bool', 'boolean');
    case 'int1':
      return integer(16, [-128n, 127n]);
    case 'int2':
      return integer(16, null);
    case 'int4':
      return integer(32, null);
    case 'int8':
      return integer(64, null);
    case 'uint1':
      return integer(16, [0n, 255n]);
    case 'uint2':
      return integer(32, [0n, 65_535n]);
    case 'uint4':
      return integer(64, [0n, 4_294_967_295n]);
    case 'uint8':
      return { ...typed({ kind: 'decimal', precision: 20, scale: 0 }, 'numeric', 'numeric(20,0)'), range: [0n, 2n ** 64n - 1n] };
    case 'numeric':
      return numeric(dms);
    case 'real4':
      return typed({ kind: 'float', bits: 32 }, 'float4', 'real');
    case 'real8':
      return typed({ kind: 'float', bits: 64 }, 'float8', 'double precision');
    case 'string':
    case 'wstring':
      return dms.length === null || dms.length === 0
        ? typed({ kind: 'text', maxLength: null, padded: false }, 'text', 'text')
        : typed({ kind: 'text', maxLength: dms.length, padded: false }, 'varchar', `character varying(${dms.length})`);
    case 'clob':
    case 'nclob':
      return typed({ kind: 'text', maxLength: null, padded: false }, 'text', 'text');
    case 'bytes':
    case 'blob':
      return typed({ kind: 'bytes', maxLength: null }, 'bytea', 'bytea');
    case 'date':
      return typed({ kind: 'date' }, 'date', 'date');
    case 'time':
      return typed(
        { kind: 'time', precision: fraction(dms), withZone: false },
        'time',
        `time(${fraction(dms)}) without time zone`,
      );
    case 'datetime':
      return typed(
        { kind: 'timestamp', precision: fraction(dms), withZone: false },
        'timestamp',
        `timestamp(${fraction(dms)}) without time zone`,
      );
  }
}

function fraction(dms: DmsType): number {
  return Math.min(dms.scale ?? dms.precision ?? MAX_FRACTION_DIGITS, MAX_FRACTION_DIGITS);
}

function numeric(dms: DmsType): TargetType {
  const { precision, scale } = dms;
  if (precision === null || precision === 0)
    return typed({ kind: 'decimal', precision: null, scale: null }, 'numeric', 'numeric');
  return typed({ kind: 'decimal', precision, scale: scale ?? 0 }, 'numeric', `numeric(${precision},${scale ?? 0})`);
}

function integer(bits: 16 | 32 | 64, range: readonly [bigint, bigint] | null): TargetType {
  const name = bits === 16 ? 'int2' : bits === 32 ? 'int4' : 'int8';
  const declaration = bits === 16 ? 'smallint' : bits === 32 ? 'integer' : 'bigint';
  return {
    ...typed({ kind: 'integer', bits }, name, declaration),
    range: range ?? [-(2n ** BigInt(bits - 1)), 2n ** BigInt(bits - 1) - 1n],
  };
}

function typed(type: LogicalType, name: string, declaration: string): TargetType {
  return { type, native: { engine: 'postgresql', schema: 'pg_catalog', name, declaration }, range: null };
}

/** DMS's name for a source column's type, which an object-locator's `data-type` is compared with. */
export function dmsTypeName(type: LogicalType): DmsTypeName {
  switch (type.kind) {
    case 'boolean':
      return 'boolean';
    case 'integer':
      return type.bits === 16 ? 'int2' : type.bits === 32 ? 'int4' : 'int8';
    case 'float':
      return type.bits === 32 ? 'real4' : 'real8';
    case 'decimal':
      return 'numeric';
    case 'bytes':
      return 'blob';
    case 'date':
      return 'date';
    case 'time':
      return type.withZone ? 'string' : 'time';
    case 'timestamp':
      return 'datetime';
    case 'text':
      return type.maxLength === null ? 'clob' : 'string';
    case 'json':
    case 'array':
    case 'other':
      return 'clob';
    case 'interval':
    case 'uuid':
    case 'enum':
      return 'string';
  }
}
