import type { TaskConfig } from '@millrace/config/task-options.js';
import type { Finding } from '@millrace/contract/finding.js';
import type { SinkState } from '@millrace/contract/sink.js';
import type { FromWorker, WorkerFailure, WorkerRole } from '../worker/messages.js';
import { LineReporter } from './line-reporter.js';
import type { RunProgress } from './progress.js';
import type { Reporter } from './reporter.js';
import { type Rates, screenLines } from './screen.js';
import type { Outcome } from './supervisor.js';

const DRAW_EVERY_MS = 500;
const RATE_SAMPLES = 24;

/** One live screen for a person at a terminal: what happened stays above, what is going on is redrawn in place. */
export class ScreenReporter implements Reporter {
  readonly log: ((text: string) => void) | undefined;
  readonly #config: TaskConfig;
  readonly #progress: RunProgress;
  readonly #lines: LineReporter;
  readonly #timer: NodeJS.Timeout;
  readonly #changes: number[] = [];
  readonly #loading = new Map<string, { rows: number; perSecond: number }>();
  #drawn = 0;
  #lastApplied = 0;
  #lastDrawMs = performance.now();

  constructor(config: TaskConfig, progress: RunProgress) {
    this.#config = config;
    this.#progress = progress;
    this.#lines = new LineReporter(config.name, progress, { summaries: false });
    this.#timer = setInterval(() => this.#draw(), DRAW_EVERY_MS);
    // A log that goes elsewhere does not disturb; one on the same terminal has to come above the screen.
    this.log = process.stderr.isTTY === true ? (text) => this.#above(() => void process.stderr.write(text)) : undefined;
  }

  finding(finding: Finding): void {
    this.#above(() => this.#lines.finding(finding));
  }

  waiting(failure: WorkerFailure, inMs: number): void {
    this.#above(() => this.#lines.waiting(failure, inMs));
  }

  ignoredSettings(names: readonly string[]): void {
    this.#above(() => this.#lines.ignoredSettings(names));
  }

  message(role: WorkerRole, message: FromWorker): void {
    if (message.kind === 'retrying') this.#above(() => this.#lines.message(role, message));
  }

  started(): void {
    this.#draw();
  }

  restarting(role: WorkerRole, cause: string, inMs: number): void {
    this.#above(() => this.#lines.restarting(role, cause, inMs));
  }

  stopped(outcome: Outcome, state: SinkState | null): void {
    clearInterval(this.#timer);
    this.#above(() => this.#lines.stopped(outcome, state));
  }

  close(): void {
    clearInterval(this.#timer);
    this.#lines.close();
  }

  #above(write: () => void): void {
    this.#erase();
    write();
  }

  #draw(): void {
    const rates = this.#sample();
    const { columns, rows } = process.stdout;
    const lines = screenLines(this.#config, this.#progress, {
      rates,
      width: columns ?? 100,
      height: rows ?? 24,
      nowMs: performance.now(),
    });
    this.#erase();
    process.stdout.write(`${lines.join('\n')}\n`);
    this.#drawn = lines.length;
  }

  #sample(): Rates {
    const now = performance.now();
    const seconds = Math.max(1, now - this.#lastDrawMs) / 1_000;
    const { rowsApplied, loaded, tables } = this.#progress;
    if (loaded) {
      this.#changes.push((rowsApplied - this.#lastApplied) / seconds);
      if (this.#changes.length > RATE_SAMPLES) this.#changes.shift();
    }
    for (const [key, { rowsLoaded }] of tables) {
      const before = this.#loading.get(key) ?? { rows: rowsLoaded, perSecond: 0 };
      // Chunks arrive in lumps: the rate is smoothed over a few seconds.
      const perSecond = before.perSecond * 0.8 + (Math.max(0, rowsLoaded - before.rows) / seconds) * 0.2;
      this.#loading.set(key, { rows: rowsLoaded, perSecond });
    }
    this.#lastApplied = rowsApplied;
    this.#lastDrawMs = now;
    return { changes: this.#changes, loading: new Map([...this.#loading].map(([key, { perSecond }]) => [key, perSecond])) };
  }

  #erase(): void {
    if (this.#drawn > 0) process.stdout.write(`\x1b[${this.#drawn}A\x1b[J`);
    this.#drawn = 0;
  }
}
