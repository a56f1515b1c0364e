import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { FromWorker, StartWorker, ToWorker, WorkerRole } from '../worker/messages.js';

const WORKER = fileURLToPath(new URL('../worker/main.js', import.meta.url));

export interface WorkerExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface WorkerListeners {
  readonly onMessage: (message: FromWorker) => void;
  /** Text of its log, in pieces; absent: it goes to our own stderr. */
  readonly onLog?: (text: string) => void;
}

/** One service's process: started, heard, stopped, and ended by force where it does not stop. */
export class WorkerProcess {
  readonly role: WorkerRole;
  readonly exited: Promise<WorkerExit>;
  readonly #child: ChildProcess;
  lastHeardMs = performance.now();

  constructor(start: StartWorker, { onMessage, onLog }: WorkerListeners) {
    this.role = start.role;
    const stdio: StdioOptions = ['ignore', 'ignore', onLog === undefined ? 'inherit' : 'pipe', 'ipc'];
    // Structured clone carries bigints.
    this.#child = spawn(process.execPath, ['--enable-source-maps', WORKER], { stdio, serialization: 'advanced' });
    if (onLog !== undefined) this.#child.stderr?.setEncoding('utf8').on('data', onLog);
    this.exited = new Promise((resolve) => {
      this.#child.once('error', () => resolve({ code: 1, signal: null }));
      this.#child.once('exit', (code, signal) => resolve({ code, signal }));
    });
    this.#child.on('message', (message: FromWorker) => {
      this.lastHeardMs = performance.now();
      if (message.kind !== 'alive') onMessage(message);
    });
    this.#send(start);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Asks it to stop; after `graceMs` it is killed, which a restart survives like any crash. */
  stop(graceMs: number): void {
    this.#send({ kind: 'stop' });
    const force = setTimeout(() => this.kill(), graceMs);
    this.#child.once('exit', () => clearTimeout(force));
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  #send(message: ToWorker): void {
    if (this.#child.connected) this.#child.send(message, () => undefined);
  }
}
