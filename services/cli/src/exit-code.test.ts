import { MillraceError } from '@millrace/errors/millrace-error.js';
import { expect, test } from 'vitest';
import { exitCodeOf, refusalExitCode } from './exit-code.js';

test.each([
  ['loaded', 0],
  ['caught-up', 0],
  ['signal', 0],
  ['refused', 1],
  ['fenced', 3],
  ['failed', 3],
] as const)('a run that ended because of %s exits with %i', (reason, code) => {
  expect(exitCodeOf(reason)).toBe(code);
});

test('an error before the start exits with 2 for usage, 1 for the rest; verify, whose 1 says that rows differ, with 3', () => {
  const usage = new MillraceError('USAGE_UNKNOWN', { problem: 'unknown option' });
  const file = new MillraceError('CONFIG_FILE', { path: 'a', problem: 'b' });
  expect([usage, file, new Error('x')].map((error) => refusalExitCode(error, 'run'))).toEqual([2, 1, 1]);
  expect([usage, file, new Error('x')].map((error) => refusalExitCode(error, 'verify'))).toEqual([2, 3, 3]);
});
