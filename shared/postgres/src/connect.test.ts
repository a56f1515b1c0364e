import { getEventListeners, once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { closeSession, connect } from './connect.js';
import { parseConnectionUrl } from './connection-url.js';

/** A server of the test's own on 127.0.0.1; `connections` counts those that came. */
async function serverThat(answers: (socket: Socket, connection: number) => void) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    answers(socket, sockets.size);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: (parameters = '') => `postgres://u@127.0.0.1:${port}/d${parameters}`,
    get connections() {
      return sockets.size;
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

const open = (url: string, signal?: AbortSignal) =>
  connect(parseConnectionUrl(url, 'source'), {
    applicationName: 'millrace:test',
    settings: {},
    ...(signal === undefined ? {} : { signal }),
  });

async function timed(work: Promise<unknown>): Promise<{ readonly error: unknown; readonly ms: number }> {
  const begun = performance.now();
  const error: unknown = await work.then(
    () => 'open',
    (reason: unknown) => reason,
  );
  return { error, ms: performance.now() - begun };
}

/** Ok, ready for queries: what a server says after a login without a password. */
const WELCOME = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 0, 0x5a, 0, 0, 0, 5, 0x49]);
const NO_TLS = Buffer.from('N');

test('a server that never answers is given up after one attempt of 5 s, without a second one in plain text', async () => {
  await using silent = await serverThat(() => undefined);
  const { error, ms } = await timed(open(silent.url()));
  expect(error).toMatchObject({ code: 'ENDPOINT_UNREACHABLE' });
  expect(ms).toBeGreaterThan(4_000);
  expect(ms).toBeLessThan(7_000);
  expect(silent.connections).toBe(1);
});

test('a server that falls silent after its word on TLS shares the same time', async () => {
  await using silent = await serverThat((socket) => socket.once('data', () => socket.write(NO_TLS)));
  const { error, ms } = await timed(open(silent.url('?connect_timeout=1')));
  expect(error).toMatchObject({ code: 'ENDPOINT_UNREACHABLE' });
  expect(ms).toBeLessThan(1_900);
});

test("connect_timeout of the URL is a host's whole time, and a later host is asked when it is over", async () => {
  await using silent = await serverThat(() => undefined);
  await using other = await serverThat(() => undefined);
  const hosts = [silent, other].map(({ url }) => new URL(url()).host).join(',');
  const { error, ms } = await timed(open(`postgres://u@${hosts}/d?connect_timeout=1`));
  expect(error).toMatchObject({ code: 'ENDPOINT_UNREACHABLE' });
  expect([silent.connections, other.connections]).toEqual([1, 1]);
  expect(ms).toBeGreaterThan(1_500);
  expect(ms).toBeLessThan(3_500);
});

test('a server that refuses TLS is asked without it', async () => {
  await using server = await serverThat((socket, connection) =>
    socket.once('data', () => socket.write(connection === 1 ? NO_TLS : WELCOME)),
  );
  await closeSession(await open(server.url()));
  expect(server.connections).toBe(2);
});

test("the signal's abort ends a session also while it waits for an answer; a session that has ended leaves no listener", async () => {
  await using server = await serverThat((socket) => socket.once('data', () => socket.write(WELCOME)));
  const stop = new AbortController();
  const listeners = (): number => getEventListeners(stop.signal, 'abort').length;
  for (let round = 0; round < 20; round++) await closeSession(await open(server.url('?sslmode=disable'), stop.signal));
  expect(listeners()).toBe(0);
  const client = await open(server.url('?sslmode=disable'), stop.signal);
  const { error, ms } = await timed(
    Promise.all([client.query('SELECT 1'), Promise.resolve().then(() => stop.abort(new Error('stop')))]),
  );
  expect(error).toBeInstanceOf(Error);
  expect(ms).toBeLessThan(1_000);
  await closeSession(client);
  expect(listeners()).toBe(0);
});
