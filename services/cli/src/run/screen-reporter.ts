import { displayTable } from '@millrace/codec/table-key.js';
import type { TaskConfig } from '@millrace/config/task-options.js';
import type { Finding } from '@millrace/contract/finding.js';
import type { SinkState } from '@millrace/contract/sink.js';
import { safeUrl } from '@millrace/telemetry/log.js';
import type { FromWorker, WorkerRole } from '../worker/messages.js';
import { bytes, count, duration, sparkline } from './figures.js';
import { LineReporter } from './line-reporter.js';
import type { RunProgress, TableView } from './progress.js';
import type { Reporter } from './reporter.js';
import type { Outcome } from './supervisor.js';

const DRAW_EVERY_MS = 500;
const RATE_SAMPLES = 24;
const TABLES_SHOWN = 12;

/** One live screen for a person at a terminal: what happened stays above, what is going on is redrawn in place. */
export class ScreenReporter implements Reporter {
  readonly #config: TaskConfig;
  readonly #progress: RunProgress;
  readonly #lines: LineReporter;
  readonly #timer: NodeJS.Timeout;
  readonly #rates: number[] = [];
  #drawn = 0;
  #lastRows = 0;
  #lastDrawMs = Date.now();

  constructor(config: TaskConfig, progress: RunProgress) {
    this.#config = config;
    this.#progress = progress;
    this.#lines = new LineReporter(config.name, progress, { summaries: false });
    this.#timer = setInterval(() => this.#draw(), DRAW_EVERY_MS);
  }

  finding(finding: Finding): void {
    this.#above(() => this.#lines.finding(finding));
  }

  message(role: WorkerRole, message: FromWorker): void {
    if (message.kind === 'retrying' || message.kind === 'failed') this.#above(() => this.#lines.message(role, message));
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
    const now = Date.now();
    const { rowsApplied, loaded } = this.#progress;
    if (loaded) {
      this.#rates.push(((rowsApplied - this.#lastRows) * 1_000) / Math.max(1, now - this.#lastDrawMs));
      if (this.#rates.length > RATE_SAMPLES) this.#rates.shift();
    }
    this.#lastRows = rowsApplied;
    this.#lastDrawMs = now;
    const width = process.stdout.columns ?? 100;
    const lines = this.#view().map((line) => (line.length > width ? `${line.slice(0, width - 1)}…` : line));
    this.#erase();
    process.stdout.write(`${lines.join('\n')}\n`);
    this.#drawn = lines.length;
  }

  #erase(): void {
    if (this.#drawn > 0) process.stdout.write(`\x1b[${this.#drawn}A\x1b[J`);
    this.#drawn = 0;
  }

  #view(): string[] {
    const progress = this.#progress;
    const running = duration(Date.now() - progress.startedAtMs);
    const lines = [
      `${this.#config.name}   ${safeUrl(this.#config.source)} → ${safeUrl(this.#config.target)}   running ${running}`,
      loadLine(progress),
    ];
    const tables = [...progress.tables.values()];
    const shown = tables.filter((table) => !progress.loaded || table.state !== 'completed').slice(0, TABLES_SHOWN);
    lines.push(...shown.map(tableLine));
    if (tables.length > shown.length && !progress.loaded)
      lines.push(`             … ${count(tables.length - shown.length)} more`);
    if (progress.loaded) {
      const lag = progress.targetLagMs === null ? '' : `   lag ${duration(progress.targetLagMs)}`;
      lines.push(
        `▸ changes    ${count(Math.round(this.#rates.at(-1) ?? 0))} rows/s   ${sparkline(this.#rates)}${lag}   ${count(progress.rowsApplied)} rows in ${count(progress.transactionsApplied)} transactions`,
      );
    }
    if (progress.retainedLogBytes !== null)
      lines.push(`▸ source     keeps ${bytes(progress.retainedLogBytes)} of log for this task`);
    if (progress.errors > 0)
      lines.push(`▸ attention  ${count(progress.errors)} changes set aside   → millrace status --name ${this.#config.name}`);
    return lines;
  }
}

function loadLine({ tables, loaded, loadedAtMs, startedAtMs }: RunProgress): string {
  const all = [...tables.values()];
  const done = all.filter(({ state }) => state === 'completed').length;
  const rows = all.reduce((sum, table) => sum + table.rowsLoaded, 0);
  const took = loaded && loadedAtMs !== null ? ` · done in ${duration(loadedAtMs - startedAtMs)}` : '';
  return `▸ load       ${count(done)} of ${count(all.length)} tables · ${count(rows)} rows${took}`;
}

function tableLine({ id, state, rowsLoaded, rowsRead }: TableView): string {
  return `             ${displayTable(id).padEnd(36)} ${state.padEnd(14)} ${count(rowsLoaded)} in, ${count(rowsRead)} read`;
}
