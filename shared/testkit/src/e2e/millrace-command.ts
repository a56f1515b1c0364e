import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { guard } from '@millrace/local/guard.js';
import { z } from 'zod';
import { waitUntil } from '../servers.js';

const MILLRACE = fileURLToPath(new URL('../../../../services/cli/bin/millrace.js', import.meta.url));

const line = z.looseObject({ event: z.string() });
/** One line of `--json`. */
export type JsonLine = z.infer<typeof line>;

export interface CommandEnd {
  /** Null where a signal ended it. */
  readonly code: number | null;
  /** Every line of stdout where it was run with `--json`. */
  readonly lines: readonly JsonLine[];
  /** What stdout held beside JSON objects though `--json` was given; must stay empty. */
  readonly foreign: readonly string[];
  readonly stdout: string;
  readonly stderr: string;
}

/** A `millrace` command as a user starts it: a process of its own, from the built program. */
export class MillraceCommand implements AsyncDisposable {
  /** Resolves when the process has gone and everything it wrote is read. */
  readonly ended: Promise<CommandEnd>;
  readonly lines: JsonLine[] = [];
  readonly #foreign: string[] = [];
  readonly #child: ChildProcess;
  #stdout = '';
  #stderr = '';

  private constructor(child: ChildProcess, json: boolean) {
    this.#child = child;
    if (child.stdout !== null) {
      createInterface({ input: child.stdout }).on('line', (text) => {
        this.#stdout += `${text}\n`;
        if (json) this.#read(text);
      });
    }
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    this.ended = new Promise((resolve) =>
      child.once('close', (code) =>
        resolve({ code, lines: this.lines, foreign: this.#foreign, stdout: this.#stdout, stderr: this.#stderr }),
      ),
    );
  }

  static async start(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<MillraceCommand> {
    const child = spawn(process.execPath, [MILLRACE, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    const command = new MillraceCommand(child, args.includes('--json'));
    if (child.pid !== undefined) await guard.watchServer(child.pid, 'SIGKILL');
    return command;
  }

  /** Runs a command to its end. */
  static async run(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<CommandEnd> {
    await using command = await MillraceCommand.start(args, env);
    return await command.ended;
  }

  /** The first line that fits, whether it has come already or is still to come. */
  line(fits: (line: JsonLine) => boolean, what: string, deadlineMs = 60_000): Promise<JsonLine> {
    return waitUntil(() => this.lines.find(fits), {
      what: `${what} from millrace; stderr so far: ${this.#stderr.slice(-2_000)}`,
      deadlineMs,
    });
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { pid, exitCode, signalCode } = this.#child;
    if (exitCode === null && signalCode === null) this.#child.kill('SIGTERM');
    await this.ended;
    if (pid !== undefined) await guard.forgetServer(pid);
  }

  #read(text: string): void {
    try {
      this.lines.push(line.parse(JSON.parse(text)));
    } catch {
      this.#foreign.push(text);
    }
  }
}
