import { expect, test } from 'vitest';
import { errorPage } from './error-page.js';
import { MillraceError } from './millrace-error.js';
import { ERROR_TABLE } from './table.js';

test('docs/errors.md is made from the error table (vitest -u writes it anew)', async () => {
  await expect(errorPage()).toMatchFileSnapshot('../../../docs/errors.md');
});

test('every error says what, why and what to do, in sentences', () => {
  for (const [code, { message, cause, remedy }] of Object.entries(ERROR_TABLE)) {
    for (const text of [message, cause, remedy]) expect(text.length, code).toBeGreaterThan(3);
  }
});

test('details fill the texts, and one that is missing stays visible', () => {
  const error = new MillraceError('WORKER_DIES', { role: 'sink' });
  expect(error.message).toBe('The sink dies again and again ({cause}).');
  expect(error.class).toBe('operator');
});
