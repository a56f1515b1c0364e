/** How long bytes gather before the next read, under load. */
const GATHER_MS = 2;
/** Small reads this close together, this many times in a row, are load: waiting then costs no one a noticeable time. */
const CLOSE_READS_MS = 0.5;
const CLOSE_READS_IN_A_ROW = 16;
/** Less than this in GATHER_MS is no load that waiting would help. */
const WORTH_GATHERING_BYTES = 4_096;
const FULL_READ_BYTES = 65_536;

/**
 * A reader that is faster than the walsender is woken for every message, and so is the server, whose CPU cost per row doubles.
 * Where many small reads follow each other closely, the next one waits so that bytes gather; a stream with pauses is never delayed.
 */
export class ReadPacing {
  #lastReadMs = Number.NEGATIVE_INFINITY;
  #closeReads = 0;
  #gathering = false;

  /** Milliseconds to leave the socket alone after a read of so many bytes; 0: read on. */
  afterRead(bytes: number, nowMs: number): number {
    const close = nowMs - this.#lastReadMs < CLOSE_READS_MS;
    this.#lastReadMs = nowMs;
    if (bytes >= FULL_READ_BYTES) return 0;
    if (this.#gathering) {
      this.#gathering = close || bytes >= WORTH_GATHERING_BYTES;
    } else {
      this.#closeReads = close ? this.#closeReads + 1 : 0;
      this.#gathering = this.#closeReads >= CLOSE_READS_IN_A_ROW;
    }
    if (!this.#gathering) return 0;
    this.#closeReads = 0;
    return GATHER_MS;
  }
}
