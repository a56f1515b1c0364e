import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { waitUntil } from '@millrace/local/wait-until.js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TcpProxy } from './tcp-proxy.js';

/** A server that sends back what it gets, and remembers what it got. */
let echo: Server;
let received = '';
let serverSockets: Socket[] = [];
let proxy: TcpProxy;

beforeEach(async () => {
  received = '';
  serverSockets = [];
  echo = createServer((socket) => {
    serverSockets.push(socket);
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      received += bytes.toString();
      socket.write(bytes);
    });
  }).listen(0, '127.0.0.1');
  await once(echo, 'listening');
  const address = echo.address();
  proxy = await TcpProxy.open({ host: '127.0.0.1', port: address !== null && typeof address === 'object' ? address.port : 0 });
});

afterEach(async () => {
  await proxy[Symbol.asyncDispose]();
  for (const socket of serverSockets) socket.destroy();
  echo.close();
});

interface Client {
  readonly socket: Socket;
  readonly text: () => string;
  readonly fate: () => string;
}

async function client(): Promise<Client> {
  const socket = connect(proxy.port, '127.0.0.1');
  let text = '';
  let fate = 'open';
  socket.on('data', (bytes) => {
    text += bytes.toString();
  });
  socket.on('error', (error: NodeJS.ErrnoException) => {
    fate = error.code ?? error.message;
  });
  socket.on('end', () => {
    fate = 'ended';
  });
  await once(socket, 'connect');
  return { socket, text: () => text, fate: () => fate };
}

const soon = (what: string, holds: () => boolean): Promise<true> =>
  waitUntil(() => holds() || undefined, { what, deadlineMs: 5_000, everyMs: 5 });

/** Long enough for a byte on this machine to arrive many times over: used where the claim is that none does. */
const GRACE_MS = 100;

describe('a healthy proxy', () => {
  test('carries bytes both ways in order, also more than it may hold', async () => {
    const { socket, text } = await client();
    const sent = 'abcdefghij'.repeat(200_000);
    socket.write(sent);
    await soon('all bytes to come back', () => text().length === sent.length);
    expect(text()).toBe(sent);
    expect(received).toBe(sent);
    socket.destroy();
  });

  test('passes an orderly end on', async () => {
    const { socket, fate } = await client();
    socket.write('x');
    await soon('the server to have the connection', () => received === 'x');
    serverSockets[0]?.end();
    await soon('the end', () => fate() === 'ended');
    socket.destroy();
  });
});

test('reset ends open connections with RST, and new ones work', async () => {
  const first = await client();
  first.socket.write('x');
  await soon('the echo', () => first.text() === 'x');
  proxy.reset();
  await soon('the reset', () => first.fate() === 'ECONNRESET');
  await soon('the proxy to forget the connection', () => proxy.connections === 0);
  const second = await client();
  second.socket.write('y');
  await soon('the echo', () => second.text() === 'y');
  second.socket.destroy();
});

test('a stall to the client holds the replies but not the requests, and heal() delivers them', async () => {
  const { socket, text, fate } = await client();
  proxy.stall('to-client');
  socket.write('x');
  await soon('the request to arrive', () => received === 'x');
  await delay(GRACE_MS);
  expect(text()).toBe('');
  expect(fate()).toBe('open');
  proxy.heal();
  await soon('the reply', () => text() === 'x');
  socket.destroy();
});

test('a stall to the server holds the requests', async () => {
  const { socket } = await client();
  proxy.stall('to-server');
  socket.write('x');
  await delay(GRACE_MS);
  expect(received).toBe('');
  proxy.heal();
  await soon('the request to arrive', () => received === 'x');
  socket.destroy();
});

test('half-open: the server loses the connection, and the client sees neither an end nor a reset', async () => {
  const { socket, text, fate } = await client();
  socket.write('x');
  await soon('the echo', () => text() === 'x');
  proxy.halfOpen();
  await soon('the server to lose the connection', () => serverSockets[0]?.destroyed === true);
  socket.write('y');
  await delay(GRACE_MS);
  expect(fate()).toBe('open');
  expect(text()).toBe('x');
  socket.destroy();
});

test('slow carries at most the given bytes a second', async () => {
  const { socket, text } = await client();
  proxy.slow(100_000);
  const start = performance.now();
  socket.write('z'.repeat(20_000));
  await soon('all bytes to come back', () => text().length === 20_000);
  expect(performance.now() - start).toBeGreaterThanOrEqual(195);
  socket.destroy();
});

test('latency delays each way and keeps the order', async () => {
  const { socket, text } = await client();
  proxy.latency(50);
  const start = performance.now();
  for (const letter of 'abc') socket.write(letter);
  await soon('the echo', () => text() === 'abc');
  expect(performance.now() - start).toBeGreaterThanOrEqual(95);
  socket.destroy();
});

test('refuse resets new connections and leaves the open ones alone', async () => {
  const first = await client();
  proxy.refuse();
  const socket = connect(proxy.port, '127.0.0.1');
  const [error] = await once(socket, 'close').then(
    () => [],
    (reason: unknown) => [reason],
  );
  if (error !== undefined) expect(error).toMatchObject({ code: 'ECONNRESET' });
  first.socket.write('x');
  await soon('the echo', () => first.text() === 'x');
  first.socket.destroy();
});
