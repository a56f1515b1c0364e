import type { PartitionWriter } from './partition-writer.js';

/** One request carries at most this much, before compression, or one record. */
const SEND_BYTES = 2 * 1024 * 1024;

/** And so many records. */
const SEND_RECORDS = 16;

/** Kafka record header: the record's number within its writer's epoch and partition. */
export const SEQ_HEADER = 'millrace-seq';

interface Waiting {
  readonly value: Uint8Array;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Appends numbered records to one partition in the order of the calls: one request in flight, and what gathers meanwhile goes with the
 * next one. As many records wait as there are callers that await theirs. After an error nothing more is sent.
 */
export class AppendQueue implements AsyncDisposable {
  readonly #writer: PartitionWriter;
  readonly #signal: AbortSignal | undefined;
  readonly #waiting: Waiting[] = [];
  #nextSeq = 0n;
  #failure: { readonly error: unknown } | undefined;
  #running: Promise<void> | undefined;

  /** The signal's abort is an error like others: what is not known to be durable by then is given up. */
  constructor(writer: PartitionWriter, signal?: AbortSignal) {
    this.#writer = writer;
    this.#signal = signal;
  }

  /** Resolves when Kafka holds the record durably. */
  append(value: Uint8Array): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure.error);
    const appended = new Promise<void>((resolve, reject) => this.#waiting.push({ value, resolve, reject }));
    this.#running ??= this.#run();
    return appended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running;
    await this.#writer[Symbol.asyncDispose]();
  }

  async #run(): Promise<void> {
    // Calls made in the same turn go together.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#nextBatch();
      try {
        await this.#writer.send(
          batch.map(({ value }, index) => ({ value, headers: { [SEQ_HEADER]: (this.#nextSeq + BigInt(index)).toString() } })),
          this.#signal,
        );
        this.#nextSeq += BigInt(batch.length);
        for (const { resolve } of batch) resolve();
      } catch (error) {
        this.#failure = { error };
        for (const { reject } of [...batch, ...this.#waiting.splice(0)]) reject(error);
      }
    }
    this.#running = undefined;
  }

  #nextBatch(): readonly Waiting[] {
    let bytes = 0;
    const end = this.#waiting.findIndex(({ value }, index) => {
      bytes += value.length;
      return index === SEND_RECORDS || (index > 0 && bytes > SEND_BYTES);
    });
    return this.#waiting.splice(0, end < 0 ? this.#waiting.length : end);
  }
}
