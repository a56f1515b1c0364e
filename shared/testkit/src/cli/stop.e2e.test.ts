import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type KafkaServer, scratchFolder, startKafka, waitUntil } from '../servers.js';
import { TcpProxy } from '../tcp-proxy.js';
import { Bench, Command, millrace } from './command.js';

const SMALL = `CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT g, 'v' || g FROM generate_series(1, 1000) g`;
/** A stop is clean within this, whatever hangs. */
const STOP_MS = 10_000;

let server: KafkaServer;
let kafka: TcpProxy;

beforeAll(async () => {
  const port = await freePort();
  kafka = await TcpProxy.open({ host: '127.0.0.1', port });
  // All traffic goes by way of the proxy: it is the address that the broker gives of itself.
  const settings = { 'advertised.listeners': `PLAINTEXT://127.0.0.1:${kafka.port}` };
  server = await startKafka({ dir: await scratchFolder(), port, settings });
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await kafka[Symbol.asyncDispose]();
});

/** A task every server of which is reached by way of a proxy. */
class Roads implements AsyncDisposable {
  private constructor(
    readonly bench: Bench,
    readonly flags: readonly string[],
    readonly proxies: {
      readonly kafka: TcpProxy;
      readonly registry: TcpProxy;
      readonly source: TcpProxy;
      readonly target: TcpProxy;
    },
  ) {}

  static async open(): Promise<Roads> {
    const bench = await Bench.open(SMALL, { kafka: `127.0.0.1:${kafka.port}` });
    const [registry, source, target] = await Promise.all([
      TcpProxy.inFrontOf(bench.registry),
      TcpProxy.inFrontOf(bench.source.url),
      TcpProxy.inFrontOf(bench.target.url),
    ]);
    const flags = bench.flags({ registry: registry.url, source: source.url, target: target.url, 'log-level': 'debug' });
    return new Roads(bench, flags, { kafka, registry: registry.proxy, source: source.proxy, target: target.proxy });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { registry, source, target } = this.proxies;
    kafka.heal();
    await Promise.all([registry, source, target].map((proxy) => proxy[Symbol.asyncDispose]()));
    await this.bench[Symbol.asyncDispose]();
  }
}

type Server = keyof Roads['proxies'];

async function stopped(command: Command): Promise<void> {
  const signalled = performance.now();
  command.signal('SIGTERM');
  const { code, stderr } = await command.ended;
  expect(performance.now() - signalled).toBeLessThan(STOP_MS);
  expect(code, stderr).toBe(0);
}

async function until(what: string, condition: () => boolean): Promise<void> {
  await waitUntil(condition, { what, deadlineMs: 60_000 });
}

const AT_START: readonly (readonly [string, Server])[] = [
  ['capture', 'source'],
  ['capture', 'kafka'],
  ['capture', 'registry'],
  ['sink', 'target'],
  ['sink', 'kafka'],
  ['sink', 'registry'],
  ['run', 'source'],
];

describe.each(AT_START)('millrace %s, whose %s takes connections and never answers', (command, silent) => {
  test('stops within 10 s of SIGTERM, with 0', async () => {
    await using roads = await Roads.open();
    const proxy = roads.proxies[silent];
    proxy.stall('to-client');
    const before = proxy.connections;
    const started = new Command([command, ...roads.flags]);
    await until('it has connected', () => proxy.connections > before);
    await stopped(started);
  });
});

/** `at`: what its log says when it is at work. */
const AT_WORK: readonly { readonly command: string; readonly at: string; readonly silent: Server }[] = [
  { command: 'capture', at: '"status":"streaming"', silent: 'source' },
  { command: 'capture', at: '"status":"streaming"', silent: 'kafka' },
  { command: 'sink', at: '"status":"loaded"', silent: 'target' },
  { command: 'sink', at: '"status":"loaded"', silent: 'kafka' },
];

describe.each(AT_WORK)('millrace $command at work, whose $silent falls silent', ({ command, at, silent }) => {
  test.each(['stall', 'halfOpen'] as const)(
    'stops within 10 s of SIGTERM, and nothing is lost or doubled (%s)',
    async (fault) => {
      await using roads = await Roads.open();
      const { bench } = roads;
      const both = ['capture', 'sink'].map((name) => new Command([name, ...roads.flags]));
      const victim = both[command === 'capture' ? 0 : 1];
      if (victim === undefined) throw new Error('one of the two');
      await until(`the ${command} is at work`, () => victim.stderr.includes(at));
      if (fault === 'stall') roads.proxies[silent].stall('to-client');
      else roads.proxies[silent].halfOpen();
      await bench.atSource(`INSERT INTO t VALUES (0, 'sent, and its reply lost')`);
      // Both are alike: whatever the fault meets, a stop is clean.
      await Promise.all(both.map(stopped));
      roads.proxies[silent].heal();
      const again = await millrace(['run', ...bench.flags({ until: 'caught-up' })]);
      expect(again.code, again.stderr).toBe(0);
      expect(await bench.atTarget('SELECT count(*)::int AS rows, min(id) AS first FROM t')).toEqual([{ rows: 1_001, first: 0 }]);
    },
  );
});

test('a full load that is done leaves nothing in the source', async () => {
  await using bench = await Bench.open(SMALL);
  const flags = bench.flags({ 'migration-type': 'full-load' });
  const slots = `SELECT slot_name FROM pg_replication_slots WHERE database = current_database()`;
  expect((await millrace(['run', ...flags])).code).toBe(0);
  expect(await bench.atSource(slots)).toEqual([]);
  expect(await bench.atSource('SELECT pubname FROM pg_publication')).toEqual([]);
});

async function freePort(): Promise<number> {
  const listener = createServer();
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address();
  listener.close();
  await once(listener, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
