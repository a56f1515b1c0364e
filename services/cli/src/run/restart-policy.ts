import type { FromWorker } from '../worker/messages.js';
import { FailureSeries } from './failure-series.js';
import { FurthestChunks } from './furthest-chunks.js';

const FIRST_DELAY_MS = 400;
const MAX_DELAY_MS = 8_000;

/** When a worker that has died is started again: at once after it got further, later with each death that follows without that. */
export class RestartPolicy {
  readonly #series: FailureSeries;
  readonly #chunks = new FurthestChunks();
  #startedMs = 0;
  #gotFurther = false;

  /** `outageMs`: how long it may die again and again before it is given up. */
  constructor(outageMs: number) {
    this.#series = new FailureSeries(outageMs, outageMs);
  }

  started(nowMs: number): void {
    this.#startedMs = nowMs;
    this.#gotFurther = false;
  }

  heard(message: FromWorker): void {
    if (message.kind !== 'capture' && message.kind !== 'sink') return;
    if (getsFurther(message, this.#chunks)) this.#gotFurther = true;
  }

  /** The pause before the next start, in milliseconds; null: it is given up. */
  died(nowMs: number): number | null {
    const deaths = this.#series.failed({ startedMs: this.#startedMs, endedMs: nowMs, gotFurther: this.#gotFurther });
    if (deaths === null) return null;
    return deaths === 1 ? 0 : Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** (deaths - 2));
  }
}

/** A claim or a heartbeat is no progress: a worker that dies of its load each time has them all the same. */
function getsFurther({ status }: Extract<FromWorker, { kind: 'capture' | 'sink' }>, chunks: FurthestChunks): boolean {
  switch (status.kind) {
    case 'in-force':
      return status.committed;
    case 'applied':
      return status.result.transactions > 0;
    case 'chunk':
      return !('load' in status) || chunks.reach(status);
    default:
      return false;
  }
}
