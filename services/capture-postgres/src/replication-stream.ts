import { Buffer } from 'node:buffer';
import type { Duplex } from 'node:stream';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { quoteIdentifier } from '@millrace/postgres/quote-identifier.js';
import type { Client } from 'pg';
import { type FrameHandler, FrameReader } from './frame-reader.js';
import { formatLsn, type LsnKey, lsnNumber } from './lsn.js';
import { MESSAGE, STATUS_BYTES, writeStatus } from './pgoutput.js';
import { serverError } from './server-error.js';

export interface StreamStart {
  readonly slot: string;
  readonly from: LsnKey;
  readonly publications: readonly string[];
}

const CLOSE_TIMEOUT_MS = 1_000;
/** Chunks at hand before the socket is paused: the kernel holds the rest, and so does the server. */
const MAX_QUEUED_CHUNKS = 2;
/** One read of a socket gives at most this much (libuv's suggested size): a shorter one means that nothing more was there. */
const FULL_READ_BYTES = 65_536;

/**
 * A walsender's socket after START_REPLICATION. The driver has connected and authenticated it; from here on its bytes are cut
 * into messages by FrameReader, and nothing is read while nobody asks: back-pressure reaches the server through TCP.
 */
export class ReplicationStream implements AsyncDisposable {
  readonly #socket: Duplex;
  readonly #frames = new FrameReader();
  readonly #queue: Buffer[] = [];
  readonly #status = Buffer.alloc(STATUS_BYTES);
  #waiter: { readonly resolve: () => void; readonly reject: (reason: unknown) => void } | undefined;
  #failure: { readonly reason: unknown } | undefined;
  #lastChunkBytes = 0;
  #closing = false;

  private constructor(client: Client) {
    this.#socket = client.connection.stream;
    // The driver is between two queries: its parser holds no bytes that would be lost here.
    this.#socket.removeAllListeners('data');
    this.#socket.on('data', (chunk: Buffer) => this.#received(chunk));
    this.#socket.on('error', (cause) => this.fail(lost(cause.message, cause)));
    this.#socket.on('close', () => this.fail(lost('the server closed the connection', undefined)));
  }

  /**
   * Starts streaming on an idle replication session, which belongs to the stream from here on.
   * @throws MillraceError PUBLICATION_MISSING, SLOT_INVALIDATED, SLOT_BUSY, SOURCE_CONNECTION_LOST …
   */
  static async start(client: Client, start: StreamStart): Promise<ReplicationStream> {
    const stream = new ReplicationStream(client);
    try {
      stream.#socket.write(queryFrame(startReplication(start)));
      let started = false;
      while (!started) {
        await stream.receive();
        await stream.run((type, bytes, _view, from, to) => {
          if (type === MESSAGE.error) throw serverError(bytes, from, to, 'starting the stream');
          if (type !== MESSAGE.copyBothResponse) return undefined;
          started = true;
          // Ends this run: what follows in the same bytes is the stream already.
          return Promise.resolve();
        });
      }
      return stream;
    } catch (error) {
      await stream[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Bytes of the chunk that `receive` took last. */
  get lastChunkBytes(): number {
    return this.#lastChunkBytes;
  }

  /** The last read took everything that was there. */
  get drained(): boolean {
    return this.#queue.length === 0 && this.#lastChunkBytes < FULL_READ_BYTES;
  }

  /** Waits for the next bytes. Rejects once the connection is lost or `fail` was called. */
  receive(): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure.reason);
    const chunk = this.#queue.shift();
    if (this.#queue.length === 0) this.#socket.resume();
    if (chunk !== undefined) {
      this.#take(chunk);
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject };
    });
  }

  /** Hands over the messages received; a promise: wait for it, then run again. */
  run(handle: FrameHandler): Promise<void> | undefined {
    return this.#frames.run(handle);
  }

  /** Reads nothing more until the next `receive`. */
  pause(): void {
    this.#socket.pause();
  }

  /** Tells the server what is durable here; with `ping` it answers at once. */
  sendStatus(acknowledged: LsnKey, ping: boolean): void {
    // A server that takes nothing in needs no further copies of the same news.
    if (this.#socket.destroyed || this.#socket.writableLength > 64 * STATUS_BYTES) return;
    const length = writeStatus(this.#status, lsnNumber(acknowledged), Date.now(), ping);
    this.#socket.write(Buffer.from(this.#status.subarray(0, length)));
  }

  /** Ends the wait of `receive`, now and from now on, with this error. */
  fail(reason: unknown): void {
    if (this.#failure !== undefined || this.#closing) return;
    this.#failure = { reason };
    this.#waiter?.reject(reason);
    this.#waiter = undefined;
  }

  /** Terminates the walsender, so that the slot is free at once, and waits a moment for it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing = true;
    if (this.#socket.destroyed) return;
    this.#queue.length = 0;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => this.#socket.destroy(), CLOSE_TIMEOUT_MS);
      this.#socket.once('close', () => {
        clearTimeout(timer);
        resolve();
      });
      this.#socket.removeAllListeners('data');
      this.#socket.resume();
      // Terminate: the walsender exits where it stands, also inside a large transaction.
      this.#socket.end(Buffer.from([0x58, 0, 0, 0, 4]));
    });
  }

  #received(chunk: Buffer): void {
    const waiter = this.#waiter;
    if (waiter !== undefined) {
      this.#waiter = undefined;
      this.#take(chunk);
      waiter.resolve();
      return;
    }
    this.#queue.push(chunk);
    if (this.#queue.length >= MAX_QUEUED_CHUNKS) this.#socket.pause();
  }

  #take(chunk: Buffer): void {
    this.#lastChunkBytes = chunk.length;
    this.#frames.push(chunk);
  }
}

function lost(reason: string, cause: unknown): MillraceError {
  return new MillraceError('SOURCE_CONNECTION_LOST', { doing: 'streaming changes', reason }, { cause });
}

/** pgoutput's options: version 1 sends whole transactions in commit order, values as text. */
function startReplication({ slot, from, publications }: StreamStart): string {
  const names = publications.map(quoteIdentifier).join(',');
  // The replication grammar (repl_scanner.l) knows no backslash escapes, only doubled quotes.
  return `START_REPLICATION SLOT ${quoteIdentifier(slot)} LOGICAL ${formatLsn(from)} ("proto_version" '1', "publication_names" '${names.replaceAll("'", "''")}')`;
}

/** A simple Query message. */
function queryFrame(text: string): Buffer {
  const body = Buffer.from(`${text}\0`, 'utf8');
  const frame = Buffer.allocUnsafe(5 + body.length);
  frame.writeUInt8(0x51, 0);
  frame.writeInt32BE(4 + body.length, 1);
  body.copy(frame, 5);
  return frame;
}
