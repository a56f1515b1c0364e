import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface ProgramOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly user?: { readonly uid: number; readonly gid: number };
}

/** Runs a program to its end and returns what it wrote to stdout and stderr. @throws Error with both, if it fails. */
export async function runProgram(command: string, args: readonly string[], options: ProgramOptions = {}): Promise<string> {
  const { stdout, stderr } = await run(command, args, {
    maxBuffer: 16 << 20,
    env: { ...process.env, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.user ?? {}),
  });
  return stdout + stderr;
}

/** True where the program can be started at all. */
export async function hasProgram(command: string): Promise<boolean> {
  return await runProgram(command, ['--version']).then(
    () => true,
    () => false,
  );
}
