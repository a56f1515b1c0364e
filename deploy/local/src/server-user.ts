import { createHash } from 'node:crypto';
import { chown, mkdir, stat, symlink } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { exists } from './artifact.js';
import { runProgram } from './run-program.js';

export interface ServerUser {
  readonly uid: number;
  readonly gid: number;
}

/** Root gives these up for a user without rights, since PostgreSQL refuses to run as root; anybody else stays who they are. */
const UNPRIVILEGED = ['postgres', 'nobody'];

/** The user to run PostgreSQL as, or undefined for "the one who asks". @throws MillraceError `LOCAL_PREREQUISITE_MISSING` */
export async function unprivilegedUser(): Promise<ServerUser | undefined> {
  if (userInfo().uid !== 0) return undefined;
  for (const name of UNPRIVILEGED) {
    try {
      const [uid, gid] = await Promise.all([runProgram('id', ['-u', name]), runProgram('id', ['-g', name])]);
      return { uid: Number(uid), gid: Number(gid) };
    } catch {
      // Not on this machine: the next name.
    }
  }
  throw new MillraceError('LOCAL_PREREQUISITE_MISSING', {
    what: 'A user for PostgreSQL (`postgres` or `nobody`)',
    needed: 'PostgreSQL refuses to run as root, and this machine has no other user to run it as.',
    remedy: '`useradd --system postgres`, or run the command as a normal user.',
  });
}

/**
 * Makes `dir` and gives it to the user. Where the user could not even reach it (a checkout below /root), the folder lies in /var/tmp
 * instead and `dir` is a link to it.
 */
export async function folderFor(user: ServerUser | undefined, dir: string): Promise<string> {
  if (user === undefined) {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    return dir;
  }
  await mkdir(dirname(dir), { recursive: true });
  if (await reachable(dirname(dir), user)) {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    await chown(dir, user.uid, user.gid);
    return dir;
  }
  const elsewhere = join('/var/tmp', `millrace-${createHash('sha256').update(dir).digest('hex').slice(0, 12)}-${basename(dir)}`);
  await mkdir(elsewhere, { recursive: true, mode: 0o700 });
  await chown(elsewhere, user.uid, user.gid);
  if (!(await exists(dir))) await symlink(elsewhere, dir);
  return elsewhere;
}

/** True where the user may enter every folder on the way to `path`, and `path` itself. */
export async function reachable(path: string, user: ServerUser): Promise<boolean> {
  const { mode, uid, gid } = await stat(path);
  const bit = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001;
  if ((mode & bit) === 0) return false;
  const parent = dirname(path);
  return parent === path || (await reachable(parent, user));
}
