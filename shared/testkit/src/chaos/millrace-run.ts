import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Addresses } from '@millrace/local/stack.js';
import { waitUntil } from '@millrace/local/wait-until.js';

const MILLRACE = fileURLToPath(new URL('../../../../services/cli/bin/millrace.js', import.meta.url));

export type Role = 'capture' | 'sink';

/** One line of `--json`; only what the tests read of it. */
export interface JsonLine {
  readonly event: string;
  readonly role?: Role;
  readonly pid?: number;
  readonly cause?: string;
  readonly reason?: string;
  readonly verdict?: string;
  readonly rows?: number;
  readonly error?: { readonly code: string; readonly class: string; readonly message: string; readonly remedy: string };
  readonly tables?: readonly {
    readonly schema: string;
    readonly table: string;
    readonly state: string;
    readonly rowsLoaded: number;
    readonly errors: number;
  }[];
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly last: JsonLine | undefined;
}

export interface MillraceOptions {
  readonly args: readonly string[];
  readonly addresses: Addresses;
  /** Further environment of the command and its workers. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Gets every line of stdout and stderr, appended. */
  readonly logFile: string;
}

/** A `millrace` command as a user starts it, with its workers' processes as it tells of them. */
export class MillraceRun {
  readonly lines: JsonLine[] = [];
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcess;
  readonly #pids = new Map<Role, number>();
  #ended: Ended | undefined;

  constructor({ args, addresses, environment, logFile }: MillraceOptions) {
    const log = openSync(logFile, 'a');
    try {
      this.#child = spawn(process.execPath, [MILLRACE, ...args, '--json', '--log-level', 'info'], {
        stdio: ['ignore', 'pipe', log],
        env: { ...process.env, ...addresses, ...environment },
      });
    } finally {
      closeSync(log);
    }
    const { stdout } = this.#child;
    if (stdout !== null) createInterface({ input: stdout }).on('line', (text) => this.#take(JSON.parse(text)));
    this.ended = new Promise((resolve) =>
      this.#child.once('exit', (code, signal) => {
        this.#ended = { code, signal, last: undefined };
        // Workers hold no end of the pipe: the last lines are on their way, or will never come.
        stdout?.once('close', () => this.#settle(code, signal, resolve));
        if (stdout === null || stdout.destroyed) this.#settle(code, signal, resolve);
      }),
    );
  }

  /** Null while it runs. */
  get outcome(): Ended | null {
    return this.#ended ?? null;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  pidOf(role: Role): number | undefined {
    return this.#pids.get(role);
  }

  has(event: string): boolean {
    return this.lines.some((line) => line.event === event);
  }

  /** Waits for a line. @throws MillraceError LOCAL_WAIT_EXPIRED */
  async line(what: string, matches: (line: JsonLine) => boolean, deadlineMs: number): Promise<JsonLine> {
    return waitUntil(
      () => {
        const found = this.lines.find(matches);
        if (found === undefined && this.#ended !== undefined) throw new Error(`the run ended: ${JSON.stringify(this.#ended)}`);
        return found;
      },
      { what, deadlineMs },
    );
  }

  signalSupervisor(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Returns false where the worker is not there at the moment. */
  signalWorker(role: Role, signal: NodeJS.Signals): boolean {
    const pid = this.#pids.get(role);
    if (pid === undefined) return false;
    try {
      return process.kill(pid, signal);
    } catch {
      return false;
    }
  }

  async stop(): Promise<Ended> {
    this.#child.kill('SIGTERM');
    return this.ended;
  }

  #take(line: JsonLine): void {
    // A long run's progress is not kept: only what somebody may ask for.
    if (line.event !== 'progress') this.lines.push(line);
    if (line.event === 'started' && line.role !== undefined && line.pid !== undefined) this.#pids.set(line.role, line.pid);
  }

  #settle(code: number | null, signal: NodeJS.Signals | null, resolve: (ended: Ended) => void): void {
    this.#ended = { code, signal, last: this.lines.at(-1) };
    resolve(this.#ended);
  }
}
