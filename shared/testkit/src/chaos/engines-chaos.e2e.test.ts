import { join } from 'node:path';
import { type StackEngine, startStack } from '@millrace/local/stack.js';
import { expect, test } from 'vitest';
import { removeFolder, scratchFolder } from '../servers.js';
import { runEpisode } from './episode.js';

const PAIRS: readonly { readonly source: StackEngine; readonly target: StackEngine }[] = [
  { source: 'mysql', target: 'postgres' },
  { source: 'mariadb', target: 'postgres' },
];

test.each(PAIRS)(
  '$source to $target: 10 kills at random places of a load and its stream lose, double and tear nothing',
  {
    timeout: 300_000,
  },
  async (engines) => {
    const seed = Number(process.env['SEED'] ?? 1 + Math.floor(Math.random() * 1_000_000));
    const say = (text: string): void => void process.stdout.write(`${text}\n`);
    say(`${engines.source} to ${engines.target}, SEED=${seed}`);
    const dir = await scratchFolder();
    await using stack = await startStack({ dir, engines, environment: {}, ports: 'any', report: () => undefined });
    const result = await runEpisode({
      stack,
      engines,
      seed,
      kills: 10,
      accounts: 100_000,
      stepsPerSecond: 50,
      name: 'chaos',
      logFolder: join(dir, 'log'),
      say,
    });
    expect(result).toMatchObject({ kills: 10, lost: 0, duplicated: 0, torn: 0 });
    expect(result.checks).toBeGreaterThan(10);
    await stack[Symbol.asyncDispose]();
    await removeFolder(dir);
  },
);
