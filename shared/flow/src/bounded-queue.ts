import { Changes } from './changes.js';

/** A queue of at most `limit` items between one producer and one consumer: `push` waits while it is full. */
export class BoundedQueue<T> implements AsyncIterable<T> {
  readonly #items: T[] = [];
  readonly #limit: number;
  readonly #changes = new Changes();
  #ended = false;
  #failure: { readonly error: unknown } | undefined;

  constructor(limit: number) {
    this.#limit = limit;
  }

  async push(item: T): Promise<void> {
    while (this.#items.length >= this.#limit && this.#failure === undefined) await this.#changes.wait();
    if (this.#failure !== undefined) throw this.#failure.error;
    this.#items.push(item);
    this.#changes.notify();
  }

  /** No more items; the consumer ends after those that are queued. */
  end(): void {
    this.#ended = true;
    this.#changes.notify();
  }

  /** Both sides throw the error from here on. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#changes.notify();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure.error;
      const item = this.#items.shift();
      if (item !== undefined) {
        this.#changes.notify();
        yield item;
      } else if (this.#ended) return;
      else await this.#changes.wait();
    }
  }
}
