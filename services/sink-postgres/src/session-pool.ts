import { Changes } from '@millrace/flow/changes.js';
import { closeSession } from '@millrace/postgres/connect.js';
import type { SinkSession } from './session.js';
import { isConnectionLoss } from './sql-state.js';

/** At most `size` sessions, opened when needed and used again; one that was lost is thrown away. */
export class SessionPool implements AsyncDisposable {
  readonly #size: number;
  readonly #open: () => Promise<SinkSession>;
  readonly #idle: SinkSession[] = [];
  readonly #changes = new Changes();
  #inUse = 0;

  constructor(size: number, open: () => Promise<SinkSession>) {
    this.#size = size;
    this.#open = open;
  }

  async use<T>(work: (session: SinkSession) => Promise<T>): Promise<T> {
    while (this.#inUse >= this.#size) await this.#changes.wait();
    this.#inUse += 1;
    let session: SinkSession | undefined;
    try {
      session = this.#idle.pop() ?? (await this.#open());
      const result = await work(session);
      this.#idle.push(session);
      return result;
    } catch (error) {
      if (session !== undefined) await this.#giveBack(session, error);
      throw error;
    } finally {
      this.#inUse -= 1;
      this.#changes.notify();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#idle.splice(0).map(({ client }) => closeSession(client)));
  }

  /** The error that reaches us may wrap the one that the connection gave. */
  async #giveBack(session: SinkSession, error: unknown): Promise<void> {
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    if (isConnectionLoss(cause)) await closeSession(session.client);
    else this.#idle.push(session);
  }
}
