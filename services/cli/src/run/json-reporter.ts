import type { Finding } from '@millrace/contract/finding.js';
import type { SinkState } from '@millrace/contract/sink.js';
import { failureText } from '../failure.js';
import type { FromWorker, WorkerFailure, WorkerRole } from '../worker/messages.js';
import type { RunProgress } from './progress.js';
import type { Reporter } from './reporter.js';
import type { Outcome } from './supervisor.js';

const PROGRESS_EVERY_MS = 1_000;

/** One JSON object a line on stdout, nothing else; `stopped` is always the last. */
export class JsonReporter implements Reporter {
  readonly #progress: RunProgress;
  readonly #timer: NodeJS.Timeout;
  #last = '';

  constructor(progress: RunProgress) {
    this.#progress = progress;
    this.#timer = setInterval(() => this.#tick(), PROGRESS_EVERY_MS);
    this.#timer.unref();
  }

  finding(finding: Finding): void {
    write({ event: 'finding', ...finding });
  }

  waiting(failure: WorkerFailure, inMs: number): void {
    write({ event: 'retrying', role: 'start', inMs, error: failure });
  }

  ignoredSettings(names: readonly string[]): void {
    write({ event: 'ignored-settings', names });
  }

  message(role: WorkerRole, message: FromWorker): void {
    if (message.kind === 'retrying') write({ event: 'retrying', role, inMs: message.inMs, error: message.failure });
    else if (message.kind === 'failed') write({ event: 'failed', role, error: message.failure });
    else if (message.kind === 'sink' && message.status.kind === 'table')
      write({ event: 'table', ...message.status.table, state: message.status.state });
    else if (message.kind === 'sink' && message.status.kind === 'loaded') write({ event: 'loaded' });
  }

  started(role: WorkerRole, pid: number): void {
    write({ event: 'started', role, pid });
  }

  restarting(role: WorkerRole, cause: string, inMs: number): void {
    write({ event: 'restarting', role, cause, inMs });
  }

  stopped({ reason, failure }: Outcome, state: SinkState | null): void {
    clearInterval(this.#timer);
    const tables = (state?.tables ?? []).map(({ source, state: tableState, counts, error }) => ({
      schema: source.schema,
      table: source.table,
      state: tableState,
      rowsLoaded: Number(counts.rowsLoaded),
      inserts: Number(counts.inserts),
      updates: Number(counts.updates),
      deletes: Number(counts.deletes),
      truncates: Number(counts.truncates),
      ddls: Number(counts.ddls),
      errors: Number(counts.errors),
      ...(error === null ? {} : { error }),
    }));
    const { sourceLagMs, targetLagMs } = this.#progress;
    if (failure !== null) process.stderr.write(`${failureText(failure)}\n`);
    write({ event: 'stopped', reason, ...(failure === null ? {} : { error: failure }), tables, sourceLagMs, targetLagMs });
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    const { rowsApplied, transactionsApplied, sourceLagMs, targetLagMs, errors, tables } = this.#progress;
    const rowsLoaded = [...tables.values()].reduce((sum, table) => sum + table.rowsLoaded, 0);
    const line = { event: 'progress', rowsLoaded, rowsApplied, transactionsApplied, sourceLagMs, targetLagMs, errors };
    const text = JSON.stringify(line);
    if (text === this.#last) return;
    this.#last = text;
    write(line);
  }
}

/** The only line of a run that was refused before it could report. */
export function refusedLine(failure: WorkerFailure): string {
  return `${JSON.stringify({ event: 'stopped', reason: 'refused', error: failure, tables: [], sourceLagMs: null, targetLagMs: null })}\n`;
}

function write(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
