import { createHash } from 'node:crypto';
import type { TableSchema } from '@millrace/contract/table.js';

/**
 * Identity of a table version: the first 128 bits, as hexadecimal, of the SHA-256 of the schema's canonical JSON (keys sorted, nothing
 * left out). Two versions are the same when their fingerprints are, whatever process described them.
 */
export function fingerprintOf(schema: TableSchema): string {
  return createHash('sha256').update(canonicalJson(schema)).digest('hex').slice(0, 32);
}

function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).filter(([, member]) => member !== undefined);
    members.sort(([left], [right]) => (left < right ? -1 : 1));
    return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`).join(',')}}`;
  }
  return JSON.stringify(value);
}
