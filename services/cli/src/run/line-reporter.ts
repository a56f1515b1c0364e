import { displayTable } from '@millrace/codec/table-key.js';
import type { Finding } from '@millrace/contract/finding.js';
import type { SinkState } from '@millrace/contract/sink.js';
import { failureText } from '../failure.js';
import type { FromWorker, WorkerFailure, WorkerRole } from '../worker/messages.js';
import { count, duration } from './figures.js';
import type { RunProgress } from './progress.js';
import type { Reporter } from './reporter.js';
import type { Outcome } from './supervisor.js';

const SUMMARY_EVERY_MS = 5_000;

/** Plain lines for a log file or a pipe: what changed when it changes, a summary every five seconds while something moves. */
export class LineReporter implements Reporter {
  readonly #name: string;
  readonly #progress: RunProgress;
  readonly #timer: NodeJS.Timeout;
  #last = '';

  constructor(name: string, progress: RunProgress, options: { readonly summaries: boolean } = { summaries: true }) {
    this.#name = name;
    this.#progress = progress;
    this.#timer = setInterval(() => {
      if (options.summaries) this.#summary();
    }, SUMMARY_EVERY_MS);
    this.#timer.unref();
  }

  finding({ severity, code, where, message, remedy }: Finding): void {
    this.#write(`${severity.padEnd(7)} ${code} at ${where}: ${message}\n        → ${remedy}`);
  }

  waiting(failure: WorkerFailure, inMs: number): void {
    this.#write(`not yet: ${failure.message} Asked again in ${duration(inMs)}.`);
  }

  ignoredSettings(names: readonly string[]): void {
    this.#write(`task settings without a meaning here: ${names.join(', ')}`);
  }

  message(role: WorkerRole, message: FromWorker): void {
    if (message.kind === 'retrying') this.#write(`${role} tries again in ${duration(message.inMs)}: ${message.failure.message}`);
    else if (message.kind === 'sink' && message.status.kind === 'table')
      this.#write(`${displayTable(message.status.table)}: ${message.status.state}`);
    else if (message.kind === 'sink' && message.status.kind === 'loaded') this.#write('load   every table is in');
  }

  started(role: WorkerRole, pid: number): void {
    this.#write(`${role} started (pid ${pid})`);
  }

  restarting(role: WorkerRole, cause: string, inMs: number): void {
    this.#write(`${role} ended (${cause}); started again in ${duration(inMs)}`);
  }

  stopped({ reason, failure }: Outcome, state: SinkState | null): void {
    clearInterval(this.#timer);
    if (failure !== null) process.stderr.write(`${failureText(failure)}\n`);
    for (const { source, state: tableState, counts, error } of state?.tables ?? []) {
      const changes = `${count(counts.inserts)} inserts, ${count(counts.updates)} updates, ${count(counts.deletes)} deletes`;
      this.#write(
        `${displayTable(source)}: ${tableState}, ${count(counts.rowsLoaded)} rows loaded, ${changes}${error === null ? '' : ` (${error.code}: ${error.message})`}`,
      );
    }
    this.#write(`stopped: ${reason}`);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #summary(): void {
    const { tables, rowsApplied, sourceLagMs, targetLagMs, loaded } = this.#progress;
    const rows = [...tables.values()].reduce((sum, table) => sum + table.rowsLoaded, 0);
    const lag = targetLagMs === null ? '' : `, lag ${duration(targetLagMs)} (source ${duration(sourceLagMs ?? 0)})`;
    const line = loaded ? `changes ${count(rowsApplied)} rows applied${lag}` : `load   ${count(rows)} rows in`;
    if (line === this.#last) return;
    this.#last = line;
    this.#write(line);
  }

  #write(line: string): void {
    process.stdout.write(`${this.#name}  ${line}\n`);
  }
}
