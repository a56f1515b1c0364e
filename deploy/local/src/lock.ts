import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { findProcess } from './process-table.js';
import { waitUntil } from './wait-until.js';

const LOCK_DEADLINE_MS = 10 * 60_000;
const NAMELESS_LOCK_AGE_MS = 10_000;

/**
 * Runs `work` while no other process on this machine holds the lock folder `lock`. A lock whose holder died is taken over.
 *
 * @throws MillraceError `LOCAL_WAIT_EXPIRED` after 10 minutes behind another process.
 */
export async function withLock<T>(lock: string, what: string, work: () => Promise<T>): Promise<T> {
  await mkdir(dirname(lock), { recursive: true });
  await waitUntil(() => takeLock(lock), {
    what: `another process to finish ${what} (${lock})`,
    deadlineMs: LOCK_DEADLINE_MS,
    everyMs: 200,
  });
  try {
    return await work();
  } finally {
    await rm(lock, { recursive: true, force: true });
  }
}

async function takeLock(lock: string): Promise<boolean> {
  try {
    await mkdir(lock);
  } catch {
    if (await holderIsGone(lock)) await rm(lock, { recursive: true, force: true });
    return false;
  }
  const self = await findProcess(process.pid);
  await writeFile(join(lock, 'holder'), `${process.pid} ${self?.started ?? ''}`);
  return true;
}

/** A lock without a holder's name is either milliseconds old or was left between two system calls. */
async function holderIsGone(lock: string): Promise<boolean> {
  try {
    const [pid, ...started] = (await readFile(join(lock, 'holder'), 'utf8')).split(' ');
    const entry = await findProcess(Number(pid));
    return entry === undefined || entry.started !== started.join(' ');
  } catch {
    const made = await stat(lock).catch(() => undefined);
    return made !== undefined && Date.now() - made.mtimeMs > NAMELESS_LOCK_AGE_MS;
  }
}
