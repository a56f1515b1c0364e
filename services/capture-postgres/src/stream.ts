import { setTimeout as delay } from 'node:timers/promises';
import type { StreamOptions } from '@millrace/contract/capture.js';
import type { EventWriter } from '@millrace/contract/events.js';
import type { Position } from '@millrace/contract/position.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { AbortScope, abortable, onAbort } from '@millrace/flow/abort.js';
import { closeSession } from '@millrace/postgres/connect.js';
import type { ConnectionSettings } from '@millrace/postgres/connection-url.js';
import { CatalogObserver, nudge } from './catalog-observer.js';
import { CatalogSession } from './catalog-session.js';
import type { LsnKey, SourceIdentity } from './lsn.js';
import type { CaptureNames } from './names.js';
import type { PublishedTables } from './published-tables.js';
import { queryError } from './query-error.js';
import { ReadPacing } from './read-pacing.js';
import { ReplicationStream } from './replication-stream.js';
import { SchemaTracker } from './schema-tracker.js';
import { openSession } from './session.js';
import { checkIdentity } from './source-identity.js';
import { TransactionDecoder } from './transaction-decoder.js';
import { retainedLogBytes, walsenderTimeoutMs, walsenderWorks } from './walsender-watch.js';

export interface StreamContext {
  readonly connection: ConnectionSettings;
  readonly names: CaptureNames;
  readonly identity: SourceIdentity;
  readonly published: PublishedTables;
  /** The last position that the journal holds in force, as `acknowledge` told it. */
  readonly acknowledged: () => LsnKey;
}

const TICK_MS = 250;
/** The catalogue is looked at this often; a relation that the stream cannot place brings the look forward. */
const OBSERVE_EVERY_MS = 2_000;
const OBSERVE_AT_LEAST_MS = 100;
/** Every status makes the server consider its slot, and now and then write it to disk. */
const STATUS_AFTER_ACKNOWLEDGE_MS = 1_000;
const STATUS_AT_LEAST_MS = 10_000;
/** Idle positions go to the journal no more often than this. */
const PROGRESS_EVERY_MS = 250;
const PING_AFTER_SILENCE_MS = 15_000;
const MAX_SILENCE_MS = 60_000;
const SILENCE_CHECK_MS = 10_000;

/**
 * Streams everything after the position into the journal until the signal; returns normally then.
 * @throws MillraceError SOURCE_CONNECTION_LOST, SOURCE_MOVED, SOURCE_SILENT, SLOT_BUSY (retry: attach and stream again), SLOT_INVALIDATED,
 * PUBLICATION_MISSING, SOURCE_PROTOCOL …
 */
export async function streamChanges(
  context: StreamContext,
  after: Position,
  journal: EventWriter,
  options: StreamOptions,
): Promise<void> {
  using running = new AbortScope(options.signal);
  try {
    await streamUntil(running, { context, after, journal, options });
  } catch (error) {
    running.abort(error);
  }
  if (!options.signal.aborted) throw queryError(running.signal.reason, 'streaming changes');
}

interface Streaming {
  readonly context: StreamContext;
  readonly after: Position;
  readonly journal: EventWriter;
  readonly options: StreamOptions;
}

/** Until the signal; a failure of either part aborts it with its error. */
async function streamUntil(running: AbortScope, { context, after, journal, options }: Streaming): Promise<void> {
  const { signal } = running;
  const client = await openSession(context.connection, { applicationName: `${context.names.applicationPrefix}catalog`, signal });
  const catalog = new CatalogSession(client);
  const alarm = new Alarm();
  const tracker = new SchemaTracker({
    catalog,
    journal,
    publications: context.published.publications,
    known: options.known,
    needsLoad: options.needsLoad,
    wake: () => alarm.ring(),
    ...(options.onAwaitingLoad === undefined ? {} : { onAwaitingLoad: options.onAwaitingLoad }),
  });
  const observing = observeRegularly({ context, catalog, tracker, alarm, options, signal }).catch((error: unknown) =>
    running.abort(error),
  );
  try {
    await catalog.run((session) => checkIdentity(session, context.identity));
    const timeoutMs = await catalog.run(walsenderTimeoutMs);
    const statusEveryMs = timeoutMs > 0 ? Math.min(STATUS_AT_LEAST_MS, timeoutMs / 3) : STATUS_AT_LEAST_MS;
    const decoder = new TransactionDecoder(journal, tracker, context.identity, after.key);
    await new StreamSession({ context, journal, catalog, decoder, statusEveryMs, signal }).run();
  } catch (error) {
    running.abort(error);
  } finally {
    // Ends the session too: a query that a dead network never answers ends with it.
    running.abort();
    await closeSession(client);
    await observing;
  }
}

interface Observing {
  readonly context: StreamContext;
  readonly catalog: CatalogSession;
  readonly tracker: SchemaTracker;
  readonly alarm: Alarm;
  readonly options: StreamOptions;
  readonly signal: AbortSignal;
}

async function observeRegularly({ context, catalog, tracker, alarm, options, signal }: Observing): Promise<void> {
  const observer = new CatalogObserver(catalog, options.selector, context.published);
  while (!signal.aborted) {
    if (!tracker.busy) {
      const observation = await observer.observe(tracker.applied, tracker.appliedTypes, () => tracker.messages);
      if (observation === null) tracker.tellAwaiting();
      else {
        tracker.observed(observation);
        await catalog.run(nudge);
      }
    }
    options.onRetainedLog?.(await catalog.run((client) => retainedLogBytes(client, context.names.slot)));
    await alarm.wait(signal);
  }
}

