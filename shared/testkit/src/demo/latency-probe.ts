import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';

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

  async run(sourceUrl: string, targetUrl: string, signal: AbortSignal): Promise<void> {
    const source = new pg.Client({ connectionString: sourceUrl });
    const target = new pg.Client({ connectionString: targetUrl });
    await Promise.all([source.connect(), target.connect()]);
    try {
      await Promise.all([this.#write(source, signal), this.#watch(target, signal)]);
    } finally {
      await Promise.all([source.end(), target.end()]);
    }
  }

  /** Milliseconds; null before the first sample. */
  percentile(part: number): number | null {
    const sorted = [...this.#samplesMs].sort((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? null;
  }

  get lastSeq(): number {
    return this.#seq;
  }

  async #write(source: pg.Client, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#seq += 1;
      await source.query('UPDATE bank.probe SET seq = $1 WHERE id = 1', [this.#seq]);
      this.#written.set(this.#seq, performance.now());
      await delay(WRITE_EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  async #watch(target: pg.Client, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const { rows } = await target.query<{ seq: string }>('SELECT seq FROM bank.probe WHERE id = 1');
      const seen = Number(rows[0]?.seq ?? 0);
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
