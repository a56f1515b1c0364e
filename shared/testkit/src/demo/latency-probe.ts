import { setTimeout as delay } from 'node:timers/promises';
import type { BankDatabase } from './bank-database.js';

const WRITE_EVERY_MS = 100;
const LOOK_EVERY_MS = 4;
const KEEP = 3_000;

/**
 * Measures commit → visible: numbers a row in the source every 0.1 s and watches the target for the number. What a reader
 * of the target sees, its polling included.
 */
export class LatencyProbe {
  readonly #samplesMs: number[] = [];
  readonly #written = new Map<number, number>();
  #seq = 0;

  async run(source: BankDatabase, target: BankDatabase, signal: AbortSignal): Promise<void> {
    await Promise.all([this.#write(source, signal), this.#watch(target, signal)]);
  }

  /** Milliseconds; null before the first sample. */
  percentile(part: number): number | null {
    const sorted = [...this.#samplesMs].sort((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? null;
  }

  get lastSeq(): number {
    return this.#seq;
  }

  async #write(source: BankDatabase, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#seq += 1;
      await source.writeProbe(this.#seq);
      this.#written.set(this.#seq, performance.now());
      await delay(WRITE_EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  async #watch(target: BankDatabase, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const seen = await target.readProbe();
      const now = performance.now();
      for (const [seq, writtenMs] of this.#written) {
        if (seq > seen) break;
        this.#written.delete(seq);
        this.#samplesMs.push(now - writtenMs);
        if (this.#samplesMs.length > KEEP) this.#samplesMs.shift();
      }
      await delay(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
  }
}
