import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { crashPoint, parseOrder } from './crash-point.js';

const PROGRAM = `
  import { crashPoint } from '${fileURLToPath(new URL('crash-point.ts', import.meta.url))}';
  for (let i = 1; i <= 3; i++) { crashPoint('after-produce'); console.log(i); }
`;

function run(
  order: string | undefined,
  environment: Readonly<Record<string, string>> = {},
): { readonly signal: string | null; readonly stdout: string } {
  const env = { ...process.env, ...(order === undefined ? {} : { MILLRACE_CRASH_AT: order }), ...environment };
  const { signal, stdout } = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', PROGRAM], {
    env,
    encoding: 'utf8',
  });
  return { signal, stdout };
}

test('the process ends by SIGKILL at the n-th passing of the named place, and not before', () => {
  expect(run('after-produce:2')).toEqual({ signal: 'SIGKILL', stdout: '1\n' });
});

test('with a file to leave, only the first process that gets there crashes', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-crash-'));
  try {
    const once = { MILLRACE_CRASH_ONCE: join(dir, 'crashed') };
    expect(run('after-produce:2', once)).toEqual({ signal: 'SIGKILL', stdout: '1\n' });
    expect(run('after-produce:2', once)).toEqual({ signal: null, stdout: '1\n2\n3\n' });
  } finally {
    await rm(dir, { recursive: true });
  }
});

test('without an order, or with another place named, nothing happens', () => {
  expect(run(undefined)).toEqual({ signal: null, stdout: '1\n2\n3\n' });
  expect(run('before-commit')).toEqual({ signal: null, stdout: '1\n2\n3\n' });
  crashPoint('after-produce');
});

test('an order without a number means the first time', () => {
  expect(parseOrder('after-produce')).toEqual({ name: 'after-produce', occurrence: 1 });
  expect(parseOrder('')).toBeUndefined();
});
