import type { LogicalType } from '@millrace/contract/table.js';
import { assertNever } from '@millrace/errors/millrace-error.js';

/** Avro's primitive type of a column's value. */
export type WireType = 'boolean' | 'int' | 'long' | 'float' | 'double' | 'bytes' | 'string';

/** Types whose every value a binary form holds travel in it; all others as the source's own text. */
export function wireTypeOf(type: LogicalType): WireType {
  switch (type.kind) {
    case 'boolean':
      return 'boolean';
    case 'integer':
      return type.bits === 64 ? 'long' : 'int';
    case 'float':
      return type.bits === 32 ? 'float' : 'double';
    case 'bytes':
      return 'bytes';
    case 'decimal':
    case 'text':
    case 'date':
    case 'time':
    case 'timestamp':
    case 'interval':
    case 'uuid':
    case 'json':
    case 'enum':
    case 'array':
    case 'other':
      return 'string';
    default:
      return assertNever(type);
  }
}
