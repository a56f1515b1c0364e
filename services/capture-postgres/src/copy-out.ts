import { Buffer } from 'node:buffer';
import type { Duplex } from 'node:stream';
import type { ChunkPart } from '@millrace/contract/load.js';
import { invariant, MillraceError } from '@millrace/errors/millrace-error.js';
import type { Client, Connection, Submittable } from 'pg';
import { FrameReader } from './frame-reader.js';

const COPY_DATA = 0x64;
const READY_FOR_QUERY = 0x5a;
const HEADER_BYTES = 5;

/** Parts that wait for their reader before the socket is paused. */
const MAX_WAITING_PARTS = 2;
/** A paused socket still hands over what it has read, which may end a few parts more. */
const MAX_SPARE_ROOMS = MAX_WAITING_PARTS + 2;
/** A part is handed on when it has reached its size, so room for the rows of one more socket read saves most regrowths. */
const SLACK_BYTES = 64 * 1024;

/** A part with the buffer that it lies in. */
interface FilledRoom extends ChunkPart {
  readonly room: Buffer;
}

/**
 * Runs `COPY … TO STDOUT` and yields its bytes undecoded in parts of about `partBytes`, whole rows only: the server sends exactly one
 * CopyData message per row (PostgreSQL manual, 55.2.6 COPY Operations). A part's bytes are its reader's until it asks for the next one.
 * Ends normally only after the server has said that it was complete. An error, and a reader that stops early, end the session with it.
 * @throws the server's or the socket's own error
 */
export async function* copyOut(client: Client, statement: string, partBytes: number): AsyncGenerator<ChunkPart, void, undefined> {
  const query = new CopyOutQuery(statement, partBytes);
  client.query(query);
  try {
    for (;;) {
      const part = query.take();
      if (part !== undefined) {
        yield part;
        query.giveBack(part);
      } else if (query.finished) return;
      else await query.arrival();
    }
  } finally {
    if (!query.finished) client.connection.stream.destroy();
  }
}

/**
 * A query of pg's client that reads the socket itself while rows come: pg would make an object and a buffer per row. Every message
 * other than a row goes on to pg's own parser, so that errors, notices and the end of the query are handled where they always are.
 */
class CopyOutQuery implements Submittable {
  finished = false;
  readonly #frames = new FrameReader();
  readonly #waiting: FilledRoom[] = [];
  /** Rooms to fill again: memory outside of the heap, given up part after part, makes V8 collect the whole heap. */
  readonly #spare: Buffer[] = [];
  #part: Buffer;
  #bytes = 0;
  #rows = 0;
  /** Rows of the present read that are not in the part yet: `run[runStart, runEnd)`. */
  #run: Buffer | undefined;
  #runStart = 0;
  #runEnd = 0;
  #totalRows = 0;
  #failure: Error | undefined;
  #wake: (() => void) | undefined;
  #stream: Duplex | undefined;
  #forward: ((message: Buffer) => void) | undefined;

  constructor(
    private readonly statement: string,
    private readonly partBytes: number,
  ) {
    this.#part = this.#room();
  }

