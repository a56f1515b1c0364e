import { ChunkDigest } from '@millrace/codec/chunk-digest.js';
import type { LoadChunkEnded, LoadRows } from '@millrace/codec/load-record.js';
import type { ChunkPart } from '@millrace/contract/load.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { Changes } from '@millrace/flow/changes.js';

/**
 * One attempt of one chunk on its way from its lane to the sink: parts go through one at a time (the lane waits until the
 * sink has taken the last one), and the stream ends only when the End record's count and digest agree with what went through.
 */
export class ChunkStream {
  readonly #digest = new ChunkDigest();
  #next: ChunkPart | undefined;
  #parts = 0;
  #rows = 0;
  #ended = false;
  #failure: { readonly error: unknown } | undefined;
  #closed = false;
  readonly #changes = new Changes();

  /** Hands one part over; resolves when the sink wants more. Resolves at once where the sink takes nothing (chunk already in). */
  async push(record: LoadRows): Promise<void> {
    if (record.seq !== this.#parts)
      throw new MillraceError('LOAD_CORRUPT', { what: `part ${record.seq} of chunk ${record.chunk} after ${this.#parts} parts` });
    this.#digest.update(record.bytes);
    this.#parts += 1;
    this.#rows += record.rows;
    while (this.#next !== undefined && !this.#closed) await this.#changes.wait();
    if (this.#closed) return;
    this.#next = record;
    this.#changes.notify();
  }

  /** @throws MillraceError LOAD_CORRUPT where parts, rows or digest differ from what the capture wrote. */
  end(record: LoadChunkEnded): void {
    const sameBytes = record.digest === null || record.digest === this.#digest.hex;
    const same = record.parts === this.#parts && record.rows === this.#rows && sameBytes;
    if (!same) {
      const error = new MillraceError('LOAD_CORRUPT', {
        what: `chunk ${record.chunk}: ${this.#parts} parts and ${this.#rows} rows arrived, ${record.parts} and ${record.rows} were written`,
      });
      this.abandon(error);
      throw error;
    }
    this.#ended = true;
    this.#changes.notify();
  }

  /** The attempt comes to nothing: the sink's reading fails and its transaction rolls back. */
  abandon(error: unknown): void {
    this.#failure ??= { error };
    this.#changes.notify();
  }

  /** The sink reads no further: what is pushed from here on is checked and dropped. */
  close(): void {
    this.#closed = true;
    this.#changes.notify();
  }

  async *parts(): AsyncGenerator<ChunkPart> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure.error;
      const part = this.#next;
      if (part !== undefined) {
        this.#next = undefined;
        this.#changes.notify();
        yield part;
      } else if (this.#ended) return;
      else await this.#changes.wait();
    }
  }
}
