import { mkdtemp, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NO_METRICS } from '@millrace/journal/journal-metrics.js';
import { KafkaClient } from '@millrace/journal/kafka/kafka-client.js';
import { PartitionWriter } from '@millrace/journal/kafka/partition-writer.js';
import { Topics } from '@millrace/journal/kafka/topics.js';
import { DEFAULT_MAX_MESSAGE_BYTES } from '@millrace/journal/rules/topic-settings.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type PostgresServer, removeFolder, scratchFolder, startPostgres, withClient } from '../servers.js';
import { Bench, CANARY, jsonLines, millrace } from './command.js';

let bench: Bench;
let folder: string;
/** wal_level=replica, and a role that needs a password. */
let limited: PostgresServer;
let limitedFolder: string;

beforeAll(async () => {
  bench = await Bench.open(`
    CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'one');
    CREATE TABLE u (id int PRIMARY KEY, v text);
    CREATE TABLE keyless (a int);
    DO $$ BEGIN CREATE ROLE norights LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$`);
  folder = await mkdtemp(join(tmpdir(), 'millrace-test-'));
  limitedFolder = await scratchFolder();
  limited = await startPostgres({ dir: limitedFolder, settings: { wal_level: 'replica', fsync: 'off' } });
});

afterAll(async () => {
  await limited?.[Symbol.asyncDispose]();
  await removeFolder(limitedFolder);
  await removeFolder(folder);
  await bench?.[Symbol.asyncDispose]();
});

interface BadStart {
  readonly what: string;
  /** Flags that differ from a good start's. */
  readonly flags?: () => Promise<Readonly<Record<string, string>>> | Readonly<Record<string, string>>;
  readonly code: string;
  /** The offending word, and its place. */
  readonly names: readonly string[];
}

const inFile = async (name: string, content: unknown): Promise<string> => {
  const path = join(folder, name);
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
};

const selection = {
  'rule-type': 'selection',
  'rule-id': '1',
  'rule-name': '1',
  'object-locator': { 'schema-name': 'public', 'table-name': '_' },
  'rule-action': 'include',
};
const collision = {
  'rule-type': 'transformation',
  'rule-id': '7',
  'rule-name': '7',
  'rule-target': 'table',
  'object-locator': { 'schema-name': 'public', 'table-name': '%' },
  'rule-action': 'rename',
  value: 'same',
};

const withCredentials = (url: string, user: string): string => {
  const parsed = new URL(url);
  parsed.username = user;
  parsed.password = CANARY;
  return parsed.href;
};

