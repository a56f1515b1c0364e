import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { Kafka, logLevel } from 'kafkajs';
import { provideFolder } from './artifact.js';
import { freePort } from './free-port.js';
import { oldestJava } from './java.js';
import { copyDependencies, folderOfPom } from './maven.js';
import { KAFKA_POM } from './paths.js';
import { type Report, reportToTerminal, withProgress } from './progress.js';
import { runProgram } from './run-program.js';
import { type LocalServer, portFor, runningServer, ServerProcess } from './server-process.js';
import { reasonText } from './wait-until.js';

export interface KafkaOptions {
  readonly dir: string;
  /** Without it: the port of the last time, else `preferredPort`, where they are free, else any free one. */
  readonly port?: number;
  readonly preferredPort?: number;
  /** Broker settings (server.properties) that replace or add to the stack's own. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Use the server that runs from this folder already, if one does. */
  readonly adopt?: boolean;
  readonly report?: Report;
}

export interface KafkaServer extends LocalServer {
  /** `127.0.0.1:PORT`. */
  readonly brokers: string;
  readonly port: number;
}

const HEAP = '256m';
const READY_DEADLINE_MS = 120_000;
/** Fixed: one node never meets another cluster. */
const CLUSTER_ID = 'MkU3OEVBNTcwNTJENDM2Qg';

/** Starts one Kafka node (KRaft, broker and controller in one). @throws MillraceError `LOCAL_*` */
export async function startKafka(options: KafkaOptions): Promise<KafkaServer> {
  const java = await oldestJava();
  const jars = await kafkaJars(options.report ?? reportToTerminal);
  await mkdir(options.dir, { recursive: true });
  const running = options.adopt === true ? await runningServer(options.dir) : undefined;
  const port = running?.port ?? options.port ?? (await portFor(options.dir, options.preferredPort));
  const properties = join(options.dir, 'server.properties');
  // A running node keeps the file it was started with: its controller port is in it.
  if (running === undefined)
    await writeFile(
      properties,
      serverProperties({
        port,
        controllerPort: await freePort(),
        data: join(options.dir, 'data'),
        settings: options.settings ?? {},
      }),
    );
  const classPath = join(jars, '*');
  await formatStorage({ java: java.command, classPath, properties, dir: options.dir });
  const brokers = `127.0.0.1:${port}`;
  const server = await ServerProcess.start({
    name: 'Kafka',
    dir: options.dir,
    port,
    command: java.command,
    args: [
      '-Xms64m',
      `-Xmx${HEAP}`,
      '-XX:+UseSerialGC',
      '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
      '-Dorg.slf4j.simpleLogger.showDateTime=true',
      '-cp',
      classPath,
      'kafka.Kafka',
      properties,
    ],
    stopSignal: 'SIGTERM',
    running,
    readyDeadlineMs: READY_DEADLINE_MS,
    probe: () => describeCluster(brokers),
  });
  return Object.assign(server, { brokers, port });
}

/** Replication factors of one; no topic comes into being by being named; no wait before a group's first assignment. */
export function serverProperties(node: {
  readonly port: number;
  readonly controllerPort: number;
  readonly data: string;
  readonly settings: Readonly<Record<string, string>>;
}): string {
  const settings: Readonly<Record<string, string>> = {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${node.controllerPort}`,
    listeners: `PLAINTEXT://127.0.0.1:${node.port},CONTROLLER://127.0.0.1:${node.controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${node.port}`,
    'inter.broker.listener.name': 'PLAINTEXT',
    'controller.listener.names': 'CONTROLLER',
    'log.dirs': node.data,
    'offsets.topic.num.partitions': '5',
    'offsets.topic.replication.factor': '1',
    'transaction.state.log.num.partitions': '5',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'group.initial.rebalance.delay.ms': '0',
    'auto.create.topics.enable': 'false',
    'log.cleaner.dedupe.buffer.size': '8388608',
    // A killed broker's registration bars its successor until this time is over (KIP-631); the default is 9 s.
    'broker.session.timeout.ms': '4000',
    'broker.heartbeat.interval.ms': '500',
    ...node.settings,
  };
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}

/** Where the jars are or will be. */
export function kafkaFolder(): Promise<string> {
  return folderOfPom('kafka', KAFKA_POM);
}

async function kafkaJars(report: Report): Promise<string> {
  return await provideFolder(await kafkaFolder(), async (dir) => {
    await withProgress('Fetching Kafka with Maven (43 MB, once)', report, () => copyDependencies('Kafka', KAFKA_POM, dir));
  });
}

async function formatStorage(node: {
  readonly java: string;
  readonly classPath: string;
  readonly properties: string;
  readonly dir: string;
}): Promise<void> {
  // Written by the format itself: a folder that has it needs no second JVM.
  const formatted = await readFile(join(node.dir, 'data', 'meta.properties'), 'utf8').catch(() => '');
  if (formatted !== '') return;
  try {
    await runProgram(node.java, [
      '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
      '-cp',
      node.classPath,
      'kafka.tools.StorageTool',
      'format',
      '-t',
      CLUSTER_ID,
      '-c',
      node.properties,
      '--ignore-formatted',
    ]);
  } catch (cause) {
    const details = {
      server: 'Kafka',
      how: 'formatting its storage',
      log: reasonText(cause),
      logFile: join(node.dir, 'server.log'),
    };
    throw new MillraceError('LOCAL_SERVER_EXITED', details, { cause });
  }
}

async function describeCluster(brokers: string): Promise<void> {
  const kafka = new Kafka({
    clientId: 'millrace-health',
    brokers: [brokers],
    logLevel: logLevel.NOTHING,
    retry: { retries: 0 },
    connectionTimeout: 2_000,
  });
  const admin = kafka.admin();
  try {
    await admin.connect();
    await admin.describeCluster();
  } finally {
    await admin.disconnect();
  }
}
