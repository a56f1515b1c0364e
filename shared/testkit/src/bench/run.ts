import { join } from 'node:path';
import { withClient } from '@millrace/local/postgres.js';
import { waitUntil } from '@millrace/local/wait-until.js';
import { MillraceRun } from '../chaos/millrace-run.js';
import type { BenchPlace, BenchServers } from './servers.js';

const START_DEADLINE_MS = 60_000;
const RUN_DEADLINE_MS = 900_000;
const LOOK_EVERY_MS = 10;

/** A slot's reader is at work: where every clock starts, Millrace's and its peers' alike. */
export async function slotIsActive(servers: BenchServers, slot: string): Promise<void> {
  await withClient(servers.source.url, (client) =>
    waitUntil(
      async () => {
        const { rows } = await client.query<{ active: boolean }>(
          'SELECT active FROM pg_replication_slots WHERE slot_name LIKE $1',
          [slot],
        );
        return rows.some(({ active }) => active);
      },
      { what: `a reader on slot ${slot}`, deadlineMs: START_DEADLINE_MS, everyMs: LOOK_EVERY_MS },
    ),
  );
}

/** The sentinel, the backlog's last row, can be read in the target. */
export async function sentinelArrived(servers: { readonly target: { readonly url: string } }, id = 1): Promise<void> {
  await withClient(servers.target.url, (client) =>
    waitUntil(
      async () =>
        (await client.query({ name: 'sentinel', text: 'SELECT FROM bench.sentinel WHERE id = $1', values: [id] })).rowCount === 1,
      { what: 'the last row in the target', deadlineMs: RUN_DEADLINE_MS, everyMs: LOOK_EVERY_MS },
    ),
  );
}

/** Name pattern of the slot that a task's capture makes. */
export function slotOf(task: string): string {
  return `millrace_${task}\\_%`;
}

/** Starts `millrace COMMAND` for a task over the schema `bench`, changes only unless `args` say otherwise. */
export function startMillrace(
  servers: BenchPlace,
  command: string,
  task: string,
  args: readonly string[] = ['--migration-type', 'cdc'],
): MillraceRun {
  return new MillraceRun({
    args: [command, '--name', task, '--include', 'bench.%', ...args],
    addresses: servers.addresses,
    logFile: join(servers.dir, `${task}.log`),
  });
}

/** Makes the task's journal, slot and checkpoint, so that what is written next is its backlog. */
export async function prepareTask(servers: BenchPlace, task: string): Promise<void> {
  await succeed(startMillrace(servers, 'run', task, ['--migration-type', 'cdc', '--until', 'caught-up']), `preparing ${task}`);
}

export async function removeTask(servers: BenchPlace, task: string): Promise<void> {
  const { addresses, dir } = servers;
  await succeed(
    new MillraceRun({ args: ['remove', '--name', task, '--yes'], addresses, logFile: join(dir, `${task}.log`) }),
    `removing ${task}`,
  );
}

/** @throws Error where the command did not end with 0. */
export async function succeed(run: MillraceRun, doing: string): Promise<void> {
  const { code, last } = await run.ended;
  if (code !== 0) throw new Error(`${doing}: millrace ended with ${code}: ${JSON.stringify(last?.error ?? last)}`);
}
