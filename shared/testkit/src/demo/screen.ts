const BARS = '▁▂▃▄▅▆▇█';

/** Redraws a few lines in place on a terminal; elsewhere prints them only now and then, so that a log stays readable. */
export class Screen {
  readonly #terminal = process.stdout.isTTY === true;
  #drawn = 0;
  #lastPrintMs = 0;

  /** What happened once, above the live lines. */
  say(text: string): void {
    this.#erase();
    process.stdout.write(`${text}\n`);
  }

  live(lines: readonly string[]): void {
    if (!this.#terminal) {
      if (Date.now() - this.#lastPrintMs < 5_000) return;
      this.#lastPrintMs = Date.now();
      process.stdout.write(`${lines.join('\n')}\n`);
      return;
    }
    this.#erase();
    process.stdout.write(`${lines.join('\n')}\n`);
    this.#drawn = lines.length;
  }

  #erase(): void {
    if (this.#drawn > 0) process.stdout.write(`\x1b[${this.#drawn}A\x1b[J`);
    this.#drawn = 0;
  }
}

/** The last values as a row of bars, scaled to the largest. */
export function sparkline(values: readonly number[]): string {
  const largest = Math.max(1, ...values);
  return values
    .map((value) => BARS[Math.min(BARS.length - 1, Math.floor((value / largest) * (BARS.length - 1)))] ?? ' ')
    .join('');
}

export function figure(value: number | bigint): string {
  return value.toLocaleString('en-US');
}

export function milliseconds(value: number | null): string {
  return value === null ? '–' : `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}
