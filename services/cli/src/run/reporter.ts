import type { TaskConfig } from '@millrace/config/task-options.js';
import type { Finding } from '@millrace/contract/finding.js';
import type { SinkState } from '@millrace/contract/sink.js';
import type { FromWorker, WorkerFailure, WorkerRole } from '../worker/messages.js';
import { JsonReporter } from './json-reporter.js';
import { LineReporter } from './line-reporter.js';
import type { RunProgress } from './progress.js';
import { ScreenReporter } from './screen-reporter.js';
import type { Outcome } from './supervisor.js';

/** Tells whoever watches what a run does: a program by JSON lines, a person by lines or a screen. */
export interface Reporter {
  finding(finding: Finding): void;
  /** A server is away at the start and is asked again. */
  waiting(failure: WorkerFailure, inMs: number): void;
  /** Settings of the task settings file that have no meaning here. */
  ignoredSettings(names: readonly string[]): void;
  message(role: WorkerRole, message: FromWorker): void;
  started(role: WorkerRole, pid: number): void;
  restarting(role: WorkerRole, cause: string, inMs: number): void;
  /** The last word; `state` is the target's own account, null where it could not be asked. */
  stopped(outcome: Outcome, state: SinkState | null): void;
  close(): void;
  /** Takes the workers' log where it would spoil what is shown; absent: it goes to stderr as it is. */
  readonly log?: ((text: string) => void) | undefined;
}

export function createReporter(config: TaskConfig, progress: RunProgress): Reporter {
  if (config.json) return new JsonReporter(progress);
  return process.stdout.isTTY === true ? new ScreenReporter(config, progress) : new LineReporter(config.name, progress);
}
