import { readdir, readFile } from 'node:fs/promises';

/** Linux counts CPU time in ticks of 1/100 s on every architecture that Node runs on (USER_HZ, proc(5)). */
const TICK_MICROS = 10_000;
const SAMPLE_EVERY_MS = 500;

/** CPU time in microseconds, by who spent it. */
export interface CpuMicros {
  /** Programs that the bench started for the run: Millrace's processes, or the peer's. */
  readonly programs: number;
  readonly source: number;
  readonly target: number;
  readonly broker: number;
  readonly registry: number;
}

export type ServerName = Exclude<keyof CpuMicros, 'programs'>;
/** Main processes of the servers; their children (a PostgreSQL's backends) are theirs. */
export type ServerPids = Readonly<Record<ServerName, number>>;

export interface Cost {
  readonly seconds: number;
  readonly cpu: CpuMicros;
  /** Largest resident size of a single process among the programs. */
  readonly peakRssMb: number;
}

export function totalMicros(cpu: CpuMicros): number {
  return cpu.programs + cpu.source + cpu.target + cpu.broker + cpu.registry;
}

/** What `after - before` spent. */
export function spent(before: CpuMicros, after: CpuMicros): CpuMicros {
  return {
    programs: after.programs - before.programs,
    source: after.source - before.source,
    target: after.target - before.target,
    broker: after.broker - before.broker,
    registry: after.registry - before.registry,
  };
}

export interface ProcessTimes {
  readonly pid: number;
  readonly parent: number;
  /** Its own and that of the children it has waited for, which is where the dead ones' time goes. */
  readonly micros: number;
  readonly waitedMicros: number;
}

/** Reads `/proc/PID/stat`: "pid (comm) state ppid …" with utime, stime, cutime, cstime as fields 14 to 17 (proc(5)). */
export function parseStat(stat: string): ProcessTimes | undefined {
  // comm may hold spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [pid, parent, ...times] = [stat.slice(0, stat.indexOf(' ')), fields[1], ...fields.slice(11, 15)].map(Number);
  const [utime, stime, cutime, cstime] = times;
  if (pid === undefined || parent === undefined || utime === undefined || stime === undefined) return undefined;
  if (cutime === undefined || cstime === undefined) return undefined;
  const waitedMicros = (cutime + cstime) * TICK_MICROS;
  return { pid, parent, micros: (utime + stime) * TICK_MICROS + waitedMicros, waitedMicros };
}

/** All CPU of a process and its descendants, alive or waited for. */
export function treeMicros(all: readonly ProcessTimes[], root: number, except: ReadonlySet<number>): number {
  let total = 0;
  for (const entry of all) {
    if (entry.pid === root) total += entry.micros;
    else if (entry.parent === root && !except.has(entry.pid)) total += treeMicros(all, entry.pid, except);
  }
  return total;
}

/**
 * Measures one run from `start` to `finish`: CPU of everything that worked for it, dead children included, and the programs'
 * peak size. The bench's own process is not counted, what it starts is.
 */
export class CostMeter {
  readonly #servers: ServerPids;
  readonly #before: CpuMicros;
  readonly #startedMs: number;
  readonly #sampler: NodeJS.Timeout;
  #peakRssMb = 0;

  private constructor(servers: ServerPids, before: CpuMicros, startedMs: number) {
    this.#servers = servers;
    this.#before = before;
    this.#startedMs = startedMs;
    this.#sampler = setInterval(() => {
      // A process that ends while it is looked at has no size any more.
      this.#sample().catch(() => undefined);
    }, SAMPLE_EVERY_MS);
  }

  /** `startedMs`: the clock's beginning where it lies before this call (performance.now()). */
  static async start(servers: ServerPids, startedMs = performance.now()): Promise<CostMeter> {
    return new CostMeter(servers, await readCpu(servers), startedMs);
  }

  /** Ends the measurement; `endedMs` where the end was seen after it happened. */
  async finish(endedMs = performance.now()): Promise<Cost> {
    clearInterval(this.#sampler);
    await this.#sample();
    return {
      seconds: (endedMs - this.#startedMs) / 1_000,
      cpu: spent(this.#before, await readCpu(this.#servers)),
      peakRssMb: this.#peakRssMb,
    };
  }

  async #sample(): Promise<void> {
    const sizes = await programSizes(this.#servers);
    this.#peakRssMb = Math.max(this.#peakRssMb, ...sizes.map(({ peakMb }) => peakMb));
  }
}

/** CPU spent so far. */
export async function readCpu(servers: ServerPids): Promise<CpuMicros> {
  const all = await listProcesses();
  const except = serverSet(servers);
  const own = all.find(({ pid }) => pid === process.pid);
  const programs = all
    .filter(({ pid, parent }) => parent === process.pid && !except.has(pid))
    .reduce((sum, { pid }) => sum + treeMicros(all, pid, except), own?.waitedMicros ?? 0);
  const of = (pid: number): number => treeMicros(all, pid, new Set());
  return {
    programs,
    source: of(servers.source),
    target: of(servers.target),
    broker: of(servers.broker),
    registry: of(servers.registry),
  };
}

export interface ProcessSize {
  readonly pid: number;
  readonly nowMb: number;
  readonly peakMb: number;
}

/** Resident sizes of the programs that run now. */
export async function programSizes(servers: ServerPids): Promise<readonly ProcessSize[]> {
  const all = await listProcesses();
  const except = serverSet(servers);
  const programs = descendants(all, process.pid, except);
  const sizes = await Promise.all(programs.map(readSize));
  return sizes.filter((size) => size !== undefined);
}

function serverSet(servers: ServerPids): ReadonlySet<number> {
  return new Set([servers.source, servers.target, servers.broker, servers.registry]);
}

function descendants(all: readonly ProcessTimes[], root: number, except: ReadonlySet<number>): readonly number[] {
  return all
    .filter(({ pid, parent }) => parent === root && !except.has(pid))
    .flatMap(({ pid }) => [pid, ...descendants(all, pid, except)]);
}

async function readSize(pid: number): Promise<ProcessSize | undefined> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const kilobytes = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0);
  const peakMb = kilobytes('VmHWM') / 1_024;
  return peakMb === 0 ? undefined : { pid, nowMb: kilobytes('VmRSS') / 1_024, peakMb };
}

async function listProcesses(): Promise<readonly ProcessTimes[]> {
  const names = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const stats = await Promise.all(names.map((name) => readFile(`/proc/${name}/stat`, 'latin1').catch(() => '')));
  return stats.flatMap((stat) => (stat === '' ? [] : (parseStat(stat) ?? [])));
}
