import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** One row of the system's process table. A pid is used again some day: `started` tells two holders of it apart. */
export interface ProcessEntry {
  readonly pid: number;
  readonly parent: number;
  /** Start time in the system's own words; only good for comparing. */
  readonly started: string;
}

/** The process, or undefined where there is none or only its zombie is left (a container's init may never reap it). */
export async function findProcess(pid: number): Promise<ProcessEntry | undefined> {
  if (process.platform === 'linux') return await readProcStat(String(pid));
  try {
    const { stdout } = await run('ps', ['-o', 'pid=,ppid=,stat=,lstart=', '-p', String(pid)]);
    return parsePsLine(stdout);
  } catch {
    return undefined;
  }
}

/** All live descendants of a process, parents before children. */
export async function descendantsOf(pid: number): Promise<readonly ProcessEntry[]> {
  const all = await listProcesses();
  const found: ProcessEntry[] = [];
  let generation = [pid];
  while (generation.length > 0) {
    const parents = new Set(generation);
    const children = all.filter((entry) => parents.has(entry.parent) && !found.some((seen) => seen.pid === entry.pid));
    found.push(...children);
    generation = children.map((entry) => entry.pid);
  }
  return found;
}

async function listProcesses(): Promise<readonly ProcessEntry[]> {
  if (process.platform === 'linux') {
    const names = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
    const entries = await Promise.all(names.map(readProcStat));
    return entries.filter((entry) => entry !== undefined);
  }
  const { stdout } = await run('ps', ['-A', '-o', 'pid=,ppid=,stat=,lstart='], { maxBuffer: 16 << 20 });
  return stdout
    .split('\n')
    .map(parsePsLine)
    .filter((entry) => entry !== undefined);
}

async function readProcStat(pid: string): Promise<ProcessEntry | undefined> {
  let stat: string;
  try {
    stat = await readFile(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined;
  }
  // proc(5): "pid (comm) state ppid …", where comm may hold spaces and parentheses; starttime is field 22.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, parent] = fields;
  const started = fields[19];
  if (state === undefined || parent === undefined || started === undefined || state === 'Z' || state === 'X') return undefined;
  return { pid: Number(pid), parent: Number(parent), started };
}

function parsePsLine(line: string): ProcessEntry | undefined {
  const [pid, parent, state, ...started] = line.trim().split(/\s+/);
  if (pid === undefined || parent === undefined || state === undefined || state.startsWith('Z')) return undefined;
  return { pid: Number(pid), parent: Number(parent), started: started.join(' ') };
}
