import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { provideFolder } from './artifact.js';
import { freePort } from './free-port.js';
import { oldestJava } from './java.js';
import { copyDependencies, folderOfPom } from './maven.js';
import { CONNECT_POM } from './paths.js';
import { type Report, withProgress } from './progress.js';
import { runProgram } from './run-program.js';
import { type LocalServer, ServerProcess } from './server-process.js';

export interface ConnectServer extends LocalServer {
  /** Its REST interface: `http://127.0.0.1:PORT`. */
  readonly url: string;
}

const WHAT = 'Kafka Connect with Debezium';
const HEAP = '2g';
const READY_DEADLINE_MS = 120_000;

/**
 * Fetches Kafka Connect and Debezium's connectors as `connect/pom.xml` pins them, where they are not here yet. Returns their folder.
 *
 * @throws MillraceError `LOCAL_PREREQUISITE_MISSING`, `LOCAL_DOWNLOAD_FAILED`
 */
export async function fetchConnect(report: Report): Promise<string> {
  return await provideFolder(await folderOfPom('connect', CONNECT_POM), async (dir) => {
    await withProgress(`Fetching ${WHAT} with Maven (113 MB, once)`, report, async () => {
      await copyDependencies(WHAT, CONNECT_POM, dir);
      const plugins = join(dir, 'plugins');
      await mkdir(plugins);
      const archives = (await readdir(dir)).filter((name) => name.endsWith('.tar.gz'));
      if (archives.length === 0)
        throw new MillraceError('LOCAL_DOWNLOAD_FAILED', { what: WHAT, reason: 'Maven left no archive' });
      for (const archive of archives) {
        await runProgram('tar', ['-xzf', join(dir, archive)], { cwd: plugins });
        await rm(join(dir, archive));
      }
    });
  });
}

/**
 * Starts a Kafka Connect worker without connectors, its offsets in a file. `settings` are worker properties beside the addresses and
 * folders. @throws MillraceError `LOCAL_*`
 */
export async function startConnect(options: {
  readonly dir: string;
  readonly brokers: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly report: Report;
}): Promise<ConnectServer> {
  const { dir, brokers, settings, report } = options;
  const java = await oldestJava();
  const programs = await fetchConnect(report);
  await mkdir(dir, { recursive: true });
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const properties = join(dir, 'worker.properties');
  const all = {
    'bootstrap.servers': brokers,
    listeners: url,
    'plugin.path': join(programs, 'plugins'),
    // Every plugin here names its classes in its manifest; a search through all classes would only lengthen the start.
    'plugin.discovery': 'service_load',
    'offset.storage.file.filename': join(dir, 'offsets'),
    ...settings,
  };
  await writeFile(
    properties,
    Object.entries(all)
      .map(([name, value]) => `${name}=${value}\n`)
      .join(''),
  );
  const server = await ServerProcess.start({
    name: 'Kafka Connect',
    dir,
    port,
    command: java.command,
    args: [
      `-Xmx${HEAP}`,
      '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
      '-Dorg.slf4j.simpleLogger.showDateTime=true',
      '-cp',
      join(programs, '*'),
      'org.apache.kafka.connect.cli.ConnectStandalone',
      properties,
    ],
    stopSignal: 'SIGTERM',
    readyDeadlineMs: READY_DEADLINE_MS,
    probe: () => listConnectors(url),
  });
  return Object.assign(server, { url });
}

async function listConnectors(url: string): Promise<void> {
  const response = await fetch(`${url}/connectors`, { signal: AbortSignal.timeout(5_000) });
  if (!response.ok)
    throw new MillraceError('LOCAL_SERVER_NOT_READY', { server: 'Kafka Connect', reason: `HTTP ${response.status}` });
  await response.arrayBuffer();
}
