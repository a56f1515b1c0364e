import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { provideFolder } from './artifact.js';
import { freePort } from './free-port.js';
import { type Java, newestJava } from './java.js';
import { copyArtifact } from './maven.js';
import { LIBRARY_DIR } from './paths.js';
import { type Report, reportToTerminal, withProgress } from './progress.js';
import { runProgram } from './run-program.js';
import { type LocalServer, portFor, runningServer, ServerProcess } from './server-process.js';

export interface RegistryOptions {
  readonly dir: string;
  /** Without it: the port of the last time, else `preferredPort`, where they are free, else any free one. */
  readonly port?: number;
  readonly preferredPort?: number;
  /** Use the server that runs from this folder already, if one does. */
  readonly adopt?: boolean;
  readonly report?: Report;
}

export interface RegistryServer extends LocalServer {
  /** What a client of Confluent's schema registry takes as its host: `http://127.0.0.1:PORT/apis/ccompat/v7`. */
  readonly url: string;
  readonly port: number;
}

const READY_DEADLINE_MS = 120_000;
const HEAP = '192m';

/** The class files of the 3.3 line are Java 21's; the 3.0 line runs from Java 17 on. */
export function registryVersion(java: Java): '3.3.3' | '3.0.9' {
  return java.version >= 21 ? '3.3.3' : '3.0.9';
}

/** Starts an Apicurio registry with its ids in files, so that they survive restarts. @throws MillraceError `LOCAL_*` */
export async function startRegistry(options: RegistryOptions): Promise<RegistryServer> {
  const java = await newestJava();
  const version = registryVersion(java);
  const app = await registryApp(version, options.report ?? reportToTerminal);
  await mkdir(options.dir, { recursive: true });
  const running = options.adopt === true ? await runningServer(options.dir) : undefined;
  const port = running?.port ?? options.port ?? (await portFor(options.dir, options.preferredPort));
  const url = `http://127.0.0.1:${port}/apis/ccompat/v7`;
  const entry =
    version === '3.3.3'
      ? ['-jar', 'quarkus-run.jar']
      : ['-cp', `apicurio-registry-app-${version}-runner.jar:lib/*`, 'io.quarkus.runner.GeneratedMain'];
  const server = await ServerProcess.start({
    name: 'Schema registry',
    dir: options.dir,
    port,
    command: java.command,
    args: [`-Xmx${HEAP}`, '-XX:+UseSerialGC', ...entry],
    cwd: app,
    env: {
      QUARKUS_HTTP_HOST: '127.0.0.1',
      QUARKUS_HTTP_PORT: String(port),
      QUARKUS_MANAGEMENT_HOST: '127.0.0.1',
      QUARKUS_MANAGEMENT_PORT: String(await freePort()),
      APICURIO_STORAGE_KIND: 'sql',
      APICURIO_STORAGE_SQL_KIND: 'h2',
      // A name of its own for each line: the two lines' tables differ.
      APICURIO_DATASOURCE_URL: `jdbc:h2:file:${join(options.dir, `registry-${version}`)};DB_CLOSE_ON_EXIT=FALSE`,
      APICURIO_DATASOURCE_USERNAME: 'sa',
      APICURIO_DATASOURCE_PASSWORD: 'sa',
    },
    stopSignal: 'SIGTERM',
    running,
    readyDeadlineMs: READY_DEADLINE_MS,
    probe: () => listSubjects(url),
  });
  return Object.assign(server, { url, port });
}

/** Where the registry for this Java is or will be. */
export function registryFolder(java: Java): string {
  return folderOf(registryVersion(java));
}

function folderOf(version: string): string {
  return join(LIBRARY_DIR, `registry-${version}`);
}

async function registryApp(version: '3.3.3' | '3.0.9', report: Report): Promise<string> {
  return await provideFolder(folderOf(version), async (dir) => {
    const what = `the schema registry (Apicurio ${version})`;
    await withProgress(`Fetching ${what} with Maven (150 MB, once)`, report, async () => {
      await copyArtifact(what, `io.apicurio:apicurio-registry-app:${version}:tar.gz:all`, dir);
      const [archive] = (await readdir(dir)).filter((name) => name.endsWith('.tar.gz'));
      if (archive === undefined) throw new MillraceError('LOCAL_DOWNLOAD_FAILED', { what, reason: 'Maven left no archive' });
      await runProgram('tar', ['-xzf', archive], { cwd: dir });
      await rm(join(dir, archive));
    });
  });
}

async function listSubjects(url: string): Promise<void> {
  const response = await fetch(`${url}/subjects`, { signal: AbortSignal.timeout(5_000) });
  if (!response.ok)
    throw new MillraceError('LOCAL_SERVER_NOT_READY', { server: 'Schema registry', reason: `HTTP ${response.status}` });
  await response.arrayBuffer();
}
