import { createInterface } from 'node:readline/promises';
import type { TaskConfig } from '@millrace/config/task-options.js';
import { removeTask } from '../task/remove-task.js';
import { openTask } from '../task/task.js';

/** `millrace remove`: says what it will drop, asks unless `--yes`, drops it. 0 also where nothing was there. */
export async function removeCommand(
  config: Omit<
    TaskConfig,
    | 'migrationType'
    | 'include'
    | 'exclude'
    | 'outageMinutes'
    | 'journalRetentionHours'
    | 'until'
    | 'metricsPort'
    | 'tableMappings'
    | 'taskSettings'
  >,
  yes: boolean,
): Promise<number> {
  const task = await openTask({
    ...config,
    migrationType: 'full-load-and-cdc',
    include: [],
    exclude: [],
    outageMinutes: 10,
    journalRetentionHours: 0,
  });
  const plan = [
    `replication slot and publication of ${config.name} in the source`,
    `checkpoint and table states of ${config.name} in the target (its rows stay)`,
    ...Object.values(task.topics).map((topic) => `topic ${topic} and its subjects`),
  ];
  if (!config.json) process.stdout.write(`This drops:\n${plan.map((line) => `  ${line}\n`).join('')}`);
  if (!yes && !(await confirmed(config.name))) {
    process.stderr.write("Nothing was dropped. Say --yes, or type the task's name.\n");
    return 1;
  }
  const dropped = await removeTask(task);
  if (config.json) process.stdout.write(`${JSON.stringify({ event: 'removed', dropped })}\n`);
  else
    process.stdout.write(
      dropped.length === 0 ? 'There was nothing to drop.\n' : `Dropped:\n${dropped.map((line) => `  ${line}\n`).join('')}`,
    );
  return 0;
}

async function confirmed(name: string): Promise<boolean> {
  if (!process.stdin.isTTY) return false;
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await terminal.question(`Type the task's name (${name}) to drop it: `)) === name;
  } finally {
    terminal.close();
  }
}
