import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type ConnectServer, startConnect } from '@millrace/local/connect.js';
import { reportToTerminal } from '@millrace/local/progress.js';
import { openTopics } from '@millrace/local/topics.js';
import { waitUntil } from '@millrace/local/wait-until.js';
import { z } from 'zod';
import { PEER_PUBLICATION } from './peer-slot.js';
import type { BenchServers } from './servers.js';

type Settings = Readonly<Record<string, string>>;

const START_DEADLINE_MS = 120_000;
const LOOK_EVERY_MS = 1_000;

/** Large compressed batches in and out of Kafka; JSON with schemas, since the sink needs them and Connect brings that converter. */
const WORKER: Settings = {
  'key.converter': 'org.apache.kafka.connect.json.JsonConverter',
  'value.converter': 'org.apache.kafka.connect.json.JsonConverter',
  'producer.linger.ms': '5',
  'producer.batch.size': '524288',
  'producer.compression.type': 'lz4',
  'producer.enable.idempotence': 'true',
  // Connect's own default is 1, from a time before idempotent producers.
  'producer.max.in.flight.requests.per.connection': '5',
  'consumer.max.poll.records': '10000',
};

/** A Connect worker of its own, empty. */
export function startWorker(servers: BenchServers, name: string): Promise<ConnectServer> {
  return startConnect({
    dir: join(servers.dir, name),
    brokers: servers.addresses.KAFKA_BROKERS,
    settings: WORKER,
    report: reportToTerminal,
  });
}

export interface Pipe {
  /** Also its topics' prefix: a slot and a prefix serve one run. */
  readonly slot: string;
  /** Tables of the schema `bench`. */
  readonly tables: readonly string[];
  /** Changes from the slot's position on, or the tables' rows alone. */
  readonly carries: 'changes' | 'rows';
  /** Kafka: without the JDBC sink. */
  readonly into: 'target' | 'kafka';
}

export interface RunningPipe {
  /** Aborts with the reason when a connector fails. */
  readonly signal: AbortSignal;
  /** Records that the source has written to Kafka. */
  written(): Promise<number>;
}

/**
 * Runs `work` while Debezium carries the tables: the sink is there first, then the source is asked for. Leaves neither connectors nor
 * topics; the slot is the caller's. @throws Error where a connector fails
 */
export async function withDebezium<T>(
  servers: BenchServers,
  worker: ConnectServer,
  { slot, tables, carries, into }: Pipe,
  work: (pipe: RunningPipe) => Promise<T>,
): Promise<T> {
  await using topics = await openTopics(servers.addresses.KAFKA_BROKERS);
  const names = tables.map((table) => `${slot}.bench.${table}`);
  const source = `${slot}-source`;
  const sink = into === 'target' ? `${slot}-sink` : null;
  await topics.create(names);
  const failed = new AbortController();
  const ended = new AbortController();
  let watching = Promise.resolve();
  try {
    if (sink !== null) {
      await putConnector(worker, sink, sinkSettings(servers, names));
      await runs(worker, sink);
    }
    await putConnector(worker, source, sourceSettings(servers, { slot, tables, carries }));
    watching = watch(worker, sink === null ? [source] : [source, sink], { failed, ended: ended.signal });
    return await work({ signal: failed.signal, written: () => topics.written(names) });
  } catch (error) {
    throw failed.signal.aborted ? failed.signal.reason : error;
  } finally {
    ended.abort();
    await watching;
    await removeConnector(worker, source);
    if (sink !== null) await removeConnector(worker, sink);
    await topics.remove(names);
  }
}

