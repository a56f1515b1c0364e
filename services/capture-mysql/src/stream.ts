import type { CaptureIdentity, StreamOptions } from '@millrace/contract/capture.js';
import type { EventWriter } from '@millrace/contract/events.js';
import type { Position } from '@millrace/contract/position.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { AbortScope, abortable, onAbort } from '@millrace/flow/abort.js';
import { closeSession, connect } from '@millrace/mysql/connect.js';
import { errorNumberOf } from '@millrace/mysql/connect-error.js';
import type { ConnectionSettings } from '@millrace/mysql/connection-url.js';
import { dumpError, startDump } from './binlog/dump.js';
import type { ChangedTables } from './changed-tables.js';
import { LogCursor } from './log-cursor.js';
import { type PacketStream, serverFailure } from './packets.js';
import { formatPlace, parsePosition, placeKey } from './position.js';
import { queryError } from './query-error.js';
import { SchemaTracker } from './schema-tracker.js';
import { hasLowerCaseNames, readerServerId, readerUuid, readLogEnd, readServer, type SourceServer } from './server-log.js';
import { SourceCatalog } from './source-catalog.js';
import { TransactionDecoder } from './transaction-decoder.js';

export interface StreamContext {
  readonly connection: ConnectionSettings;
  readonly identity: CaptureIdentity;
  /** The server that was attached to. */
  readonly server: SourceServer;
  readonly changed: ChangedTables;
}

/** Idle positions go to the journal no more often than this. */
const PROGRESS_EVERY_MS = 250;
/** Heartbeats come every 5 s. */
const MAX_SILENCE_MS = 30_000;
const SILENCE_CHECK_MS = 1_000;

/**
 * Streams everything after the position into the journal until the signal; returns normally then.
 * @throws MillraceError SOURCE_CONNECTION_LOST, SOURCE_MOVED, SOURCE_SILENT, SOURCE_READER_REPLACED (retry); SOURCE_LOG_PURGED,
 * SOURCE_LOG_FOREIGN, SOURCE_BINLOG_UNSUPPORTED, SOURCE_BINLOG_STATEMENT … (operator)
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

async function streamUntil(running: AbortScope, { context, after, journal, options }: Streaming): Promise<void> {
  const { signal } = running;
  const { connection, identity, server } = context;
  const applicationName = `millrace:${identity.task}`;
  const catalogSession = await connect(connection, { applicationName, settings: {}, signal });
  try {
    await requireSameServer(await readServer(catalogSession), server);
    const catalog = await SourceCatalog.open(catalogSession, server);
    const lowerCaseNames = await hasLowerCaseNames(catalogSession);
    const position = parsePosition(after);
    const cursor = new LogCursor(after.source, server, position);
    const tracker = new SchemaTracker({
      catalog,
      journal,
      selector: options.selector,
      known: options.known,
      needsLoad: options.needsLoad,
      changed: context.changed,
      place: () => cursor.place().key,
      logEnd: async () => {
        const { file, offset } = await readLogEnd(catalogSession, server);
        return placeKey(cursor.failovers, file, offset);
      },
    });
    await tracker.start();
    options.onAwaitingLoad?.(0);
    const session = await connect(connection, { applicationName, settings: { net_write_timeout: '600' }, signal });
    const serverId = readerServerId(identity);
    try {
      await requireSameServer(await readServer(session), server);
      const dump = await startDump(session, {
        server,
        after: position,
        serverId,
        uuid: readerUuid(identity),
        name: applicationName,
        signal,
      });
      using _ = onAbort(signal, () => dump.packets.destroy());
      const decoder = new TransactionDecoder({ journal, tracker, cursor, checksums: dump.checksums, lowerCaseNames });
      await new DumpReader(dump.packets, {
        decoder,
        tracker,
        journal,
        signal,
        explain: (error, number) => dumpError(error, number, { serverId, resume: formatPlace(after) }),
      }).run();
    } catch (error) {
      const number = errorNumberOf(error);
      throw error instanceof Error && number !== null
        ? dumpError(error, number, { serverId, resume: formatPlace(after) })
        : error;
    } finally {
      // A dump never ends by itself, so there is nothing to say goodbye to.
      session.destroy();
    }
  } finally {
    await closeSession(catalogSession);
  }
}

async function requireSameServer(found: SourceServer, expected: SourceServer): Promise<void> {
  if (found.identity !== expected.identity)
    throw new MillraceError('SOURCE_MOVED', { found: found.identity, expected: expected.identity });
  await Promise.resolve();
}

interface DumpReaderOptions {
  readonly decoder: TransactionDecoder;
  readonly tracker: SchemaTracker;
  readonly journal: EventWriter;
  readonly signal: AbortSignal;
  readonly explain: (error: Error, number: number) => unknown;
}

/** Takes the dump's packets one after the other; what waits lets the server wait. */
class DumpReader {
  #heardMs = performance.now();
  #progressMs = 0;
  #listening = false;

  constructor(
    private readonly packets: PacketStream,
    private readonly options: DumpReaderOptions,
  ) {}

  async run(): Promise<void> {
    const { signal, journal } = this.options;
    const watch = setInterval(() => this.#watch(), SILENCE_CHECK_MS);
    try {
      while (!signal.aborted) {
        await this.#takeAll();
        if (this.options.decoder.isBetween) await this.options.tracker.caughtUp();
        this.#writeProgress();
        journal.flush();
        this.#heardMs = performance.now();
        this.#listening = true;
        await abortable(this.packets.more(), signal);
        this.#listening = false;
      }
    } finally {
      clearInterval(watch);
    }
  }

  async #takeAll(): Promise<void> {
    const { decoder, journal, signal } = this.options;
    for (let packet = this.packets.next(); packet !== undefined; packet = this.packets.next()) {
      const head = packet.bytes[packet.start];
      if (head === 0xff) {
        const error = serverFailure(packet);
        throw this.options.explain(error, errorNumberOf(error) ?? 0);
      }
      if (head !== 0)
        throw new MillraceError('SOURCE_CONNECTION_LOST', {
          doing: 'streaming changes',
          reason: 'the server ended the log',
          state: 'none',
        });
      const settled = decoder.handle(packet);
      if (settled !== undefined) await abortable(settled, signal);
      const ready = journal.ready();
      if (ready !== undefined) await abortable(ready, signal);
    }
  }

  #writeProgress(): boolean {
    const nowMs = performance.now();
    if (nowMs - this.#progressMs < PROGRESS_EVERY_MS) return false;
    const idle = this.options.decoder.takeIdle();
    if (idle === null) return false;
    this.#progressMs = nowMs;
    this.options.journal.progress(idle);
    return true;
  }

  #watch(): void {
    if (!this.#listening) return;
    if (this.#writeProgress()) this.options.journal.flush();
    const silentMs = performance.now() - this.#heardMs;
    if (silentMs >= MAX_SILENCE_MS)
      this.packets.fail(new MillraceError('SOURCE_SILENT', { silentSeconds: Math.round(silentMs / 1_000) }));
  }
}
