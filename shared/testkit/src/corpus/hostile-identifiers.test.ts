import { expect, test } from 'vitest';
import { HOSTILE_IDENTIFIERS } from './hostile-identifiers.js';

test('at least 60 different identifiers, each one that PostgreSQL takes unchanged', () => {
  expect(new Set(HOSTILE_IDENTIFIERS).size).toBe(HOSTILE_IDENTIFIERS.length);
  expect(HOSTILE_IDENTIFIERS.length).toBeGreaterThanOrEqual(60);
  for (const name of HOSTILE_IDENTIFIERS) {
    expect(Buffer.byteLength(name), name).toBeLessThanOrEqual(63);
    expect(Buffer.byteLength(name), name).toBeGreaterThan(0);
    expect(name, name).not.toContain('\0');
    expect(name.isWellFormed(), name).toBe(true);
  }
});
