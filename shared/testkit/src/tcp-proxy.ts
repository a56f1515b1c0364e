import { EventEmitter, once, setMaxListeners } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { MillraceError } from '@millrace/errors/millrace-error.js';

export type Direction = 'to-server' | 'to-client';

/** Bytes that wait in the proxy per connection and direction; beyond them the sender feels the stall itself. */
const QUEUE_LIMIT_BYTES = 256 * 1024;
const PIECE_BYTES = 16 * 1024;

interface Conditions {
  readonly stalled: ReadonlySet<Direction>;
  readonly latencyMs: number;
  readonly bytesPerSecond: number;
  readonly refuses: boolean;
}

const HEALTHY: Conditions = { stalled: new Set(), latencyMs: 0, bytesPerSecond: Number.POSITIVE_INFINITY, refuses: false };

/** A stretch of bad network between a client and a server. Faults hold for open and new connections alike, until `heal()`. */
export class TcpProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  readonly #weather = new Weather();

  private constructor(private readonly target: { readonly host: string; readonly port: number }) {
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#accept(client));
  }

  /** Listens on a free port of 127.0.0.1 and forwards to `host:port`. */
  static async open(target: { readonly host: string; readonly port: number }): Promise<TcpProxy> {
    const proxy = new TcpProxy(target);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  /** The same URL, by way of a proxy. */
  static async inFrontOf(url: string): Promise<{ readonly proxy: TcpProxy; readonly url: string }> {
    const parsed = new URL(url);
    const proxy = await TcpProxy.open({ host: parsed.hostname, port: Number(parsed.port) });
    parsed.hostname = '127.0.0.1';
    parsed.port = String(proxy.port);
    return { proxy, url: parsed.href };
  }

  get port(): number {
    const address: AddressInfo | string | null = this.#server.address();
    if (address === null || typeof address === 'string')
      throw new MillraceError('INTERNAL', { what: 'the proxy is closed and has no port' });
    return address.port;
  }

  get connections(): number {
    return this.#pairs.size;
  }

  /** Ends every open connection with RST on both sides, as a peer that crashed or a firewall does. */
  reset(): void {
    for (const pair of this.#pairs) pair.reset();
  }

  /** Holds the bytes of one direction; the other one flows on. Nothing is lost: they arrive after `heal()`. */
  stall(direction: Direction): void {
    this.#weather.change({ stalled: new Set([...this.#weather.now.stalled, direction]) });
  }

  /** The server loses the open connections, and the client never hears of it: its bytes vanish, no FIN and no RST comes. */
  halfOpen(): void {
    for (const pair of this.#pairs) pair.forgetServer();
  }

  /** Each direction of each connection carries at most so many bytes a second. */
  slow(bytesPerSecond: number): void {
    this.#weather.change({ bytesPerSecond });
  }

  /** Every byte arrives later by `latencyMs`, in order. */
  latency(latencyMs: number): void {
    this.#weather.change({ latencyMs });
  }

  /** New connections are reset at once; open ones go on. */
  refuse(): void {
    this.#weather.change({ refuses: true });
  }

  /** No faults any more. Connections that were reset or half-opened stay lost. */
  heal(): void {
    this.#weather.change(HEALTHY);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.reset();
    this.#weather.close();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #accept(client: Socket): void {
    if (this.#weather.now.refuses) {
      client.on('error', () => undefined);
      client.resetAndDestroy();
      return;
    }
    const pair = new Pair(client, connect({ ...this.target, allowHalfOpen: true, noDelay: true }), this.#weather);
    this.#pairs.add(pair);
    client.once('close', () => this.#pairs.delete(pair));
  }
}

/** What the network is like now; pumps wait here for it to change. */
class Weather {
  now = HEALTHY;
  readonly #changes = new EventEmitter().setMaxListeners(0);
  readonly #closed = new AbortController();

  constructor() {
    setMaxListeners(0, this.#closed.signal);
  }

  change(conditions: Partial<Conditions>): void {
    this.now = { ...this.now, ...conditions };
    this.#changes.emit('change');
  }

  close(): void {
    this.#closed.abort();
  }

  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  async untilFlowing(direction: Direction): Promise<void> {
    while (this.now.stalled.has(direction)) await once(this.#changes, 'change', { signal: this.closed });
  }
}

class Pair {
  #serverForgotten = false;

  constructor(
    private readonly client: Socket,
    private readonly server: Socket,
    weather: Weather,
  ) {
    for (const socket of [client, server]) socket.on('error', () => undefined);
    new Pump(client, server, { direction: 'to-server', weather }).start();
    new Pump(server, client, { direction: 'to-client', weather }).start();
    // A reset on one side reaches the other; an orderly end travels through the pumps.
    server.once('close', (hadError) => {
      if (hadError && !this.#serverForgotten) client.resetAndDestroy();
    });
    client.once('close', () => server.resetAndDestroy());
  }

  reset(): void {
    this.client.resetAndDestroy();
    this.server.resetAndDestroy();
  }

  forgetServer(): void {
    this.#serverForgotten = true;
    // Read on and drop, so that the client's bytes are acknowledged by the network as those to a dead host's router may be.
    this.client
      .removeAllListeners('data')
      .on('data', () => undefined)
      .resume();
    this.server.resetAndDestroy();
  }
}

/** Carries one direction of one connection, in order, under the weather. */
class Pump {
  readonly #queue: { readonly bytes: Buffer; readonly arrivedAt: number }[] = [];
  #queuedBytes = 0;
  #ended = false;
  #wake: (() => void) | undefined;

  constructor(
    private readonly from: Socket,
    private readonly to: Socket,
    private readonly path: { readonly direction: Direction; readonly weather: Weather },
  ) {}

  start(): void {
    this.from.on('data', (bytes: Buffer) => {
      this.#queue.push({ bytes, arrivedAt: performance.now() });
      this.#queuedBytes += bytes.length;
      if (this.#queuedBytes > QUEUE_LIMIT_BYTES) this.from.pause();
      this.#wake?.();
    });
    this.from.once('end', () => {
      this.#ended = true;
      this.#wake?.();
    });
    this.from.once('close', () => this.#wake?.());
    // A connection that breaks, or a proxy that closes, ends the pump.
    this.#carry().catch(() => undefined);
  }

  async #carry(): Promise<void> {
    const { weather, direction } = this.path;
    while (!this.to.destroyed && !weather.closed.aborted) {
      const next = this.#queue.shift();
      if (next === undefined) {
        if (this.#ended) {
          await weather.untilFlowing(direction);
          this.to.end();
          return;
        }
        await this.#untilFed();
        continue;
      }
      const waitMs = next.arrivedAt + weather.now.latencyMs - performance.now();
      if (waitMs > 0) await delay(waitMs, undefined, { signal: weather.closed });
      for (let start = 0; start < next.bytes.length; start += PIECE_BYTES)
        await this.#write(next.bytes.subarray(start, start + PIECE_BYTES));
      this.#queuedBytes -= next.bytes.length;
      if (this.#queuedBytes <= QUEUE_LIMIT_BYTES && this.from.isPaused()) this.from.resume();
    }
  }

  async #write(piece: Buffer): Promise<void> {
    const { weather, direction } = this.path;
    await weather.untilFlowing(direction);
    const { bytesPerSecond } = weather.now;
    if (Number.isFinite(bytesPerSecond))
      await delay((piece.length / bytesPerSecond) * 1000, undefined, { signal: weather.closed });
    if (!this.to.write(piece)) await once(this.to, 'drain', { signal: weather.closed });
  }

  async #untilFed(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (this.from.closed) resolve();
    });
    this.#wake = undefined;
    if (this.from.destroyed && this.#queue.length === 0 && !this.#ended)
      throw new MillraceError('INTERNAL', { what: 'the connection broke' });
  }
}
