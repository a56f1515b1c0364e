import { join } from 'node:path';
import { startStack } from '@millrace/local/stack.js';
import { expect, test } from 'vitest';
import { removeFolder, scratchFolder } from '../servers.js';
import { runEpisode } from './episode.js';

test('25 kills at random places of a load and its stream: nothing is lost, doubled or torn, and every row is equal in the end', {
  timeout: 420_000,
}, async () => {
  const seed = Number(process.env['SEED'] ?? 1 + Math.floor(Math.random() * 1_000_000));
  const say = (text: string): void => void process.stdout.write(`${text}\n`);
  say(`SEED=${seed}`);
  const dir = await scratchFolder();
  await using stack = await startStack({ dir, environment: {}, ports: 'any', report: () => undefined });
  const result = await runEpisode({
    stack,
    engines: { source: 'postgres', target: 'postgres' },
    seed,
    kills: 25,
    accounts: 100_000,
    stepsPerSecond: 50,
    name: 'chaos',
    logFolder: join(dir, 'log'),
    say,
  });
  expect(result).toMatchObject({ kills: 25, lost: 0, duplicated: 0, torn: 0 });
  expect(result.checks).toBeGreaterThan(25);
  await stack[Symbol.asyncDispose]();
  await removeFolder(dir);
});
