/**
 * Whether an incarnation got further than the ones before. Its two parts, the stream of changes and the load, end together, and the one
 * may move while the other fails at the same place each time: where the load failed, only the load's progress counts.
 */
export class IncarnationProgress {
  #stream = false;
  #load = false;
  #loadFailed = false;

  begin(): void {
    this.#stream = false;
    this.#load = false;
    this.#loadFailed = false;
  }

  streamMoved(): void {
    this.#stream = true;
  }

  loadMoved(): void {
    this.#load = true;
  }

  loadFailed(): void {
    this.#loadFailed = true;
  }

  get gotFurther(): boolean {
    return this.#load || (this.#stream && !this.#loadFailed);
  }
}