/** A wait of OBSERVE_EVERY_MS that can be cut short, by a ring or by the signal. */
class Alarm {
  #early = new AbortController();

  ring(): void {
    this.#early.abort();
  }

  async wait(signal: AbortSignal): Promise<void> {
    await sleep(OBSERVE_AT_LEAST_MS, signal);
    using _ = onAbort(signal, () => this.ring());
    await sleep(OBSERVE_EVERY_MS - OBSERVE_AT_LEAST_MS, this.#early.signal);
    this.#early = new AbortController();
  }
}

async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => undefined);
}

interface StreamSessionOptions {
  readonly context: StreamContext;
  readonly journal: EventWriter;
  readonly catalog: CatalogSession;
  readonly decoder: TransactionDecoder;
  readonly statusEveryMs: number;
  readonly signal: AbortSignal;
}

/** One START_REPLICATION, from the decoder's place on until the signal. */
class StreamSession {
  readonly #pacing = new ReadPacing();
  #heardMs = performance.now();
  #statusMs = 0;
  #progressMs = 0;
  #pingedMs = 0;
  #sentStatus: LsnKey = '';
  /** The loop waits for the server, not for the journal or the catalogue. */
  #listening = false;
  #checking = false;

  constructor(private readonly options: StreamSessionOptions) {}

  async run(): Promise<void> {
    const { signal } = this.options;
    await using stream = await this.#start();
    using _ = onAbort(signal, () => stream.fail(signal.reason));
    const ticker = setInterval(() => this.#tick(stream), TICK_MS);
    try {
      while (!signal.aborted) await this.#step(stream);
    } finally {
      clearInterval(ticker);
      this.#sendStatus(stream, false);
    }
  }

  async #start(): Promise<ReplicationStream> {
    const { context, decoder, signal } = this.options;
    // Only while it starts: afterwards it ends by a message of its own, which frees the slot at once.
    using starting = new AbortScope(signal);
    const client = await openSession(context.connection, {
      applicationName: `${context.names.applicationPrefix}stream`,
      replication: true,
      signal: starting.signal,
    });
    await checkIdentity(client, context.identity).catch(async (error: unknown) => {
      await closeSession(client);
      throw error;
    });
    return await ReplicationStream.start(client, {
      slot: context.names.slot,
      from: decoder.written,
      publications: context.published.publications,
    });
  }

  /** Writes what the server has sent to the journal, waits where the journal is full, then for more. */
  async #step(stream: ReplicationStream): Promise<void> {
    const { decoder, journal } = this.options;
    for (let wait = stream.run(decoder.handle); wait !== undefined; wait = stream.run(decoder.handle))
      await this.#hold(stream, wait);
    if (decoder.takeReplyRequest()) this.#sendStatus(stream, false);
    this.#writeProgress();
    if (stream.drained) journal.flush();
    const ready = journal.ready();
    if (ready !== undefined) await this.#hold(stream, ready);
    const gatherMs = this.#pacing.afterRead(stream.lastChunkBytes, performance.now());
    if (gatherMs > 0) await this.#hold(stream, delay(gatherMs));
    this.#listening = true;
    await stream.receive();
    this.#listening = false;
    this.#heardMs = performance.now();
  }

  /** Leaves the socket alone until the promise is kept: the server feels it through TCP. */
  async #hold(stream: ReplicationStream, until: Promise<void>): Promise<void> {
    stream.pause();
    await abortable(until, this.options.signal);
  }

  #tick(stream: ReplicationStream): void {
    const nowMs = performance.now();
    const { context, statusEveryMs } = this.options;
    if (this.#listening && this.#writeProgress()) this.options.journal.flush();
    const moved = context.acknowledged() !== this.#sentStatus && nowMs - this.#statusMs >= STATUS_AFTER_ACKNOWLEDGE_MS;
    if (moved || nowMs - this.#statusMs >= statusEveryMs) this.#sendStatus(stream, false);
    if (!this.#listening) this.#heardMs = nowMs;
    const silentMs = nowMs - this.#heardMs;
    if (silentMs >= PING_AFTER_SILENCE_MS && nowMs - this.#pingedMs >= PING_AFTER_SILENCE_MS) {
      this.#pingedMs = nowMs;
      this.#sendStatus(stream, true);
    }
    if (silentMs >= MAX_SILENCE_MS && !this.#checking) {
      this.#checkSilence(stream, silentMs).catch((error: unknown) => stream.fail(queryError(error, 'streaming changes')));
    }
  }

  /** A walsender that decodes a large transaction of which nothing is published answers no ping for long, and yet works. */
  async #checkSilence(stream: ReplicationStream, silentMs: number): Promise<void> {
    const { catalog, context } = this.options;
    this.#checking = true;
    try {
      // Where the network is dead, this session has no answer either.
      const unanswered = delay(SILENCE_CHECK_MS, false, { ref: false });
      const works = await Promise.race([catalog.run((client) => walsenderWorks(client, context.names.slot)), unanswered]);
      if (works) this.#heardMs = performance.now();
      else stream.fail(new MillraceError('SOURCE_SILENT', { silentSeconds: Math.round(silentMs / 1_000) }));
    } finally {
      this.#checking = false;
    }
  }

  #writeProgress(): boolean {
    const nowMs = performance.now();
    if (nowMs - this.#progressMs < PROGRESS_EVERY_MS || !this.options.decoder.writeProgress()) return false;
    this.#progressMs = nowMs;
    return true;
  }

  #sendStatus(stream: ReplicationStream, ping: boolean): void {
    this.#sentStatus = this.options.context.acknowledged();
    this.#statusMs = performance.now();
    stream.sendStatus(this.#sentStatus, ping);
  }
}
