import { MillraceError } from '@millrace/errors/millrace-error.js';
import { Changes } from '@millrace/flow/changes.js';
import { closeSession } from '@millrace/postgres/connect.js';
import type { SinkSession } from './session.js';

/** At most `size` sessions, opened when needed and used again; one that was lost is thrown away. */
export class SessionPool implements AsyncDisposable {
  readonly #size: number;
  readonly #open: () => Promise<SinkSession>;
  readonly #idle: SinkSession[] = [];
  readonly #changes = new Changes();
  #inUse = 0;
  #closed = false;

  constructor(size: number, open: () => Promise<SinkSession>) {
    this.#size = size;
    this.#open = open;
  }

  /** @throws MillraceError INTERNAL after the pool was closed */
  async use<T>(work: (session: SinkSession) => Promise<T>): Promise<T> {
    while (this.#inUse >= this.#size && !this.#closed) await this.#changes.wait();
    if (this.#closed) throw new MillraceError('INTERNAL', { what: 'a session was asked for after the sink was closed' });
    this.#inUse += 1;
    let session: SinkSession | undefined;
    try {
      session = this.#idle.pop() ?? (await this.#open());
      return await work(session);
    } finally {
      if (session !== undefined) await this.#giveBack(session);
      this.#inUse -= 1;
      this.#changes.notify();
    }
  }

  /** Sessions in use are closed by whoever gives them back. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#changes.notify();
    await Promise.all(this.#idle.splice(0).map(({ client }) => closeSession(client)));
  }

  /** Only a session that is alive and outside of a transaction serves again, whatever its work ended with. */
  async #giveBack(session: SinkSession): Promise<void> {
    const { client } = session;
    const isUsable = client.getTransactionStatus() === 'I' && client.connection.stream.writable;
    if (isUsable && !this.#closed) this.#idle.push(session);
    else await closeSession(client);
  }
}
