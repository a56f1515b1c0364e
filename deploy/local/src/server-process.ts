import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { invariant, MillraceError } from '@millrace/errors/millrace-error.js';
import { freePort, preferPort } from './free-port.js';
import { guard } from './guard.js';
import { descendantsOf, findProcess } from './process-table.js';
import { reasonText, waitUntil } from './wait-until.js';

/** A server on this machine, on 127.0.0.1. Its data stays in its folder over stops, kills and restarts, and so does its port. */
export interface LocalServer extends AsyncDisposable {
  /** The running server's main process. */
  readonly pid: number;
  readonly dir: string;
  readonly logFile: string;
  /** Clean stop, by SIGKILL after a deadline; resolves when the processes are gone. Stopping a stopped server does nothing. */
  stop(): Promise<void>;
  /**
   * Signals the server's main process; SIGKILL, SIGSTOP and SIGCONT reach its child processes too (PostgreSQL's backends),
   * as a power cut would. SIGKILL resolves when all of them are gone.
   */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Stops if running, starts again with the same data and port, resolves when it answers. */
  restart(): Promise<void>;
  /** Lets the server live on when this process ends; without it, the server ends with it, however it ends. */
  release(): Promise<void>;
}

export interface ServerDefinition {
  /** What people call it: "PostgreSQL", "Kafka". */
  readonly name: string;
  readonly dir: string;
  readonly port: number;
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Runs as this user; only root can. */
  readonly user?: { readonly uid: number; readonly gid: number };
  /** SIGINT is PostgreSQL's fast shutdown (manual, "Shutting Down the Server"). */
  readonly stopSignal: NodeJS.Signals;
  /** The server that runs from the folder already and is to be used as it is, if one does (`runningServer`). */
  readonly running?: ServerRecord | undefined;
  readonly readyDeadlineMs: number;
  /** One health check; rejects while the server does not answer yet. */
  readonly probe: () => Promise<void>;
}

const STOP_DEADLINE_MS = 30_000;
const LOG_TAIL_BYTES = 2_000;
const WHOLE_TREE: ReadonlySet<NodeJS.Signals> = new Set(['SIGKILL', 'SIGSTOP', 'SIGCONT']);

export class ServerProcess implements LocalServer {
  readonly logFile: string;
  #pid: number | undefined;
  /** How the current child ended; each child has its own, since an old one's exit may be reported after the next start. */
  #fate: { exit?: string } = {};

  private constructor(private readonly definition: ServerDefinition) {
    this.logFile = join(definition.dir, 'server.log');
  }

  /**
   * Starts the server, or takes up the running one, and resolves when its health check succeeds.
   *
   * @throws MillraceError `LOCAL_SERVER_EXITED` or `LOCAL_SERVER_NOT_READY`, with the end of the log.
   */
  static async start(definition: ServerDefinition): Promise<ServerProcess> {
    await mkdir(definition.dir, { recursive: true });
    const server = new ServerProcess(definition);
    if (definition.running === undefined) await server.#start();
    else await server.#takeUp(definition.running);
    return server;
  }

  get pid(): number {
    const pid = this.#pid;
    invariant(pid !== undefined, `${this.definition.name} is stopped and has no process`);
    return pid;
  }

  get dir(): string {
    return this.definition.dir;
  }

  async stop(): Promise<void> {
    const pid = this.#pid;
    if (pid === undefined) return;
    await endProcess(pid, this.definition.stopSignal);
    await this.#forget(pid);
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    const pid = this.pid;
    await signalServer(pid, signal);
    if (signal === 'SIGKILL') await this.#forget(pid);
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.#start();
  }

  async release(): Promise<void> {
    await guard.forgetServer(this.pid);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #takeUp(running: ServerRecord): Promise<void> {
    this.#pid = running.pid;
    this.#fate = {};
    await this.#untilReady();
  }

