import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { abortable } from '@millrace/flow/abort.js';
import kafkajs, { type Admin, type ISocketFactoryArgs, type KafkaConfig } from 'kafkajs';
import Cluster from 'kafkajs/src/cluster/index.js';
import { isTransient, type KafkaAttempt, kafkaError, reasonOf } from './kafka-error.js';
import type { KafkaSettings } from './kafka-settings.js';
import { installLz4 } from './lz4-codec.js';
import { quietRequestQueues } from './quiet-request-queue.js';

const CONNECT_TIMEOUT_MS = 5_000;
/** A broker that does not answer for so long is given up: the network in between is stalled. */
const REQUEST_TIMEOUT_MS = 8_000;
/** A topic made or moved is seen at once by those who use it: they ask again on the errors that say so. */
const METADATA_MAX_AGE_MS = 300_000;
const KEEP_ALIVE_MS = 15_000;
/** How long one request to Kafka is tried again before its caller is told; the runtimes decide what happens then. */
export const DEFAULT_PATIENCE_MS = 30_000;
const FIRST_RETRY_MS = 50;
const LONGEST_RETRY_MS = 2_000;
/** kafkajs's own closing, once its sockets are gone. */
const CLOSE_TIMEOUT_MS = 1_000;

/** A request that has failed for so long is an outage, which people want to know of before patience ends. */
export const OUTAGE_AFTER_MS = 1_000;

/** Told of each further try of a request that has failed for more than a second, with the pause before the next one. */
export type OnRetry = (error: MillraceError, inMs: number) => void;

/** Something with connections of its own, from its first attempt to connect on. */
export interface Connections<T> {
  readonly via: T;
  /** Resolves when connected. */
  readonly ready: Promise<void>;
  /** Ends the connections, and attempts to connect, at once; requests that are open fail. */
  readonly close: () => Promise<void>;
}

/** One process's way to a Kafka cluster: settings checked once, an admin connection shared, and the same retries for everything. */
export class KafkaClient implements AsyncDisposable {
  readonly brokers: string;
  readonly patienceMs: number;
  readonly #settings: KafkaSettings;
  readonly #config: KafkaConfig;
  readonly #onRetry: OnRetry;
  #admin: Connections<Admin> | undefined;

  constructor(settings: KafkaSettings, patienceMs = DEFAULT_PATIENCE_MS, onRetry: OnRetry = () => undefined) {
    installLz4();
    quietRequestQueues();
    this.#onRetry = onRetry;
    this.#settings = settings;
    this.brokers = settings.brokers.join(',');
    this.patienceMs = patienceMs;
    this.#config = configOf(settings);
  }

