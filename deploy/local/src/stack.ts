import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { invariant, MillraceError } from '@millrace/errors/millrace-error.js';
import { startKafka } from './kafka.js';
import { withLock } from './lock.js';
import { startMysql } from './mysql.js';
import { startPostgres } from './postgres.js';
import { checkPrerequisites } from './prerequisites.js';
import type { Report } from './progress.js';
import { startRegistry } from './registry.js';
import { type LocalServer, stopServerIn } from './server-process.js';

/** The environment's names for the servers' addresses: respected where set, written to the stack's env file. */
export type AddressName = 'SOURCE_URL' | 'TARGET_URL' | 'KAFKA_BROKERS' | 'SCHEMA_REGISTRY_URL';

/** A database engine that the stack can have at either end. */
export type StackEngine = 'postgres' | 'mysql' | 'mariadb';
export const STACK_ENGINES: readonly StackEngine[] = ['postgres', 'mysql', 'mariadb'];

/** What a server is for. */
export type StackRole = 'source' | 'target' | 'kafka' | 'registry';

export interface StackService {
  /** Also the service's name in docker-compose.yml, and its folder's. */
  readonly name: string;
  readonly role: StackRole;
  /** Null: it is there whatever the engines are. */
  readonly engine: StackEngine | null;
  readonly title: string;
  readonly address: AddressName;
  /** The port that it gets where it is free; the same one as in docker-compose.yml. Below the ephemeral ports of Linux. */
  readonly port: number;
}

/**
 * The servers that a stack can have: one source, one target, Kafka and the registry of them run. docker-compose.yml describes the same
 * ones; a test compares the two.
 */
export const STACK_SERVICES: readonly StackService[] = [
  database('source', 'postgres', 'PostgreSQL', 15432),
  database('target', 'postgres', 'PostgreSQL', 15433),
  database('source', 'mysql', 'MySQL', 13306),
  database('target', 'mysql', 'MySQL', 13307),
  database('source', 'mariadb', 'MariaDB', 13308),
  database('target', 'mariadb', 'MariaDB', 13309),
  { name: 'kafka', role: 'kafka', engine: null, title: 'Kafka', address: 'KAFKA_BROKERS', port: 19092 },
  { name: 'registry', role: 'registry', engine: null, title: 'Schema registry', address: 'SCHEMA_REGISTRY_URL', port: 18081 },
];

function database(role: 'source' | 'target', engine: StackEngine, title: string, port: number): StackService {
  return {
    name: engine === 'postgres' ? role : `${role}-${engine}`,
    role,
    engine,
    title: `${role === 'source' ? 'Source' : 'Target'} ${title}`,
    address: role === 'source' ? 'SOURCE_URL' : 'TARGET_URL',
    port,
  };
}

export type Addresses = Readonly<Record<AddressName, string>>;

export interface Stack extends AsyncDisposable {
  readonly addresses: Addresses;
  /** The servers that run from the stack's folder; none for an address that the environment gave. */
  readonly servers: Readonly<Partial<Record<StackRole, LocalServer>>>;
  /** Lets all servers live on when this process ends. */
  release(): Promise<void>;
}

export interface StackOptions {
  /** One folder per stack: stacks in different folders never meet. */
  readonly dir: string;
  readonly environment?: NodeJS.ProcessEnv;
  /** The engine of each end; PostgreSQL unless said otherwise. */
  readonly engines?: { readonly source: StackEngine; readonly target: StackEngine };
  /** 'any': ports that nobody else looks for. While a server is down, another stack's would else come up where it was, and be taken for it. */
  readonly ports?: 'usual' | 'any';
  readonly report: Report;
}

