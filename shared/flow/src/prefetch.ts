import { Changes } from './changes.js';

/** Something with a size, for a queue bounded in bytes. */
export interface Sized {
  readonly byteLength: number;
}

/**
 * Reads ahead of the consumer, up to `maxBytes`: the next items are fetched and decoded while the last ones are worked on.
 * `peek` tells without waiting what is at hand, so that a batch may end when the source has nothing more to give.
 */
export class Prefetch<T extends Sized> {
  readonly #items: T[] = [];
  readonly #maxBytes: number;
  readonly #changes = new Changes();
  #bytes = 0;
  #ended = false;
  #failure: { readonly error: unknown } | undefined;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Pumps the source until it ends, fails or the signal aborts; its error reaches the consumer after the items read before it. */
  async fill(source: AsyncIterable<T>, signal: AbortSignal): Promise<void> {
    try {
      for await (const item of source) {
        this.#items.push(item);
        this.#bytes += item.byteLength;
        this.#changes.notify();
        while (this.#bytes >= this.#maxBytes && !signal.aborted) await this.#changes.wait(signal);
        if (signal.aborted) break;
      }
      this.#ended = true;
    } catch (error) {
      this.#failure = { error };
    }
    this.#changes.notify();
  }

  peek(): T | undefined {
    return this.#items[0];
  }

  /** The next item; undefined at the end or when the signal aborts. */
  async take(signal: AbortSignal): Promise<T | undefined> {
    while (!signal.aborted) {
      const item = this.#items.shift();
      if (item !== undefined) {
        this.#bytes -= item.byteLength;
        this.#changes.notify();
        return item;
      }
      if (this.#failure !== undefined) throw this.#failure.error;
      if (this.#ended) return undefined;
      await this.#changes.wait(signal);
    }
    return undefined;
  }
}
