import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Addresses } from '@millrace/local/stack.js';

const MILLRACE = fileURLToPath(new URL('../../../../services/cli/bin/millrace.js', import.meta.url));

/** One line of `millrace run --json`; only what the demo reads of it. */
export interface RunLine {
  readonly event: string;
  readonly role?: string;
  readonly pid?: number;
  readonly rowsLoaded?: number;
  readonly rowsApplied?: number;
  readonly transactionsApplied?: number;
  readonly targetLagMs?: number | null;
  readonly reason?: string;
  readonly error?: { readonly code: string; readonly message: string; readonly remedy: string };
}

export interface Ended {
  readonly code: number | null;
  readonly last: RunLine | undefined;
}

/** A `millrace` command as a user starts it, its JSON lines read as they come. */
export class Replication {
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcess;
  readonly #pids = new Map<string, number>();
  #last: RunLine | undefined;

  constructor(args: readonly string[], addresses: Addresses, onLine: (line: RunLine) => void) {
    this.#child = spawn(process.execPath, [MILLRACE, ...args, '--json', '--log-level', 'fatal'], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, ...addresses },
    });
    const { stdout } = this.#child;
    if (stdout !== null) {
      createInterface({ input: stdout }).on('line', (text) => {
        const line: RunLine = JSON.parse(text);
        this.#last = line;
        if (line.event === 'started' && line.role !== undefined && line.pid !== undefined) this.#pids.set(line.role, line.pid);
        onLine(line);
      });
    }
    this.ended = new Promise((resolve) => this.#child.once('close', (code) => resolve({ code, last: this.#last })));
  }

  /** SIGKILL to the process of one worker; the run starts it again. */
  killWorker(role: 'capture' | 'sink'): number | null {
    const pid = this.#pids.get(role);
    if (pid === undefined) return null;
    process.kill(pid, 'SIGKILL');
    return pid;
  }

  async stop(): Promise<Ended> {
    this.#child.kill('SIGTERM');
    return this.ended;
  }
}
