import { join } from 'node:path';
import type { Addresses } from '@millrace/local/stack.js';
import { waitUntil } from '@millrace/local/wait-until.js';
import { createPrefix, isPrefix, PREFIX_STEP, type PrefixReading, readPrefix } from '../checkers/prefix.js';
import { commitSteadily } from '../checkers/steady-load.js';
import { createDatabase, removeFolder, scratchFolder, sharedServers, uniqueWord, withClient } from '../servers.js';
import { MillraceRun } from './millrace-run.js';

export interface TaskUnderTest extends AsyncDisposable {
  readonly name: string;
  readonly addresses: Addresses;
  /** The test's own folder: logs, and what else it needs. */
  readonly dir: string;
  /** `millrace <words…>` for this task and schema `prefix`. */
  readonly command: (words: readonly string[], environment?: Readonly<Record<string, string>>) => MillraceRun;
  /** Steps on the source until the signal. */
  readonly steps: (perSecond: number, signal: AbortSignal) => Promise<unknown>;
  readonly sourceSteps: () => Promise<number>;
  /** Waits until the target is at the source's last step, and checks that it is exactly that state. Nothing may be writing. */
  readonly untilEqual: (run: MillraceRun, deadlineMs: number) => Promise<PrefixReading>;
  /** `millrace verify` must find every row equal. */
  readonly verify: () => Promise<void>;
}

export interface TaskPlace {
  /** Instead of the shared servers. */
  readonly addresses?: Partial<Addresses>;
  /** Arguments beside name and selection. */
  readonly args?: readonly string[];
}

/** A task of its own, from the prefix checker's schema in a new database to an empty one; all commands started end with it. */
export async function openTask(place: TaskPlace = {}): Promise<TaskUnderTest> {
  const name = uniqueWord();
  const dir = await scratchFolder();
  const source = await createDatabase(place.addresses?.SOURCE_URL);
  const target = await createDatabase(place.addresses?.TARGET_URL);
  const shared = sharedServers();
  const addresses: Addresses = {
    KAFKA_BROKERS: place.addresses?.KAFKA_BROKERS ?? (await shared.kafka()),
    SCHEMA_REGISTRY_URL: place.addresses?.SCHEMA_REGISTRY_URL ?? (await shared.registry()),
    SOURCE_URL: source.url,
    TARGET_URL: target.url,
  };
  await withClient(source.url, createPrefix);
  const started: MillraceRun[] = [];
  const command = (words: readonly string[], environment: Readonly<Record<string, string>> = {}): MillraceRun => {
    const args = [...words, '--name', name, '--include', 'prefix.%', ...(place.args ?? [])];
    const run = new MillraceRun({ args, addresses, environment, logFile: join(dir, 'millrace.log') });
    started.push(run);
    return run;
  };
  const sourceSteps = (): Promise<number> =>
    withClient(source.url, async (client) =>
      Number((await client.query<{ n: string }>('SELECT n FROM prefix.counter')).rows[0]?.n),
    );
  return {
    name,
    addresses,
    dir,
    command,
    sourceSteps,
    steps: (perSecond, signal) =>
      commitSteadily({ engine: 'postgres', url: source.url, perSecond, connections: 2, statement: () => PREFIX_STEP }, signal),
    async untilEqual(run, deadlineMs) {
      const goal = await sourceSteps();
      const reading = await waitUntil(
        async () => {
          if (run.outcome !== null) return run.outcome;
          const now = await withClient(target.url, readPrefix);
          return now.counter >= goal && isPrefix(now) ? now : undefined;
        },
        { what: `the target to be the source after step ${goal}`, deadlineMs, everyMs: 200 },
      );
      if ('code' in reading) throw new Error(`the run ended by itself: ${JSON.stringify(reading)}`);
      return reading;
    },
    async verify() {
      const run = command(['verify']);
      const { code } = await run.ended;
      if (code !== 0) throw new Error(`millrace verify: exit code ${code}, ${JSON.stringify(run.lines)}`);
    },
    async [Symbol.asyncDispose]() {
      for (const run of started) {
        if (run.outcome !== null) continue;
        run.signalSupervisor('SIGCONT');
        run.signalSupervisor('SIGKILL');
        for (const role of ['capture', 'sink'] as const) run.signalWorker(role, 'SIGKILL');
        await run.ended;
      }
      await source[Symbol.asyncDispose]();
      await target[Symbol.asyncDispose]();
      await removeFolder(dir);
    },
  };
}
