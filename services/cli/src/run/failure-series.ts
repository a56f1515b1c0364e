/** A life's start and its end by failure, by `performance.now()`, and whether it got further than the lives before. */
export interface FailedLife {
  readonly startedMs: number;
  readonly endedMs: number;
  readonly gotFurther: boolean;
}

/**
 * Failures of something that is started again each time, one after the other at the same place. The series begins with the first
 * failure and is over where a life got further, or, with `steadyMs`, lasted longer than that.
 */
export class FailureSeries {
  #sinceMs: number | null = null;
  #failures = 0;

  constructor(
    private readonly limitMs: number,
    private readonly steadyMs: number = Number.POSITIVE_INFINITY,
  ) {}

  /** Failures of the series, this one included; null: it has lasted longer than the limit. */
  failed({ startedMs, endedMs, gotFurther }: FailedLife): number | null {
    if (gotFurther || endedMs - startedMs > this.steadyMs) {
      this.#sinceMs = null;
      this.#failures = 0;
    }
    this.#sinceMs ??= endedMs;
    this.#failures += 1;
    return endedMs - this.#sinceMs > this.limitMs ? null : this.#failures;
  }
}