/**
 * Starts the servers that the environment does not name, or takes up those that run from the folder already. If one does not come
 * up, those that this call started end with this process.
 *
 * @throws MillraceError `LOCAL_*`
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  const { dir, report } = options;
  const environment = options.environment ?? process.env;
  await checkPrerequisites(environment);
  const engines = options.engines ?? { source: 'postgres', target: 'postgres' };
  const servers: Partial<Record<StackRole, LocalServer>> = {};
  const addressOf = async (role: StackRole): Promise<string> => {
    const engine = role === 'source' || role === 'target' ? engines[role] : null;
    const service = STACK_SERVICES.find((each) => each.role === role && each.engine === engine);
    invariant(service !== undefined, `the stack has a ${role}`);
    const given = environment[service.address];
    if (given !== undefined && given !== '') {
      report(`${service.title}: using ${service.address} from the environment`);
      return given;
    }
    const port = options.ports === 'any' ? {} : { preferredPort: service.port };
    const started = await startService(service, { dir: join(dir, service.name), report, ...port });
    servers[role] = started.server;
    report(`${service.title}: ready at ${started.address}`);
    return started.address;
  };
  const stop = async (): Promise<void> => {
    await Promise.all(Object.values(servers).map((server) => server.stop()));
  };
  const starting = [addressOf('source'), addressOf('target'), addressOf('kafka'), addressOf('registry')] as const;
  try {
    const [sourceUrl, targetUrl, brokers, registryUrl] = await Promise.all(starting);
    return {
      addresses: { KAFKA_BROKERS: brokers, SCHEMA_REGISTRY_URL: registryUrl, SOURCE_URL: sourceUrl, TARGET_URL: targetUrl },
      servers,
      async release() {
        await Promise.all(Object.values(servers).map((server) => server.release()));
      },
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await Promise.allSettled(starting);
    await stop();
    throw error;
  }
}

async function startService(
  service: StackService,
  place: { readonly dir: string; readonly report: Report; readonly preferredPort?: number },
): Promise<{ readonly server: LocalServer; readonly address: string }> {
  const options = { ...place, adopt: true };
  switch (service.role) {
    case 'source':
    case 'target': {
      const { engine, role } = service;
      const server =
        engine === 'mysql' || engine === 'mariadb'
          ? await startMysql({ ...options, engine })
          : await startPostgres({ ...options, database: role });
      return { server, address: server.url };
    }
    case 'kafka': {
      const server = await startKafka(options);
      return { server, address: server.brokers };
    }
    case 'registry': {
      const server = await startRegistry(options);
      return { server, address: server.url };
    }
  }
}

/** Stops what runs from the stack's folder. Returns the titles of what it stopped. */
export async function stopStack(dir: string): Promise<readonly string[]> {
  const stopped = await Promise.all(
    STACK_SERVICES.map(async (service) => ((await stopServerIn(join(dir, service.name))) ? [service.title] : [])),
  );
  return stopped.flat();
}

/** The engines that FROM and TO name in the environment. @throws MillraceError `LOCAL_ENGINE_UNKNOWN` */
export function enginesOf(environment: NodeJS.ProcessEnv = process.env): NonNullable<StackOptions['engines']> {
  const engineOf = (variable: 'FROM' | 'TO'): StackEngine => {
    const word = environment[variable] ?? '';
    const engine = STACK_ENGINES.find((each) => each === (word === '' ? 'postgres' : word));
    if (engine === undefined)
      throw new MillraceError('LOCAL_ENGINE_UNKNOWN', { variable, word, known: STACK_ENGINES.join(', ') });
    return engine;
  };
  return { source: engineOf('FROM'), target: engineOf('TO') };
}

/**
 * Starts a stack that lives on, and writes its addresses to `envFile` last: where the file is there, every server in it answered.
 */
export async function up(options: StackOptions & { readonly envFile: string }): Promise<void> {
  await withLock(`${options.dir}.lock`, 'starting or stopping the servers', async () => {
    await rm(options.envFile, { force: true });
    const stack = await startStack(options);
    await stack.release();
    await writeWhole(options.envFile, envFileText(stack.addresses));
  });
}

/** Stops the stack that `up` left running. Returns the titles of what it stopped. */
export async function down(options: { readonly dir: string; readonly envFile: string }): Promise<readonly string[]> {
  return await withLock(`${options.dir}.lock`, 'starting or stopping the servers', async () => {
    await rm(options.envFile, { force: true });
    return await stopStack(options.dir);
  });
}

/** `NAME=value` lines that shells, Docker and Node's --env-file read alike. */
export function envFileText(addresses: Addresses): string {
  return Object.entries(addresses)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}

async function writeWhole(file: string, text: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  // An address from the environment may hold a password.
  await writeFile(`${file}.tmp`, text, { mode: 0o600 });
  await rename(`${file}.tmp`, file);
}