function sourceSettings({ source }: BenchServers, { slot, tables, carries }: Omit<Pipe, 'into'>): Settings {
  const { hostname, port, username, pathname } = new URL(source.url);
  return {
    'connector.class': 'io.debezium.connector.postgresql.PostgresConnector',
    'database.hostname': hostname,
    'database.port': port,
    'database.user': username,
    'database.dbname': decodeURIComponent(pathname.slice(1)),
    'topic.prefix': slot,
    'plugin.name': 'pgoutput',
    'slot.name': slot,
    'publication.name': PEER_PUBLICATION,
    'publication.autocreate.mode': 'disabled',
    'table.include.list': tables.map((table) => `bench.${table}`).join(','),
    'snapshot.mode': carries === 'changes' ? 'no_data' : 'initial_only',
    // Rows in the heap's order: the last one that was written is the last to arrive.
    'database.initial.statements': 'SET synchronize_seqscans = off',
    // Millrace's own heartbeats are in the log that the two share.
    'message.prefix.exclude.list': '.*',
    'tombstones.on.delete': 'false',
    'max.batch.size': '8192',
    'max.queue.size': '32768',
    'poll.interval.ms': '5',
    'snapshot.fetch.size': '20000',
  };
}

function sinkSettings({ target }: BenchServers, topics: readonly string[]): Settings {
  const { host, username, pathname } = new URL(target.url);
  return {
    'connector.class': 'io.debezium.connector.jdbc.JdbcSinkConnector',
    topics: topics.join(','),
    'connection.url': `jdbc:postgresql://${host}${pathname}?reWriteBatchedInserts=true`,
    'connection.username': username,
    // The servers ask for none; the connector wants one.
    'connection.password': 'none',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the connector fills this in.
    'collection.name.format': '${source.schema}.${source.table}',
    'insert.mode': 'upsert',
    'primary.key.mode': 'record_key',
    'delete.enabled': 'true',
    'schema.evolution': 'none',
    'batch.size': '3000',
    'use.reduction.buffer': 'true',
  };
}

async function putConnector(worker: ConnectServer, name: string, settings: Settings): Promise<void> {
  await call(worker, 'PUT', `/connectors/${name}/config`, settings);
}

async function removeConnector(worker: ConnectServer, name: string): Promise<void> {
  await call(worker, 'DELETE', `/connectors/${name}`);
}

async function runs(worker: ConnectServer, name: string): Promise<void> {
  await waitUntil(
    async () => {
      const { connector, tasks } = await statusOf(worker, name);
      return connector.state === 'RUNNING' && tasks.length > 0 && tasks.every(({ state }) => state === 'RUNNING');
    },
    { what: `Debezium's ${name} to run (${worker.logFile})`, deadlineMs: START_DEADLINE_MS },
  );
}

/** Looks after the connectors until `ended`; the first one that fails aborts `failed`. */
async function watch(
  worker: ConnectServer,
  names: readonly string[],
  { failed, ended }: { readonly failed: AbortController; readonly ended: AbortSignal },
): Promise<void> {
  while (!ended.aborted && !failed.signal.aborted) {
    for (const name of names) {
      // A connector that is not there yet has no status.
      const status = await statusOf(worker, name).catch(() => undefined);
      const broken =
        status === undefined ? undefined : [status.connector, ...status.tasks].find(({ state }) => state === 'FAILED');
      if (broken !== undefined)
        failed.abort(new Error(`Debezium's ${name} failed: ${reasonOf(broken.trace)} (${worker.logFile})`));
    }
    await delay(LOOK_EVERY_MS, undefined, { signal: ended }).catch(() => undefined);
  }
}

/** What a Java stack trace says last of its causes. */
function reasonOf(trace: string): string {
  const lines = trace.split('\n');
  return lines.findLast((line) => line.startsWith('Caused by: ')) ?? lines[0] ?? '';
}

const partState = z.object({ state: z.string(), trace: z.string().default('') });
const connectorStatus = z.object({ connector: partState, tasks: z.array(partState) });

async function statusOf(worker: ConnectServer, name: string): Promise<z.infer<typeof connectorStatus>> {
  return connectorStatus.parse(JSON.parse(await call(worker, 'GET', `/connectors/${name}/status`)));
}

async function call(worker: ConnectServer, method: 'GET' | 'PUT' | 'DELETE', path: string, body?: Settings): Promise<string> {
  const response = await fetch(`${worker.url}${path}`, {
    method,
    ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(START_DEADLINE_MS),
  });
  const text = await response.text();
  const gone = method === 'DELETE' && response.status === 404;
  if (!response.ok && !gone)
    throw new Error(`Kafka Connect answered ${method} ${path} with ${response.status}: ${text.slice(0, 500)}`);
  return text;
}