  /** For a reader or writer, which keeps a connection busy: a broker answers the requests of one connection one after the other. */
  cluster(topic: string): Connections<Cluster> {
    const { config, destroy } = trackingSockets(this.#config);
    const cluster = new Cluster({
      ...config,
      logger: new kafkajs.Kafka(config).logger(),
      metadataMaxAge: METADATA_MAX_AGE_MS,
      allowAutoTopicCreation: false,
      isolationLevel: 0,
    });
    return connecting(cluster, destroy, async () => {
      await cluster.connect();
      await cluster.addTargetTopic(topic);
    });
  }

  /** Runs an administrative request, again while the cluster is between two states. */
  async admin<T>(
    attempt: Omit<KafkaAttempt, 'brokers'>,
    request: (admin: Admin) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    return this.retry(attempt, () => this.#asAdmin(request), signal);
  }

  /**
   * Tries again what may succeed later, with growing pauses and jitter, for at most the client's patience. The signal's abort ends the
   * wait at once; a request that is open then ends with its connection, which its user closes.
   * @throws MillraceError KAFKA_UNAVAILABLE when patience ends, KAFKA_UNREACHABLE where no broker was ever reached, and the error's
   * own code at once where another try would not help.
   */
  async retry<T>(attempt: Omit<KafkaAttempt, 'brokers'>, request: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const begun = performance.now();
    for (let tries = 0; ; tries++) {
      signal?.throwIfAborted();
      try {
        return await abortable(request(), signal);
      } catch (error) {
        signal?.throwIfAborted();
        if (error instanceof MillraceError || !isTransient(error)) throw this.error(error, attempt);
        const pause = retryPauseMs(tries);
        const forMs = performance.now() - begun;
        if (forMs + pause > this.patienceMs) throw this.#unavailable(error, attempt, this.patienceMs);
        if (forMs > OUTAGE_AFTER_MS) this.#onRetry(this.#unavailable(error, attempt, forMs), pause);
        await sleep(pause, undefined, signal === undefined ? {} : { signal });
      }
    }
  }

  /** What fails takes the connection with it: another broker may answer, and a stalled one never does. */
  async #asAdmin<T>(request: (admin: Admin) => Promise<T>): Promise<T> {
    this.#admin ??= this.#connectAdmin();
    const admin = this.#admin;
    try {
      await admin.ready;
      return await request(admin.via);
    } catch (error) {
      if (isTransient(error)) {
        if (this.#admin === admin) this.#admin = undefined;
        await admin.close();
      }
      throw error;
    }
  }

  error(error: unknown, attempt: Omit<KafkaAttempt, 'brokers'>): MillraceError {
    return kafkaError(error, { ...attempt, brokers: this.brokers }, this.#settings.sasl);
  }

  #unavailable(error: unknown, attempt: Omit<KafkaAttempt, 'brokers'>, forMs: number): MillraceError {
    const seconds = Math.round(forMs / 1000);
    const reason = reasonOf(error);
    const mapped = this.error(error, attempt);
    if (mapped.code !== 'KAFKA_REQUEST_FAILED') return mapped;
    return new MillraceError('KAFKA_UNAVAILABLE', { ...attempt, seconds, reason }, { cause: error });
  }

  #connectAdmin(): Connections<Admin> {
    const { config, destroy } = trackingSockets(this.#config);
    const admin = new kafkajs.Kafka(config).admin();
    return connecting(admin, destroy, () => admin.connect());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const admin = this.#admin;
    this.#admin = undefined;
    await admin?.close();
  }
}

/** A configuration whose connections can be ended: kafkajs itself waits for the answers to what is open. */
function trackingSockets(base: KafkaConfig): {
  readonly config: KafkaConfig & Required<Pick<KafkaConfig, 'socketFactory'>>;
  readonly destroy: () => void;
} {
  const sockets = new Set<Socket>();
  let destroyed = false;
  // With an error, because kafkajs fails its open requests on that alone.
  const end = (socket: Socket): void => void socket.destroy(new Error('closed here'));
  const socketFactory = (request: ISocketFactoryArgs): Socket => {
    const socket = openSocket(request);
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    // kafkajs tries to connect again by itself.
    if (destroyed) end(socket);
    return socket;
  };
  return {
    config: { ...base, socketFactory },
    destroy: () => {
      destroyed = true;
      for (const socket of sockets) end(socket);
    },
  };
}

function connecting<T extends { disconnect(): Promise<void> }>(
  via: T,
  destroy: () => void,
  connect: () => Promise<void>,
): Connections<T> {
  const ready = connect();
  // Whoever uses it awaits it; where nobody comes to that any more, it must not count as unhandled.
  ready.catch(() => undefined);
  return {
    via,
    ready,
    close: async () => {
      destroy();
      const disconnected = via.disconnect().catch(() => undefined);
      await Promise.race([disconnected, sleep(CLOSE_TIMEOUT_MS, undefined, { ref: false })]);
    },
  };
}

/** Grows from 50 ms to 2 s, between half and all of it. */
export function retryPauseMs(tries: number): number {
  return Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** tries) * (0.5 + Math.random() / 2);
}

function configOf({ brokers, tls, sasl }: KafkaSettings): KafkaConfig {
  return {
    clientId: 'millrace',
    brokers: [...brokers],
    connectionTimeout: CONNECT_TIMEOUT_MS,
    authenticationTimeout: CONNECT_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    // Retries are this package's own, so that each has one bound; kafkajs's own begin at 300 ms and multiply.
    retry: { retries: 0 },
    logLevel: kafkajs.logLevel.NOTHING,
    ...(tls === null
      ? {}
      : {
          ssl: {
            ...(tls.ca === null ? {} : { ca: tls.ca }),
            ...(tls.client === null ? {} : { cert: tls.client.certificate, key: tls.client.key }),
          },
        }),
    ...(sasl === null ? {} : { sasl: saslOf(sasl) }),
  };
}

/** One object per word, because kafkajs's type is a union of them. */
function saslOf({ mechanism, username, password }: NonNullable<KafkaSettings['sasl']>): NonNullable<KafkaConfig['sasl']> {
  switch (mechanism) {
    case 'plain':
      return { mechanism, username, password };
    case 'scram-sha-256':
      return { mechanism, username, password };
    case 'scram-sha-512':
      return { mechanism, username, password };
  }
}

/** kafkajs's own leaves Nagle's algorithm on, which holds small requests back until the last one is acknowledged. */
const openSocket = ({ host, port, ssl, onConnect }: ISocketFactoryArgs): Socket => {
  const name = isIP(host) === 0 ? { servername: host } : {};
  // kafkajs passes undefined for a plain listener, whatever its type says.
  const plain: unknown = ssl;
  const socket =
    plain === undefined || plain === null
      ? connectTcp({ host, port }, onConnect)
      : connectTls({ host, port, ...name, ...ssl }, onConnect);
  socket.setNoDelay(true);
  socket.setKeepAlive(true, KEEP_ALIVE_MS);
  return socket;
};
