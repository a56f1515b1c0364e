import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { provideFolder } from './artifact.js';
import { withLock } from './lock.js';

let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-artifact-'));
});

afterEach(async () => {
  await rm(dir, { recursive: true, force: true });
});

test('several callers at once get the folder made once', async () => {
  let made = 0;
  const make = async (draft: string): Promise<void> => {
    made += 1;
    await writeFile(join(draft, 'jar'), 'whole');
  };
  const target = join(dir, 'lib');
  const results = await Promise.all([provideFolder(target, make), provideFolder(target, make), provideFolder(target, make)]);
  expect(results).toEqual([target, target, target]);
  expect(made).toBe(1);
  expect(await readFile(join(target, 'jar'), 'utf8')).toBe('whole');
});

test('a download that fails half-way leaves nothing behind, and the next one succeeds', async () => {
  const target = join(dir, 'lib');
  const half = async (draft: string): Promise<void> => {
    await writeFile(join(draft, 'jar'), 'ha');
    throw new Error('network gone');
  };
  await expect(provideFolder(target, half)).rejects.toThrow('network gone');
  expect(await readdir(dir)).toEqual([]);
  await provideFolder(target, (draft) => writeFile(join(draft, 'jar'), 'whole'));
  expect(await readdir(dir)).toEqual(['lib']);
});

test('the lock of a process that died is taken over', async () => {
  const lock = join(dir, 'lock');
  await mkdir(lock);
  await writeFile(join(lock, 'holder'), '999999999 12345');
  expect(await withLock(lock, 'the test', () => Promise.resolve('mine'))).toBe('mine');
});

test('a lock whose pid was given to another process is taken over', async () => {
  const lock = join(dir, 'lock');
  await mkdir(lock);
  await writeFile(join(lock, 'holder'), `${process.pid} another-start-time`);
  expect(await withLock(lock, 'the test', () => Promise.resolve('mine'))).toBe('mine');
});

test('a lock that was left before it got a name is taken over once it is old', async () => {
  const lock = join(dir, 'lock');
  await mkdir(lock);
  const longAgo = new Date(Date.now() - 60_000);
  await utimes(lock, longAgo, longAgo);
  expect(await withLock(lock, 'the test', () => Promise.resolve('mine'))).toBe('mine');
});
