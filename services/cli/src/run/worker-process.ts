import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { FromWorker, StartWorker, ToWorker } from '../worker/messages.js';

/** As bundled: each program lies beside the others (bundle.js). */
const WORKER = fileURLToPath(new URL('worker.js', import.meta.url));

export interface WorkerExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** One service's process: it loads its code when it is made, works when it is started, and is ended by force where it does not stop. */
export class WorkerProcess {
  readonly exited: Promise<WorkerExit>;
  readonly #child: ChildProcess;
  lastHeardMs = performance.now();

  /** @param onLog Text of its log, in pieces; absent: it goes to our own stderr. */
  constructor(onLog: ((text: string) => void) | undefined) {
    const stdio: StdioOptions = ['ignore', 'ignore', onLog === undefined ? 'inherit' : 'pipe', 'ipc'];
    // Structured clone carries bigints.
    this.#child = spawn(process.execPath, ['--enable-source-maps', WORKER], { stdio, serialization: 'advanced' });
    if (onLog !== undefined) this.#child.stderr?.setEncoding('utf8').on('data', onLog);
    this.exited = new Promise((resolve) => {
      this.#child.once('error', () => resolve({ code: 1, signal: null }));
      this.#child.once('exit', (code, signal) => resolve({ code, signal }));
    });
    this.#child.on('message', () => {
      this.lastHeardMs = performance.now();
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Gives it its work, once. */
  start(start: StartWorker, onMessage: (message: FromWorker) => void): void {
    this.#child.on('message', (message: FromWorker) => {
      if (message.kind !== 'alive') onMessage(message);
    });
    this.#send(start);
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

/** Processes without work: they load their code while the servers are asked whether there is any. */
export class SpareWorkers implements Disposable {
  readonly #onLog: ((text: string) => void) | undefined;
  readonly #spare: WorkerProcess[];

  constructor(count: number, onLog: ((text: string) => void) | undefined) {
    this.#onLog = onLog;
    this.#spare = Array.from({ length: count }, () => new WorkerProcess(onLog));
  }

  /** A spare one, or a new one where none is left. */
  take(): WorkerProcess {
    return this.#spare.pop() ?? new WorkerProcess(this.#onLog);
  }

  /** Those without work have nothing to lose. */
  [Symbol.dispose](): void {
    for (const worker of this.#spare.splice(0)) worker.kill();
  }
}
