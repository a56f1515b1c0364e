import { UNCHANGED } from '@millrace/contract/row.js';

/** Directories of the records that every later version must read, by the version of the journal's format. */
export const FIXTURES = {
  1: new URL('../../fixtures/v1/', import.meta.url),
  2: new URL('../../fixtures/v2/', import.meta.url),
  3: new URL('../../fixtures/v3/', import.meta.url),
};

/** Values as JSON text that keeps them apart: 5n is "5n", bytes are "0x…", unchanged is "(unchanged)", -0 and NaN are named. */
export function fixtureJson(value: unknown): string {
  return `${JSON.stringify(plain(value), null, 2)}\n`;
}

function plain(value: unknown): unknown {
  if (value === UNCHANGED) return '(unchanged)';
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'number' && (!Number.isFinite(value) || Object.is(value, -0)))
    return Object.is(value, -0) ? '-0' : String(value);
  if (value instanceof Uint8Array) return `0x${Buffer.from(value).toString('hex')}`;
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, plain(member)]));
  return value;
}
