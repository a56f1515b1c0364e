import { Buffer } from 'node:buffer';
import { type Row, UNCHANGED, type Value } from '@millrace/contract/row.js';
import type { TableVersion } from '@millrace/contract/table.js';

/**
 * A row as JSON text for people and scripts, with exact values: integers with all their digits, text forms (decimals, dates, JSON)
 * as strings, bytes as hexadecimal with `0x`, NaN and infinities as strings. A column that the log did not carry is left out.
 */
export function rowJson(version: TableVersion, row: Row): string {
  const members = version.schema.columns.flatMap(({ name }, index) => {
    const value = row[index];
    return value === undefined || value === UNCHANGED ? [] : [`${JSON.stringify(name)}:${valueJson(value)}`];
  });
  return `{${members.join(',')}}`;
}

function valueJson(value: Exclude<Value, typeof UNCHANGED>): string {
  if (typeof value === 'bigint') return String(value);
  if (value instanceof Uint8Array) return `"0x${Buffer.from(value).toString('hex')}"`;
  if (typeof value !== 'number') return JSON.stringify(value);
  if (Object.is(value, -0)) return '-0';
  return Number.isFinite(value) ? String(value) : JSON.stringify(String(value));
}