const BAD_STARTS: readonly BadStart[] = [
  {
    what: 'a database that is not there',
    flags: () => ({ source: withCredentials(bench.source.url, 'postgres').replace(/[^/]+$/, 'nodb') }),
    code: 'ENDPOINT_DATABASE_MISSING',
    names: ['source', 'nodb'],
  },
  {
    what: 'TLS that the server refuses',
    flags: () => ({ target: `${bench.target.url}?sslmode=require` }),
    code: 'ENDPOINT_TLS_REFUSED',
    names: ['target', 'sslmode=require'],
  },
  {
    what: 'a URL that cannot be read',
    flags: () => ({ source: `postgresql://u:${CANARY}@h:xx/db` }),
    code: 'ENDPOINT_URL_INVALID',
    names: ['source', 'xx'],
  },
  {
    what: 'an engine without a connector',
    flags: () => ({ source: `oracle://u:${CANARY}@h/db` }),
    code: 'ENDPOINT_UNSUPPORTED',
    names: ['oracle', 'source'],
  },
  {
    what: 'wal_level not logical',
    flags: () => ({ source: limited.url }),
    code: 'SOURCE_WAL_LEVEL',
    names: ['replica', 'logical'],
  },
  {
    what: 'a role without rights in the source',
    flags: () => ({ source: withCredentials(bench.source.url, 'norights') }),
    code: 'SOURCE_RIGHT_MISSING',
    names: ['norights', 'REPLICATION'],
  },
  {
    what: 'a role without rights in the target',
    flags: () => ({ include: 'public.t', target: withCredentials(bench.target.url, 'norights') }),
    code: 'TARGET_RIGHT_MISSING',
    names: ['CREATE', 'target'],
  },
  {
    what: 'a read-only target',
    flags: () => ({ include: 'public.t', target: `${bench.target.url}?options=-c%20default_transaction_read_only%3Don` }),
    code: 'TARGET_READ_ONLY',
    names: ['target', 'read-only'],
  },
  {
    what: 'a selection that matches nothing',
    flags: () => ({ include: 'public.nothere' }),
    code: 'SELECTION_MATCHES_NOTHING',
    names: ['--include', 'nothere'],
  },
  {
    what: 'a pattern without a table',
    flags: () => ({ include: 'nodot' }),
    code: 'SELECTION_PATTERN_INVALID',
    names: ['--include', 'nodot'],
  },
  {
    what: 'a table without identity',
    flags: () => ({ include: 'public.keyless' }),
    code: 'TABLE_WITHOUT_IDENTITY',
    names: ['keyless', 'REPLICA IDENTITY FULL'],
  },
  {
    what: 'a misspelt word of a mapping rule',
    flags: async () => ({
      'table-mappings': await inFile('misspelt.json', { rules: [{ ...selection, 'rule-action': 'inclde' }] }),
    }),
    code: 'MAPPING_RULE_INVALID',
    names: ['rule 1', 'inclde'],
  },
  {
    what: 'mappings that are not JSON',
    flags: async () => ({ 'table-mappings': await inFile('broken.json', '{"rules":[') }),
    code: 'MAPPING_JSON_INVALID',
    names: ['line 1'],
  },
  {
    what: 'two tables mapped to one',
    flags: async () => ({ 'table-mappings': await inFile('collision.json', { rules: [selection, collision] }) }),
    code: 'MAPPING_COLLISION',
    names: ['public.t', 'public.u', 'rule 7'],
  },
  {
    what: 'a mappings file that is not there',
    flags: () => ({ 'table-mappings': join(folder, 'none.json') }),
    code: 'CONFIG_FILE',
    names: ['none.json'],
  },
  {
    what: 'a misspelt setting',
    flags: async () => ({
      include: 'public.t',
      'task-settings': await inFile('misspelt-setting.json', { FullLoadSettings: { TargetTablePrepmode: 'DO_NOTHING' } }),
    }),
    code: 'TASK_SETTINGS_INVALID',
    names: ['misspelt-setting.json', 'TargetTablePrepmode', 'did you mean FullLoadSettings.TargetTablePrepMode'],
  },
  {
    what: 'a setting of the wrong type',
    flags: async () => ({
      include: 'public.t',
      'task-settings': await inFile('type.json', { FullLoadSettings: { MaxFullLoadSubTasks: '8' } }),
    }),
    code: 'TASK_SETTINGS_INVALID',
    names: ['FullLoadSettings.MaxFullLoadSubTasks', 'number'],
  },
  {
    what: 'a registry at another path',
    flags: () => ({ include: 'public.t', registry: bench.registry.replace(/\/apis.*$/, '/nopath') }),
    code: 'REGISTRY_REFUSED',
    names: ['/nopath'],
  },
];

/** `traces`: what the test itself made there. */
async function expectRefusal({ flags, code, names }: BadStart, traces: readonly string[] = []): Promise<void> {
  const { code: exit, stdout, stderr } = await millrace(['run', ...bench.flags({ ...(await flags?.()) }), '--json']);
  const last = jsonLines(stdout).at(-1);
  expect(last).toMatchObject({ event: 'stopped', reason: 'refused', tables: [], error: { code } });
  expect(exit).toBe(1);
  const told = JSON.stringify(last?.['error']).replaceAll('\\"', '"');
  for (const name of names) expect(told).toContain(name);
  expect(stderr).toContain(code);
  expect(stdout + stderr).not.toContain(CANARY);
  expect(stderr).not.toMatch(/^\s+at .*:\d+:\d+/m);
  expect(await bench.traces()).toEqual(traces);
}

