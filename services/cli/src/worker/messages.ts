import type { CaptureStatus } from '@millrace/capture-runtime/capture.js';
import type { TaskConfig } from '@millrace/config/task-options.js';
import type { Claimant } from '@millrace/contract/task.js';
import type { SinkStatus } from '@millrace/sink-runtime/sink.js';

export type WorkerRole = 'capture' | 'sink';

/** Supervisor → worker, over the process's own channel: secrets are in no argument list and no environment. */
export type ToWorker = StartWorker | { readonly kind: 'stop' };

export interface StartWorker {
  readonly kind: 'start';
  readonly role: WorkerRole;
  readonly config: TaskConfig;
  readonly claimant: Claimant;
}

export interface WorkerFailure {
  readonly code: string;
  readonly class: 'retry' | 'operator' | 'fatal';
  readonly message: string;
  readonly cause: string;
  readonly remedy: string;
}

/** Worker → supervisor. */
export type FromWorker =
  | { readonly kind: 'alive' }
  | { readonly kind: 'capture'; readonly status: CaptureStatus }
  | { readonly kind: 'sink'; readonly status: SinkStatus }
  /** Tried again by itself after `inMs`. */
  | { readonly kind: 'retrying'; readonly failure: WorkerFailure; readonly inMs: number }
  /** The last message of a worker that gives up. */
  | { readonly kind: 'failed'; readonly failure: WorkerFailure }
  | { readonly kind: 'stopped' };

/** The worker has claimed the journal or the target for its run. */
export function tellsOfClaim(message: Extract<FromWorker, { kind: 'capture' | 'sink' }>): boolean {
  return message.kind === 'capture' ? message.status.kind === 'claimed' : message.status.kind === 'opened';
}
