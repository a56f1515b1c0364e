import { type ChildProcess, spawn } from 'node:child_process';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { GUARD_PROGRAM } from './paths.js';

/**
 * Ties servers, mounted file systems and scratch folders to the life of this process: whatever still stands when it ends, also by SIGKILL, is
 * stopped, unmounted or removed by a small program that outlives it (`bin/guard.mjs`).
 */
class Guard {
  #program: ChildProcess | undefined;

  /** Stops the server with `stopSignal` when this process ends. */
  async watchServer(pid: number, stopSignal: NodeJS.Signals): Promise<void> {
    await this.#say(`+server ${pid} ${stopSignal}`);
  }

  async forgetServer(pid: number): Promise<void> {
    if (this.#program !== undefined) await this.#say(`-server ${pid}`);
  }

  /** Unmounts the file system when this process ends, after the servers. */
  async watchMount(dir: string): Promise<void> {
    await this.#say(`+mount ${dir}`);
  }

  async forgetMount(dir: string): Promise<void> {
    if (this.#program !== undefined) await this.#say(`-mount ${dir}`);
  }

  /** Removes the folder and all in it when this process ends, after the servers. */
  async watchFolder(dir: string): Promise<void> {
    await this.#say(`+folder ${dir}`);
  }

  async forgetFolder(dir: string): Promise<void> {
    if (this.#program !== undefined) await this.#say(`-folder ${dir}`);
  }

  /** Resolves when the line is on its way: nothing that this process does afterwards can hold it back. */
  async #say(line: string): Promise<void> {
    this.#program ??= start();
    const { stdin } = this.#program;
    await new Promise<void>((resolve, reject) => {
      if (stdin === null) reject(new MillraceError('INTERNAL', { what: 'the guard has no standard input' }));
      else
        stdin.write(
          `${line}
`,
          (error) => (error === undefined || error === null ? resolve() : reject(error)),
        );
    });
  }
}

function start(): ChildProcess {
  // A process group of its own, so that a Ctrl-C at the terminal does not reach it before its work is done.
  const program = spawn(process.execPath, [GUARD_PROGRAM], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  program.unref();
  // The pipe must not keep this process alive: its end is what the guard waits for.
  if (program.stdin !== null && 'unref' in program.stdin && typeof program.stdin.unref === 'function') program.stdin.unref();
  // A guard that went away reports each write's failure to the writer.
  program.stdin?.on('error', () => undefined);
  return program;
}

/** The one guard of this process, started on first use. */
export const guard = new Guard();
