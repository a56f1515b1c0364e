import { Buffer } from 'node:buffer';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { deferred } from '@millrace/flow/deferred.js';
import type { Client, Connection } from 'pg';

/** Statements named in one session; what comes after is parsed each time. */
const MAX_NAMED = 500;
/** What is sent leaves in pieces of about this much, so that the server works while the next piece is encoded. */
const PIECE_BYTES = 64 * 1024;
/** CopyData and CopyDone (PostgreSQL manual, "Message Formats"). */
const COPY_DATA = 0x64;
const COPY_DONE = Buffer.from([0x63, 0, 0, 0, 4]);

export interface PipelinedStatement {
  readonly text: string;
  /** Copied when the statement is added. */
  readonly values?: readonly (Buffer | string | null)[];
  /** The whole input of a COPY … FROM STDIN, copied as well. */
  readonly input?: Buffer;
  /** Hears how many rows the statement wrote; throws where that is not right. */
  readonly wrote?: (rows: number) => void;
  /** What to throw for the server's error in this statement; absent: the error itself. */
  readonly failed?: (error: unknown) => unknown;
}

/**
 * Statements of one session, sent without waiting for each other's answers: one round trip for as many as there are between two
 * flushes. The server passes over what follows a statement that it refuses, up to the flush (PostgreSQL manual, "Pipelining"). It parses
 * each text once per session.
 */
export class Pipeline {
  readonly #client: Client;
  /** Parsed by the server, by text. */
  readonly #names = new Map<string, string>();
  #named = 0;
  #batch: Batch | undefined;

  constructor(client: Client) {
    this.#client = client;
  }

  /** Sends the statement; what came of it shows in `flush`. */
  add(statement: PipelinedStatement): void {
    this.#batch ??= this.#begin();
    const known = this.#names.get(statement.text) ?? this.#batch.nameOf(statement.text);
    const name = known ?? (this.#named < MAX_NAMED ? `millrace_bulk_${this.#named++}` : '');
    this.#batch.send(statement, { name, parse: known === undefined });
  }

  /** Waits for all answers. @throws the first failure, in the order of the statements */
  async flush(): Promise<void> {
    const batch = this.#batch;
    this.#batch = undefined;
    await batch?.end();
  }

  /** Waits for all answers and forgets them: the transaction is to be rolled back. */
  async abandon(): Promise<void> {
    await this.flush().catch(() => undefined);
  }

  /** The session itself, once everything before has been answered. @throws the first failure */
  async client(): Promise<Client> {
    await this.flush();
    return this.#client;
  }

  #begin(): Batch {
    const batch = new Batch((text, name) => this.#names.set(text, name));
    this.#client.query(batch);
    batch.isLate = true;
    return batch;
  }
}

/** What is sent between two flushes. The handlers are those that pg calls on the query that a session is at. */
class Batch {
  /** The session had something else to do when the batch was begun: nothing of it is sent. */
  isLate = false;
  private readonly sent: PipelinedStatement[] = [];
  private answered = 0;
  /** On their way to be parsed, in this order; without a name where the text is parsed for one time. */
  private readonly parsing: { readonly text: string; readonly name: string }[] = [];
  private readonly settled = deferred();
  private connection: Connection | undefined;
  private failure: { readonly error: unknown } | undefined;
  private unsent = 0;

  constructor(private readonly parsed: (text: string, name: string) => void) {}

  submit(connection: Connection): Error | undefined {
    if (this.isLate) return new MillraceError('INTERNAL', { what: 'statements were sent to a session at work' });
    this.connection = connection;
    connection.on('parseComplete', this.parseComplete);
    connection.stream.cork();
    return undefined;
  }

  /** Name under which the text is being parsed. */
  nameOf(text: string): string | undefined {
    return this.parsing.find((on) => on.text === text && on.name !== '')?.name;
  }

  send(statement: PipelinedStatement, { name, parse }: { readonly name: string; readonly parse: boolean }): void {
    const { connection } = this;
    if (connection === undefined) return;
    const { text, values = [], input } = statement;
    this.sent.push(statement);
    if (parse) {
      this.parsing.push({ text, name });
      connection.parse({ name, text, types: [] }, true);
    }
    connection.bind({ statement: name, values: [...values] }, true);
    connection.execute(null, true);
    this.unsent += values.reduce((sum, value) => sum + (value?.length ?? 0), text.length);
    if (input !== undefined) {
      connection.stream.write(copyData(input));
      this.unsent += input.length;
    }
    if (this.unsent < PIECE_BYTES) return;
    connection.stream.uncork();
    connection.stream.cork();
    this.unsent = 0;
  }

  /** @throws the first failure */
  async end(): Promise<void> {
    this.connection?.sync();
    this.connection?.stream.uncork();
    await this.settled.promise;
    if (this.failure !== undefined) throw this.failure.error;
  }

  handleCommandComplete({ text }: { readonly text: string }): void {
    const statement = this.sent[this.answered++];
    try {
      statement?.wrote?.(Number(/\d+$/.exec(text)?.[0] ?? 0));
    } catch (error) {
      this.failure ??= { error };
    }
  }

  handleError(error: unknown): void {
    const { failed } = this.sent[this.answered] ?? {};
    this.failure ??= { error: failed === undefined ? error : failed(error) };
    this.settle();
  }

  handleReadyForQuery(): void {
    this.settle();
  }

  handleRowDescription(): void {}
  handleDataRow(): void {}
  handleEmptyQuery(): void {}
  handleCopyInResponse(): void {}

  private settle(): void {
    this.connection?.off('parseComplete', this.parseComplete);
    this.settled.resolve();
  }

  private readonly parseComplete = (): void => {
    const done = this.parsing.shift();
    if (done !== undefined && done.name !== '') this.parsed(done.text, done.name);
  };
}

function copyData(input: Buffer): Buffer {
  const message = Buffer.allocUnsafe(input.length + 5 + COPY_DONE.length);
  message[0] = COPY_DATA;
  message.writeInt32BE(input.length + 4, 1);
  input.copy(message, 5);
  COPY_DONE.copy(message, input.length + 5);
  return message;
}
