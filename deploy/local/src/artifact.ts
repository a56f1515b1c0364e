import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { withLock } from './lock.js';

/**
 * Makes the folder `target` once, whole or not at all: `make` fills a folder beside it, which then takes the name. Two processes that
 * want it at once take turns. Returns `target`.
 *
 * @throws MillraceError `LOCAL_WAIT_EXPIRED` after 10 minutes behind another process; whatever `make` throws.
 */
export async function provideFolder(target: string, make: (emptyDir: string) => Promise<void>): Promise<string> {
  if (await exists(target)) return target;
  await withLock(`${target}.lock`, target, async () => {
    if (await exists(target)) return;
    const draft = `${target}.tmp-${process.pid}`;
    try {
      await rm(draft, { recursive: true, force: true });
      await mkdir(dirname(target), { recursive: true });
      await mkdir(draft);
      await make(draft);
      await takeName(draft, target);
    } finally {
      await rm(draft, { recursive: true, force: true });
    }
  });
  return target;
}

/** Should two processes take over a dead holder's lock at once, the first rename wins and both folders are equal. */
async function takeName(draft: string, target: string): Promise<void> {
  try {
    await rename(draft, target);
  } catch (error) {
    if (!(await exists(target))) throw error;
  }
}

export async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}
