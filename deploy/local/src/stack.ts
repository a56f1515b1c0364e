import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { startKafka } from './kafka.js';
import { withLock } from './lock.js';
import { startPostgres } from './postgres.js';
import { checkPrerequisites } from './prerequisites.js';
import type { Report } from './progress.js';
import { startRegistry } from './registry.js';
import { type LocalServer, stopServerIn } from './server-process.js';

/** The environment's names for the servers' addresses: respected where set, written to the stack's env file. */
export type AddressName = 'SOURCE_URL' | 'TARGET_URL' | 'KAFKA_BROKERS' | 'SCHEMA_REGISTRY_URL';

export interface StackService {
  /** Also the service's name in docker-compose.yml. */
  readonly name: 'source' | 'target' | 'kafka' | 'registry';
  readonly title: string;
  readonly address: AddressName;
  /** The port that it gets where it is free; the same one as in docker-compose.yml. Below the ephemeral ports of Linux. */
  readonly port: number;
}

/** The servers of a stack. docker-compose.yml describes the same ones; a test compares the two. */
export const STACK_SERVICES = [
  { name: 'source', title: 'Source PostgreSQL', address: 'SOURCE_URL', port: 15432 },
  { name: 'target', title: 'Target PostgreSQL', address: 'TARGET_URL', port: 15433 },
  { name: 'kafka', title: 'Kafka', address: 'KAFKA_BROKERS', port: 19092 },
  { name: 'registry', title: 'Schema registry', address: 'SCHEMA_REGISTRY_URL', port: 18081 },
] as const satisfies readonly StackService[];

export type Addresses = Readonly<Record<AddressName, string>>;

export interface Stack extends AsyncDisposable {
  readonly addresses: Addresses;
  /** The servers that run from the stack's folder; none for an address that the environment gave. */
  readonly servers: Readonly<Partial<Record<StackService['name'], LocalServer>>>;
  /** Lets all servers live on when this process ends. */
  release(): Promise<void>;
}

export interface StackOptions {
  /** One folder per stack: stacks in different folders never meet. */
  readonly dir: string;
  readonly environment?: NodeJS.ProcessEnv;
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
  const servers: Partial<Record<StackService['name'], LocalServer>> = {};
  const addressOf = async (service: StackService): Promise<string> => {
    const given = environment[service.address];
    if (given !== undefined && given !== '') {
      report(`${service.title}: using ${service.address} from the environment`);
      return given;
    }
    const started = await startService(service, { dir: join(dir, service.name), report });
    servers[service.name] = started.server;
    report(`${service.title}: ready at ${started.address}`);
    return started.address;
  };
  const stop = async (): Promise<void> => {
    await Promise.all(Object.values(servers).map((server) => server.stop()));
  };
  const [source, target, kafka, registry] = STACK_SERVICES;
  const starting = [addressOf(source), addressOf(target), addressOf(kafka), addressOf(registry)] as const;
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
  place: { readonly dir: string; readonly report: Report },
): Promise<{ readonly server: LocalServer; readonly address: string }> {
  const options = { ...place, adopt: true, preferredPort: service.port };
  switch (service.name) {
    case 'source':
    case 'target': {
      const server = await startPostgres({ ...options, database: service.name });
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
