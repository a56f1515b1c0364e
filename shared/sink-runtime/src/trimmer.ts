import { setTimeout as delay } from 'node:timers/promises';
import type { Checkpoint } from '@millrace/contract/position.js';
import type { SinkWriter } from '@millrace/contract/sink.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import type { Journal } from '@millrace/journal/journal.js';
import { crashPoint } from '@millrace/telemetry/crash-point.js';
import type { LoadConsumer } from './load-consumer.js';

const LOOK_EVERY_MS = 5_000;
/** While changes or rows come in; the end of a load does not wait for it. */
const TRIM_EVERY_MS = 60_000;
/** After a failure: whoever reads the warnings has seen it. */
const TRY_AGAIN_AFTER_MS = 600_000;

export interface TrimmerOptions {
  readonly sink: Pick<SinkWriter, 'checkStillInForce'>;
  readonly journal: Pick<Journal, 'topic' | 'trim' | 'offsetAt'>;
  readonly loader: Pick<LoadConsumer, 'trim'>;
  /** Applied changes stay in the journal for so long, for people. */
  readonly retentionMs: number;
  /** Nothing was freed, and nothing is lost: Kafka holds more than it has to until a later try. */
  readonly onFailure: (error: MillraceError) => void;
}

/** When there is something to free and it is time for it. Times in milliseconds of any one clock. */
export class TrimSchedule {
  #applied = true;
  #loaded = true;
  #nextMs = 0;

  /** Changes or rows have been committed. */
  applied(): void {
    this.#applied = true;
  }

  /** A load's last chunks have been committed: nothing follows that would be freed with them. */
  loadEnded(): void {
    this.#loaded = true;
  }

  /** True: it is tried now, and `freed` or `failed` tells how it went. */
  take(nowMs: number): boolean {
    if (!this.#loaded && !(this.#applied && nowMs >= this.#nextMs)) return false;
    this.#applied = false;
    this.#loaded = false;
    return true;
  }

  freed(nowMs: number): void {
    this.#nextMs = nowMs + TRIM_EVERY_MS;
  }

  /** It is tried again also where nothing more is committed. */
  failed(nowMs: number): void {
    this.#applied = true;
    this.#nextMs = nowMs + TRY_AGAIN_AFTER_MS;
  }
}

/**
 * Frees what Kafka holds and nobody needs any more, because the target has committed it: records of the load topic, and the journal below
 * the target's checkpoint. Lazy: what a crash leaves is freed by the next sink. Only the sink in force frees anything.
 */
export class Trimmer {
  readonly #options: TrimmerOptions;
  readonly #schedule = new TrimSchedule();
  #checkpoint: Checkpoint;

  constructor(options: TrimmerOptions, checkpoint: Checkpoint) {
    this.#options = options;
    this.#checkpoint = checkpoint;
  }

  /** The target has committed this checkpoint. */
  applied(checkpoint: Checkpoint): void {
    this.#checkpoint = checkpoint;
    this.#schedule.applied();
  }

  /** Chunks have been committed; `allIn`: the last ones of a session. */
  loaded(allIn: boolean): void {
    if (allIn) this.#schedule.loadEnded();
    else this.#schedule.applied();
  }

  /** Until the signal. @throws MillraceError SINK_FENCED */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await delay(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
      if (signal.aborted || !this.#schedule.take(performance.now())) continue;
      try {
        await this.#trim(signal);
        this.#schedule.freed(performance.now());
      } catch (error) {
        if (error instanceof MillraceError && error.code === 'SINK_FENCED') throw error;
        if (!signal.aborted) this.#failed(error);
        this.#schedule.failed(performance.now());
      }
    }
  }

  async #trim(signal: AbortSignal): Promise<void> {
    const { sink, journal, loader, retentionMs } = this.#options;
    const checkpoint = this.#checkpoint;
    await sink.checkStillInForce();
    crashPoint('before-trim');
    await loader.trim();
    crashPoint('load-trimmed');
    await journal.trim(checkpoint, await journal.offsetAt(Date.now() - retentionMs, signal), signal);
    crashPoint('journal-trimmed');
  }

  #failed(cause: unknown): void {
    const { journal, onFailure } = this.#options;
    const reason = cause instanceof Error ? cause.message : String(cause);
    onFailure(new MillraceError('TRIM_FAILED', { topic: journal.topic, reason }, { cause }));
  }
}