describe('a start that cannot work is refused, names the word and its place, and leaves nothing behind:', () => {
  test.each(BAD_STARTS)('$what', (bad) => expectRefusal(bad));

  test('a wrong password', async () => {
    await withClient(limited.url, async (client) => {
      await client.query(`CREATE ROLE app LOGIN PASSWORD 'right'`);
      const { rows } = await client.query<{ file: string }>(`SELECT current_setting('hba_file') AS file`);
      const lines = `SELECT 'host all app 127.0.0.1/32 scram-sha-256' UNION ALL SELECT 'host all all 127.0.0.1/32 trust'`;
      await client.query(`COPY (${lines}) TO ${client.escapeLiteral(rows[0]?.file ?? '')}`);
      await client.query('SELECT pg_reload_conf()');
    });
    await expectRefusal({
      what: '',
      flags: () => ({ source: withCredentials(limited.url, 'app') }),
      code: 'ENDPOINT_AUTHENTICATION',
      names: ['source', 'app'],
    });
  });

  test('no slot left', async () => {
    const dir = await scratchFolder();
    await using full = await startPostgres({ dir, settings: { max_replication_slots: '1', fsync: 'off' } });
    await withClient(full.url, async (client) => {
      await client.query(`SELECT pg_create_physical_replication_slot('other')`);
      await client.query('CREATE TABLE t (id int PRIMARY KEY)');
    });
    await expectRefusal({
      what: '',
      flags: () => ({ source: full.url, include: 'public.t' }),
      code: 'SLOT_LIMIT',
      names: ['max_replication_slots'],
    });
    await removeFolder(dir);
  });

  test('a target table that cannot hold the rows', async () => {
    await bench.atTarget('CREATE TABLE t (id smallint PRIMARY KEY, v varchar(3))');
    await expectRefusal(
      {
        what: '',
        flags: () => ({ include: 'public.t' }),
        code: 'TARGET_TABLE_INCOMPATIBLE',
        names: ['public.t', 'id', 'smallint'],
      },
      ['public.t', 'public.t_pkey'],
    );
    await bench.atTarget('DROP TABLE t');
  });

  test('a journal topic with a wrong setting, and one with foreign records, which both stay as they are', async () => {
    await using client = new KafkaClient({ brokers: bench.kafka.split(','), tls: null, sasl: null });
    const topics = new Topics(client);
    const { journal } = bench.topics;
    await topics.create(journal, { partitions: 2, maxMessageBytes: DEFAULT_MAX_MESSAGE_BYTES }, { anyPartitions: false });
    const wrong = await millrace(['run', ...bench.flags({ include: 'public.t' }), '--json']);
    expect(jsonLines(wrong.stdout).at(-1)).toMatchObject({ reason: 'refused', error: { code: 'TOPIC_SETTING_WRONG' } });
    expect((await topics.describe(journal))?.partitions).toBe(2);
    await topics.delete([journal]);

    await topics.create(journal, { partitions: 1, maxMessageBytes: DEFAULT_MAX_MESSAGE_BYTES }, { anyPartitions: false });
    {
      await using writer = new PartitionWriter({ client, topic: journal, partition: 0, metrics: NO_METRICS });
      await writer.send([{ value: Buffer.from('hello') }]);
    }
    const foreign = await millrace(['run', ...bench.flags({ include: 'public.t' }), '--json']);
    expect(jsonLines(foreign.stdout).at(-1)).toMatchObject({ reason: 'refused', error: { code: 'RECORD_FOREIGN' } });
    expect(await topics.describe(journal)).not.toBeNull();
    await topics.delete([journal]);
    expect(await bench.traces()).toEqual([]);
  });

  test('a registry that is read-only', async () => {
    await using registry = await answering(bench.registry, ({ method }) => method === 'POST', {
      error_code: 42205,
      message: 'Subject is in read-only mode',
    });
    await expectRefusal({
      what: '',
      flags: () => ({ include: 'public.t', registry: registry.url }),
      code: 'REGISTRY_READ_ONLY',
      names: [registry.url, `${bench.name}.journal`],
    });
  });

  test('servers that are away, within 60 s', async () => {
    const started = performance.now();
    await Promise.all(
      [
        { flags: { source: `postgresql://u:${CANARY}@127.0.0.1:1/x` }, code: 'ENDPOINT_UNREACHABLE' },
        { flags: { kafka: '127.0.0.1:1' }, code: 'KAFKA_UNREACHABLE' },
      ].map(async ({ flags, code }) => {
        const {
          code: exit,
          stdout,
          stderr,
        } = await millrace(['run', ...bench.flags({ include: 'public.t', ...flags }), '--json']);
        expect(jsonLines(stdout).at(-1)).toMatchObject({ reason: 'refused', error: { code } });
        expect(exit).toBe(1);
        expect(stdout + stderr).not.toContain(CANARY);
      }),
    );
    expect(performance.now() - started).toBeLessThan(60_000);
    expect(await bench.traces()).toEqual([]);
  });
});

interface FakeRegistry extends AsyncDisposable {
  readonly url: string;
}

/** The real registry, except that requests which match get this refusal (HTTP 422). */
async function answering(
  registry: string,
  matches: (request: { readonly method: string; readonly path: string }) => boolean,
  refusal: object,
): Promise<FakeRegistry> {
  const server: Server = createServer((request, response) => {
    const { method = 'GET', url: path = '/' } = request;
    if (matches({ method, path })) {
      response.writeHead(422, { 'content-type': 'application/json' }).end(JSON.stringify(refusal));
      return;
    }
    fetch(`${registry}${path}`, { method }).then(
      async (answer) => response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text()),
      () => response.writeHead(500).end(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const port = portOf(server.address());
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

function portOf(address: AddressInfo | string | null): number {
  return typeof address === 'object' && address !== null ? address.port : 0;
}
