import { MillraceError } from '@millrace/errors/millrace-error.js';
import { Changes } from '@millrace/flow/changes.js';
import { closeSession } from '@millrace/mysql/connect.js';
import type { SinkSession } from './session.js';

/** At most `size` sessions, opened when needed and used again; one whose work failed is thrown away, whatever state it is in. */
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
    let done = false;
    try {
      session = await this.#idleOrNew();
      const result = await work(session);
      done = true;
      return result;
    } finally {
      if (session !== undefined) await this.#giveBack(session, done);
      this.#inUse -= 1;
      this.#changes.notify();
    }
  }

  /** Sessions in use are closed by whoever gives them back. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#changes.notify();
    await Promise.all(this.#idle.splice(0).map(({ connection }) => closeSession(connection)));
  }

  /** One that was lost while it lay idle is not given out. */
  async #idleOrNew(): Promise<SinkSession> {
    for (let session = this.#idle.pop(); session !== undefined; session = this.#idle.pop()) {
      try {
        await session.connection.ping();
        return session;
      } catch {
        await closeSession(session.connection);
      }
    }
    return this.#open();
  }

  async #giveBack(session: SinkSession, usable: boolean): Promise<void> {
    if (usable && !this.#closed) this.#idle.push(session);
    else await closeSession(session.connection);
  }
}