  take(): FilledRoom | undefined {
    const part = this.#waiting.shift();
    if (part !== undefined) this.#stream?.resume();
    else if (this.#failure !== undefined) throw this.#failure;
    return part;
  }

  giveBack({ room }: FilledRoom): void {
    // One that grew for a large row is not kept.
    if (room.length === this.partBytes + SLACK_BYTES && this.#spare.length < MAX_SPARE_ROOMS) this.#spare.push(room);
  }

  /** Resolves when there is a part, the end or an error. */
  async arrival(): Promise<void> {
    if (this.#waiting.length > 0 || this.finished || this.#failure !== undefined) return;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }

  submit(connection: Connection): void {
    const { stream } = connection;
    const [parse, ...others] = stream.listeners('data');
    invariant(parse !== undefined && others.length === 0, "pg's parser is the only reader of its socket");
    this.#forward = (message) => void Reflect.apply(parse, stream, [message]);
    this.#stream = stream;
    stream.removeAllListeners('data');
    stream.on('data', this.#onData);
    connection.query(this.statement);
  }

  /** pg's client: the query failed. */
  handleError(error: unknown): void {
    this.#failure ??= error instanceof Error ? error : new Error(String(error));
    this.#arrived();
  }

  /** pg's client: `COPY n`. */
  handleCommandComplete(message: { readonly text: string }): void {
    const rows = Number(/^COPY (\d+)$/.exec(message.text)?.[1]);
    if (this.#rows > 0) this.#cut();
    if (rows !== this.#totalRows)
      this.#failure ??= new MillraceError('INTERNAL', { what: `${this.#totalRows} of ${rows} rows of a COPY arrived` });
  }

  /** pg's client: the session is free again. */
  handleReadyForQuery(): void {
    this.finished = true;
    this.#arrived();
  }

  readonly #onData = (chunk: Buffer): void => {
    try {
      this.#frames.push(chunk);
      const wait = this.#frames.run((type, bytes, _view, start, end) => {
        if (type === COPY_DATA) {
          this.#row(bytes, start, end);
          // A row that two reads cut lies in the reader's own buffer, which the next one takes.
          if (bytes !== chunk) this.#takeRun();
        } else this.#handOn(type, bytes, start, end);
        return undefined;
      });
      this.#takeRun();
      invariant(wait === undefined, 'no message of a COPY has to be waited for');
    } catch (cause) {
      this.handleError(cause);
      this.#stream?.destroy();
    }
  };

  /** Rows of one socket read move together where they lie, over the headers between them, and are copied as one run. */
  #row(bytes: Buffer, start: number, end: number): void {
    if (bytes !== this.#run) {
      this.#takeRun();
      this.#run = bytes;
      this.#runStart = start;
      this.#runEnd = end;
    } else {
      bytes.copyWithin(this.#runEnd, start, end);
      this.#runEnd += end - start;
    }
    this.#rows += 1;
    if (this.#bytes + this.#runEnd - this.#runStart < this.partBytes) return;
    this.#takeRun();
    this.#cut();
  }

  #takeRun(): void {
    const run = this.#run;
    if (run === undefined) return;
    this.#run = undefined;
    const needed = this.#bytes + this.#runEnd - this.#runStart;
    if (needed > this.#part.length) {
      const grown = Buffer.allocUnsafeSlow(needed);
      this.#part.copy(grown, 0, 0, this.#bytes);
      this.#part = grown;
    }
    run.copy(this.#part, this.#bytes, this.#runStart, this.#runEnd);
    this.#bytes = needed;
  }

  #cut(): void {
    this.#waiting.push({ bytes: this.#part.subarray(0, this.#bytes), rows: this.#rows, room: this.#part });
    this.#totalRows += this.#rows;
    this.#part = this.#room();
    this.#bytes = 0;
    this.#rows = 0;
    if (this.#waiting.length >= MAX_WAITING_PARTS) this.#stream?.pause();
    this.#arrived();
  }

  #room(): Buffer {
    return this.#spare.pop() ?? Buffer.allocUnsafeSlow(this.partBytes + SLACK_BYTES);
  }

  #handOn(type: number, bytes: Buffer, start: number, end: number): void {
    // A copy: pg's parser keeps what it gets, and these bytes are the reader's.
    this.#takeRun();
    const message = Buffer.from(bytes.subarray(start - HEADER_BYTES, end));
    const stream = this.#stream;
    const forward = this.#forward;
    invariant(stream !== undefined && forward !== undefined, 'a COPY reads only what came after it was sent');
    if (type === READY_FOR_QUERY) {
      stream.removeListener('data', this.#onData);
      stream.on('data', forward);
      stream.resume();
    }
    forward(message);
  }

  #arrived(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}
