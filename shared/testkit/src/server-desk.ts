import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { guard } from '@millrace/local/guard.js';
import { startKafka } from '@millrace/local/kafka.js';
import { startMysql } from '@millrace/local/mysql.js';
import { startPostgres } from '@millrace/local/postgres.js';
import { startRegistry } from '@millrace/local/registry.js';
import { reasonText } from '@millrace/local/wait-until.js';

/** The servers that a test run shares. */
export const SHARED_SERVERS = ['postgres', 'mysql', 'mariadb', 'kafka', 'registry'] as const;
export type SharedServer = (typeof SHARED_SERVERS)[number];

export interface ServerDesk extends AsyncDisposable {
  /** `GET <url>/<server>` answers with the server's address, as text, once it is ready. */
  readonly url: string;
}

/**
 * Hands out the servers of one test run over HTTP on 127.0.0.1: test files run in processes of their own, and a server is started
 * once, when the first of them asks for it. Addresses given in the environment (`SOURCE_URL`, `KAFKA_BROKERS`,
 * `SCHEMA_REGISTRY_URL`) are handed out as they are. All data goes when the desk closes, however it closes.
 */
export async function openServerDesk(environment: NodeJS.ProcessEnv = process.env): Promise<ServerDesk> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-tests-'));
  // Servers that run as another user keep their data below it, so that it goes with it.
  await chmod(dir, 0o711);
  await guard.watchFolder(dir);
  const running: AsyncDisposable[] = [];
  const addresses = new Map<SharedServer, Promise<string>>();

  const address = (server: SharedServer): Promise<string> => {
    const known = addresses.get(server) ?? start(server, join(dir, server), { environment, running });
    addresses.set(server, known);
    return known;
  };

  const http = createServer((request, response) => {
    const server = SHARED_SERVERS.find((name) => request.url === `/${name}`);
    if (server === undefined) {
      response.writeHead(404).end();
      return;
    }
    address(server).then(
      (text) => response.writeHead(200).end(text),
      (error: unknown) => response.writeHead(500).end(explain(error)),
    );
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const bound = http.address();
  if (bound === null || typeof bound === 'string') throw new MillraceError('INTERNAL', { what: 'the server desk has no port' });

  return {
    url: `http://127.0.0.1:${bound.port}`,
    async [Symbol.asyncDispose]() {
      http.closeAllConnections();
      http.close();
      await Promise.allSettled(addresses.values());
      await Promise.all(running.map((server) => server[Symbol.asyncDispose]()));
      await rm(dir, { recursive: true, force: true });
      await guard.forgetFolder(dir);
    },
  };
}

/** The environment's name for a server that is to be used instead of one of the desk's own. */
const GIVEN_AS: Readonly<Record<SharedServer, string | null>> = {
  postgres: 'SOURCE_URL',
  mysql: null,
  mariadb: null,
  kafka: 'KAFKA_BROKERS',
  registry: 'SCHEMA_REGISTRY_URL',
};

async function start(
  server: SharedServer,
  dir: string,
  desk: { readonly environment: NodeJS.ProcessEnv; readonly running: AsyncDisposable[] },
): Promise<string> {
  const name = GIVEN_AS[server];
  const given = name === null ? undefined : desk.environment[name];
  if (given !== undefined && given !== '') return given;
  if (server === 'postgres') {
    // Nothing of a test run outlives it, so that nothing is lost with the machine's power.
    const started = await startPostgres({ dir, settings: { fsync: 'off', full_page_writes: 'off' } });
    desk.running.push(started);
    return started.url;
  }
  if (server === 'mysql' || server === 'mariadb') {
    const settings = { 'sync-binlog': '0', 'innodb-flush-log-at-trx-commit': '0' };
    const started = await startMysql({ engine: server, dir, settings });
    desk.running.push(started);
    return started.url;
  }
  if (server === 'kafka') {
    const started = await startKafka({ dir });
    desk.running.push(started);
    return started.brokers;
  }
  const started = await startRegistry({ dir });
  desk.running.push(started);
  return started.url;
}

function explain(error: unknown): string {
  return error instanceof MillraceError ? `${error.code}: ${error.message}\n${error.why}\n${error.remedy}` : reasonText(error);
}
