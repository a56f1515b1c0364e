import { setTimeout as delay } from 'node:timers/promises';
import type { LocalServer } from '@millrace/local/server-process.js';
import type { Stack } from '@millrace/local/stack.js';
import type { TcpProxy } from '../tcp-proxy.js';
import type { MillraceRun, Role } from './millrace-run.js';
import type { Random } from './random.js';

/** What strikes act on. */
export interface Battlefield {
  readonly random: Random;
  readonly servers: Readonly<Record<keyof Stack['servers'], LocalServer>>;
  /** What lies between the run and its two databases. */
  readonly proxies: Readonly<Record<'source' | 'target', TcpProxy>>;
  /** The run that is to be in force. */
  run: MillraceRun;
  readonly startRun: () => MillraceRun;
  /** Resolves when the target has moved on, by the run in force. */
  readonly progress: () => Promise<void>;
  readonly say: (text: string) => void;
}

export interface Strike {
  readonly name: string;
  readonly weight: number;
  readonly perform: (field: Battlefield) => Promise<void>;
}

const ZOMBIE_END_MS = 30_000;

export const STRIKES: readonly Strike[] = [
  { name: 'kill capture', weight: 5, perform: (field) => killWorkers(field, ['capture']) },
  { name: 'kill sink', weight: 5, perform: (field) => killWorkers(field, ['sink']) },
  { name: 'kill both workers', weight: 2, perform: (field) => killWorkers(field, ['capture', 'sink']) },
  { name: 'kill the run', weight: 2, perform: killRun },
  { name: 'stop and start the run', weight: 1, perform: restartRun },
  { name: 'kill Kafka', weight: 2, perform: (field) => killServer(field, 'kafka') },
  { name: 'stop registry', weight: 1, perform: restartRegistry },
  { name: 'kill source', weight: 3, perform: (field) => killServer(field, 'source') },
  { name: 'kill target', weight: 3, perform: (field) => killServer(field, 'target') },
  { name: 'freeze Kafka', weight: 1, perform: (field) => freezeServer(field, 'kafka') },
  { name: 'freeze target', weight: 1, perform: (field) => freezeServer(field, 'target') },
  { name: 'freeze source', weight: 1, perform: (field) => freezeServer(field, 'source') },
  { name: 'zombie capture', weight: 1, perform: (field) => zombie(field, ['capture']) },
  { name: 'zombie sink', weight: 1, perform: (field) => zombie(field, ['sink']) },
  { name: 'zombie run', weight: 1, perform: (field) => zombie(field, ['capture', 'sink']) },
  { name: 'reset source connections', weight: 1, perform: (field) => reset(field, 'source') },
  { name: 'reset target connections', weight: 1, perform: (field) => reset(field, 'target') },
  { name: 'stall source network', weight: 1, perform: (field) => stall(field, 'source') },
  { name: 'stall target network', weight: 1, perform: (field) => stall(field, 'target') },
  { name: 'half-open source connections', weight: 1, perform: (field) => halfOpen(field, 'source') },
  { name: 'half-open target connections', weight: 1, perform: (field) => halfOpen(field, 'target') },
];

/** Strikes that leave the run in force: good while it loads, as a load that starts over never ends. */
export const LOAD_STRIKES: readonly Strike[] = STRIKES.filter(({ name }) => /^(kill|stop registry|reset|stall)/.test(name));

export function pickStrike(strikes: readonly Strike[], random: Random): Strike {
  let ticket = random.below(strikes.reduce((sum, { weight }) => sum + weight, 0));
  for (const strike of strikes) {
    ticket -= strike.weight;
    if (ticket < 0) return strike;
  }
  throw new RangeError('no strikes to pick from');
}

async function killWorkers({ run }: Battlefield, roles: readonly Role[]): Promise<void> {
  for (const role of roles) run.signalWorker(role, 'SIGKILL');
}

async function killRun(field: Battlefield): Promise<void> {
  field.run.signalSupervisor('SIGKILL');
  await field.run.ended;
  field.run = field.startRun();
}

async function restartRun(field: Battlefield): Promise<void> {
  const { code, last } = await field.run.stop();
  if (code !== 0 || last?.reason !== 'signal')
    throw new Error(`a run stopped by SIGTERM ended with ${code}, ${JSON.stringify(last)}`);
  field.run = field.startRun();
}

async function killServer({ random, servers }: Battlefield, name: keyof Stack['servers']): Promise<void> {
  const server = servers[name];
  await server.kill('SIGKILL');
  await delay(random.below(2_000));
  await server.restart();
}

/** By an orderly stop: the stack's registry keeps its schemas in an H2 file, which is written up to half a second after it answered. */
async function restartRegistry({ random, servers }: Battlefield): Promise<void> {
  await servers.registry.stop();
  await delay(random.below(2_000));
  await servers.registry.restart();
}

async function freezeServer({ random, servers }: Battlefield, name: keyof Stack['servers']): Promise<void> {
  await servers[name].kill('SIGSTOP');
  await delay(1_000 + random.below(6_000));
  await servers[name].kill('SIGCONT');
}

/**
 * Pauses the run's supervisor and workers, lets a second run of the same name take over and move on, and wakes the first: it must
 * find itself fenced and end, and the readings show whether it wrote anything on the way.
 */
async function zombie(field: Battlefield, roles: readonly Role[]): Promise<void> {
  const sleeper = field.run;
  // A run that has claimed nothing yet would, once awake, be the newer of the two, and rightly fence the other.
  await field.progress();
  sleeper.signalSupervisor('SIGSTOP');
  for (const role of roles) sleeper.signalWorker(role, 'SIGSTOP');
  field.run = field.startRun();
  try {
    await field.progress();
  } finally {
    for (const role of roles) sleeper.signalWorker(role, 'SIGCONT');
    sleeper.signalSupervisor('SIGCONT');
  }
  const ended = await Promise.race([sleeper.ended, delay(ZOMBIE_END_MS, null, { ref: false })]);
  if (ended === null) {
    sleeper.signalSupervisor('SIGKILL');
    throw new Error(`a run that another one had fenced still ran ${ZOMBIE_END_MS / 1_000} s after it woke`);
  }
  if (ended.code !== 3 || ended.last?.reason !== 'fenced')
    throw new Error(`a fenced run ended with ${ended.code}, ${JSON.stringify(ended.last)}`);
}

async function reset({ proxies }: Battlefield, side: 'source' | 'target'): Promise<void> {
  proxies[side].reset();
}

async function stall({ proxies, random }: Battlefield, side: 'source' | 'target'): Promise<void> {
  const directions = (['to-server', 'to-client'] as const).filter((_, at) => at === random.below(3) || random.below(2) === 0);
  for (const direction of directions.length > 0 ? directions : (['to-client'] as const)) proxies[side].stall(direction);
  await delay(1_000 + random.below(7_000));
  proxies[side].heal();
}

async function halfOpen({ proxies }: Battlefield, side: 'source' | 'target'): Promise<void> {
  proxies[side].halfOpen();
}
