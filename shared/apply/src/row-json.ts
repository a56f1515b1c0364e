import { Buffer } from 'node:buffer';
import { decodeRow } from '@millrace/codec/row-reader.js';
import { UNCHANGED, type Value } from '@millrace/contract/row.js';
import type { TableVersion } from '@millrace/contract/table.js';

/**
 * A row image as a JSON object with exact values: integers of any size as they are, texts as the source wrote them, bytes as
 * `\x…`, floats that JSON cannot hold as texts. A column that the log did not carry is left out.
 */
export function rowJson(version: TableVersion, bytes: Uint8Array, start: number, end: number): string {
  const row = decodeRow(version, bytes, start, end);
  const members = version.schema.columns.flatMap((column, index) => {
    const value = row[index];
    return value === undefined || value === UNCHANGED ? [] : [`${JSON.stringify(column.name)}:${valueJson(value)}`];
  });
  return `{${members.join(',')}}`;
}

function valueJson(value: Exclude<Value, typeof UNCHANGED>): string {
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'number' && Object.is(value, -0)) return '-0';
  if (typeof value === 'number' && !Number.isFinite(value)) return JSON.stringify(String(value));
  if (value instanceof Uint8Array) return JSON.stringify(`\\x${Buffer.from(value).toString('hex')}`);
  return JSON.stringify(value);
}
