import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { guard } from '@millrace/local/guard.js';
import { scratchFolder } from './servers.js';

const run = promisify(execFile);

/** A file system of a few megabytes in memory, to be filled; it goes with the test's process at the latest. */
export interface SmallDisk extends AsyncDisposable {
  readonly dir: string;
  /** As an operator would who adds space. */
  readonly grow: (megabytes: number) => Promise<void>;
}

/** Null where this user may not mount one: that takes root and Linux. Everybody may enter it; files in it belong to who makes them. */
export async function smallDisk(megabytes: number): Promise<SmallDisk | null> {
  const dir = join(await scratchFolder(), 'small-disk');
  await mkdir(dir);
  const mounted = await run('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=1777`, 'millrace-test', dir]).then(
    () => true,
    () => false,
  );
  if (!mounted) return null;
  await guard.watchMount(dir);
  return {
    dir,
    grow: async (to) => void (await run('mount', ['-o', `remount,size=${to}m`, dir])),
    async [Symbol.asyncDispose]() {
      await run('umount', ['--lazy', dir]);
      await guard.forgetMount(dir);
    },
  };
}
