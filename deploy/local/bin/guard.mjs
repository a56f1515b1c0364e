// Ends local servers whose starter is gone, however it went (SIGKILL included): the starter holds this program's standard input
// open, and says on it what to watch. When the input ends, every server still named is stopped, every file system still named is
// unmounted and every folder still named is removed.
// Lines: "+server PID SIGNAL" · "-server PID" · "+mount PATH" · "-mount PATH" · "+folder PATH" · "-folder PATH"
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';

const STOP_DEADLINE_MS = 10_000;
const servers = new Map();
const mounts = new Set();
const folders = new Set();

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});

for await (const line of createInterface({ input: process.stdin })) {
  const [word, first] = line.split(' ');
  const rest = line.slice(word.length + 1);
  if (word === '+server') servers.set(Number(first), rest.slice(first.length + 1));
  else if (word === '-server') servers.delete(Number(first));
  else if (word === '+mount') mounts.add(rest);
  else if (word === '-mount') mounts.delete(rest);
  else if (word === '+folder') folders.add(rest);
  else if (word === '-folder') folders.delete(rest);
}

const alive = (pid) => signalled(pid, 0);
function signalled(pid, signal) {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

for (const [pid, signal] of servers) {
  signalled(pid, 'SIGCONT'); // a server stopped by a test takes no other signal
  signalled(pid, signal);
}
const end = performance.now() + STOP_DEADLINE_MS;
while (performance.now() < end && [...servers.keys()].some(alive)) await delay(50);
for (const pid of servers.keys()) signalled(pid, 'SIGKILL');
for (const mount of mounts) spawnSync('umount', ['--lazy', mount]);
for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
