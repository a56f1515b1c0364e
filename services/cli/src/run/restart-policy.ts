import type { FromWorker } from '../worker/messages.js';

const FIRST_DELAY_MS = 400;
const MAX_DELAY_MS = 8_000;
/** A claim alone is no progress: a worker that dies right after it must not start again without a pause for ever. */
const GETS_SOMEWHERE: ReadonlySet<string> = new Set(['in-force', 'chunk', 'applied']);

/** When a worker that has died is started again: at once after it got somewhere, later with each death that follows without that. */
export class RestartPolicy {
  readonly #outageMs: number;
  #deaths = 0;
  #lastGoodMs: number;

  /** `outageMs`: how long it may die again and again before it is given up. */
  constructor(outageMs: number, nowMs: number) {
    this.#outageMs = outageMs;
    this.#lastGoodMs = nowMs;
  }

  heard(message: FromWorker, nowMs: number): void {
    if (message.kind !== 'capture' && message.kind !== 'sink') return;
    if (!GETS_SOMEWHERE.has(message.status.kind)) return;
    this.#deaths = 0;
    this.#lastGoodMs = nowMs;
  }

  /** The pause before the next start, in milliseconds; null: it is given up. */
  died(nowMs: number): number | null {
    if (nowMs - this.#lastGoodMs > this.#outageMs) return null;
    const inMs = this.#deaths === 0 ? 0 : Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** (this.#deaths - 1));
    this.#deaths += 1;
    return inMs;
  }
}
