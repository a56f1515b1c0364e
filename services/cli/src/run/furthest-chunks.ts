/** Loads remembered; those of a task's tables, and of what was loaded again since. */
const MAX_LOADS = 10_000;

/** Tells chunks that bring a load further from those that repeat what an earlier life of the worker had reached. */
export class FurthestChunks {
  readonly #reached = new Map<string, number>();

  /** True for a chunk behind all chunks of the load so far. */
  reach({ load, index }: { readonly load: string; readonly index: number }): boolean {
    if (index <= (this.#reached.get(load) ?? -1)) return false;
    this.#reached.set(load, index);
    const [oldest] = this.#reached.keys();
    if (this.#reached.size > MAX_LOADS && oldest !== undefined) this.#reached.delete(oldest);
    return true;
  }
}
