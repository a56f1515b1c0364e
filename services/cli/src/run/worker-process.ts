import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { TaskConfig } from '@millrace/config/task-options.js';
import type { FromWorker, StartWorker, ToWorker, WorkerRole } from '../worker/messages.js';

const WORKER = fileURLToPath(new URL('../worker/main.js', import.meta.url));

export interface WorkerExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** One service's process: started, heard, stopped, and ended by force where it does not stop. */
export class WorkerProcess {
  readonly role: WorkerRole;
  readonly exited: Promise<WorkerExit>;
  readonly #child: ChildProcess;
  lastHeardMs = Date.now();

  constructor(role: WorkerRole, config: TaskConfig, onMessage: (message: FromWorker) => void) {
    this.role = role;
    // Structured clone carries bigints; logs go to our own stderr.
    this.#child = spawn(process.execPath, ['--enable-source-maps', WORKER], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      serialization: 'advanced',
    });
    this.exited = new Promise((resolve) => {
      this.#child.once('error', () => resolve({ code: 1, signal: null }));
      this.#child.once('exit', (code, signal) => resolve({ code, signal }));
    });
    this.#child.on('message', (message: FromWorker) => {
      this.lastHeardMs = Date.now();
      if (message.kind !== 'alive') onMessage(message);
    });
    this.#send({ kind: 'start', role, config });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Asks it to stop; after `graceMs` it is killed, which a restart survives like any crash. */
  async stop(graceMs: number): Promise<WorkerExit> {
    this.#send({ kind: 'stop' });
    const force = setTimeout(() => this.kill(), graceMs);
    try {
      return await this.exited;
    } finally {
      clearTimeout(force);
    }
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  #send(message: ToWorker): void {
    if (this.#child.connected) this.#child.send(message, () => undefined);
  }
}