  async #forget(pid: number): Promise<void> {
    this.#pid = undefined;
    await guard.forgetServer(pid);
    await forgetServer(this.definition.dir);
  }

  async #start(): Promise<void> {
    const { definition } = this;
    const child = this.#spawn();
    const pid = await spawned(child, definition);
    this.#pid = pid;
    await guard.watchServer(pid, definition.stopSignal);
    const entry = await findProcess(pid);
    await recordServer(definition.dir, {
      pid,
      port: definition.port,
      started: entry?.started ?? '',
      stopSignal: definition.stopSignal,
    });
    try {
      await this.#untilReady();
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  #spawn(): ChildProcess {
    const { definition } = this;
    const log = openSync(this.logFile, 'a');
    try {
      // A session of its own: a Ctrl-C at the terminal is for the program that started the server, which then stops it in order.
      const child = spawn(definition.command, definition.args, {
        cwd: definition.cwd ?? definition.dir,
        env: { ...process.env, ...definition.env },
        stdio: ['ignore', log, log],
        detached: true,
        ...(definition.user ?? {}),
      });
      const fate: { exit?: string } = {};
      this.#fate = fate;
      child.once('exit', (code, signal) => {
        fate.exit = signal === null ? `exit code ${code}` : `by ${signal}`;
      });
      child.unref();
      return child;
    } finally {
      closeSync(log);
    }
  }

  async #untilReady(): Promise<void> {
    const { definition } = this;
    let lastReason: unknown = 'no answer';
    const outcome = await waitUntil(
      async () => {
        if (this.#fate.exit !== undefined) return 'exited' as const;
        try {
          await definition.probe();
          return 'ready' as const;
        } catch (error) {
          lastReason = error;
          throw error;
        }
      },
      { what: `${definition.name} to answer`, deadlineMs: definition.readyDeadlineMs },
    ).catch(() => 'late' as const);
    if (outcome === 'ready') return;
    const details = { server: definition.name, log: await this.#logTail(), logFile: this.logFile };
    if (outcome === 'exited') throw new MillraceError('LOCAL_SERVER_EXITED', { ...details, how: this.#fate.exit ?? 'unknown' });
    throw new MillraceError(
      'LOCAL_SERVER_NOT_READY',
      {
        ...details,
        seconds: definition.readyDeadlineMs / 1000,
        address: `127.0.0.1:${definition.port}`,
        reason: reasonText(lastReason),
      },
      { cause: lastReason },
    );
  }

  async #logTail(): Promise<string> {
    await using file = await open(this.logFile, 'r');
    const { size } = await file.stat();
    const length = Math.min(size, LOG_TAIL_BYTES);
    const { buffer } = await file.read({ buffer: Buffer.alloc(length), position: size - length });
    return buffer.toString('utf8').trim();
  }
}

function spawned(child: ChildProcess, definition: ServerDefinition): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', (cause) => {
      const details = {
        server: definition.name,
        how: `${definition.command}: ${cause.message}`,
        log: '',
        logFile: join(definition.dir, 'server.log'),
      };
      reject(new MillraceError('LOCAL_SERVER_EXITED', details, { cause }));
    });
    child.once('spawn', () => {
      if (child.pid !== undefined) resolve(child.pid);
    });
  });
}

async function signalServer(pid: number, signal: NodeJS.Signals): Promise<void> {
  const family = WHOLE_TREE.has(signal) ? [pid, ...(await descendantsOf(pid)).map((entry) => entry.pid)] : [pid];
  for (const member of family) trySignal(member, signal);
  if (signal === 'SIGKILL') await untilGone(family);
}

async function endProcess(pid: number, stopSignal: NodeJS.Signals): Promise<void> {
  const family = [pid, ...(await descendantsOf(pid)).map((entry) => entry.pid)];
  // A process that a test has stopped takes the stop signal only once it runs again.
  for (const member of family) trySignal(member, 'SIGCONT');
  trySignal(pid, stopSignal);
  try {
    await untilGone(family);
  } catch {
    await signalServer(pid, 'SIGKILL');
  }
}

function trySignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // Gone already: what the signal was to bring about.
  }
}

async function untilGone(pids: readonly number[]): Promise<void> {
  await waitUntil(
    async () => {
      const entries = await Promise.all(pids.map(findProcess));
      return entries.every((entry) => entry === undefined);
    },
    { what: `processes ${pids.join(', ')} to end`, deadlineMs: STOP_DEADLINE_MS, everyMs: 20 },
  );
}

/** What a server's folder remembers of it, so that another process can find and stop it. */
export interface ServerRecord {
  readonly pid: number;
  readonly port: number;
  readonly started: string;
  readonly stopSignal: NodeJS.Signals;
}

const RECORD_FILE = 'server.pid';
const PORT_FILE = 'server.port';

async function recordServer(dir: string, record: ServerRecord): Promise<void> {
  await writeFile(join(dir, PORT_FILE), `${record.port}\n`);
  await writeFile(join(dir, RECORD_FILE), `${record.pid} ${record.port} ${record.stopSignal} ${record.started}\n`);
}

async function forgetServer(dir: string): Promise<void> {
  await rm(join(dir, RECORD_FILE), { force: true });
}

/** A port for the folder's server: the one it had last, else `preferred`, where they are free, else any free one. */
export async function portFor(dir: string, preferred?: number): Promise<number> {
  const text = await readFile(join(dir, PORT_FILE), 'utf8').catch(() => '');
  const last = Number(text.trim());
  const wanted = last > 0 ? last : preferred;
  return wanted === undefined ? await freePort() : await preferPort(wanted);
}

/** The server that runs from this folder, if one does, whoever started it. */
export async function runningServer(dir: string): Promise<ServerRecord | undefined> {
  let text: string;
  try {
    text = await readFile(join(dir, RECORD_FILE), 'utf8');
  } catch {
    return undefined;
  }
  const [pid, port, stopSignal, ...started] = text.trim().split(' ');
  const record = {
    pid: Number(pid),
    port: Number(port),
    started: started.join(' '),
    stopSignal: stopSignal === 'SIGINT' ? 'SIGINT' : 'SIGTERM',
  } as const;
  const entry = await findProcess(record.pid);
  return entry !== undefined && entry.started === record.started ? record : undefined;
}

/** Stops the server that runs from this folder. True if there was one. */
export async function stopServerIn(dir: string): Promise<boolean> {
  const record = await runningServer(dir);
  if (record !== undefined) await endProcess(record.pid, record.stopSignal);
  await forgetServer(dir);
  return record !== undefined;
}
