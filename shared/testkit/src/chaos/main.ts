// `make chaos KILLS=300 SEED=n`: everything is killed at random while the invariants are read in the target.
// FROM=… TO=… choose the engines: postgres, mysql, mariadb.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { MILLRACE_DIR } from '@millrace/local/paths.js';
import { reportToTerminal } from '@millrace/local/progress.js';
import { runCommand } from '@millrace/local/run-command.js';
import { enginesOf, startStack } from '@millrace/local/stack.js';
import { ChaosFailure, type EpisodeResult, runEpisode } from './episode.js';

/** Each episode is a new task with its own load; so every 25th kill or so meets a load again. */
const KILLS_PER_EPISODE = 25;
/** Once, in the first episode. */
const LONG_OUTAGE_MS = 90_000;

await runCommand(async () => {
  const kills = whole('KILLS', 300);
  const seed = whole('SEED', 1 + Math.floor(Math.random() * 1_000_000));
  const only = process.env['ONLY'];
  const dir = join(MILLRACE_DIR, 'chaos');
  await rm(dir, { recursive: true, force: true });
  // Its own servers, whatever the environment names: nothing of the user's is killed.
  const engines = enginesOf();
  await using stack = await startStack({ dir, environment: {}, engines, ports: 'any', report: reportToTerminal });
  const say = (text: string): void => void process.stdout.write(`${text}\n`);
  say(`\n${engines.source} to ${engines.target}: ${kills} kills, SEED=${seed}`);

  const results: EpisodeResult[] = [];
  for (let done = 0; done < kills; done += KILLS_PER_EPISODE) {
    const episode = results.length + 1;
    const options = {
      stack,
      engines,
      seed: seed + results.length,
      kills: Math.min(KILLS_PER_EPISODE, kills - done),
      accounts: whole('ROWS', 500_000),
      stepsPerSecond: 60,
      name: `chaos-${episode}`,
      logFolder: join(dir, 'log'),
      say,
      ...(results.length === 0 ? { longOutageMs: LONG_OUTAGE_MS } : {}),
      ...(only === undefined ? {} : { only: new RegExp(only) }),
    };
    say(`\nEpisode ${episode}: SEED=${options.seed} KILLS=${options.kills}`);
    try {
      results.push(await runEpisode(options));
    } catch (error) {
      if (!(error instanceof ChaosFailure)) throw error;
      say(`\n✘ ${error.message}`);
      process.exitCode = 1;
      return;
    }
  }
  summary(results, say);
});

function summary(results: readonly EpisodeResult[], say: (text: string) => void): void {
  const sum = (figure: (result: EpisodeResult) => number): number => results.reduce((total, result) => total + figure(result), 0);
  const byStrike = new Map<string, number>();
  for (const result of results)
    for (const [name, count] of result.byStrike) byStrike.set(name, (byStrike.get(name) ?? 0) + count);
  say('');
  for (const [name, count] of [...byStrike].sort(([, one], [, other]) => other - one))
    say(`  ${String(count).padStart(4)}  ${name}`);
  say(
    `\n  ${sum(({ steps }) => steps)} steps and ${sum(({ transfers }) => transfers)} transfers committed, ${sum(({ checks }) => checks)} readings of the target, slowest recovery ${(Math.max(...results.map(({ slowestRecoveryMs }) => slowestRecoveryMs)) / 1_000).toFixed(1)} s, every row equal in the end.`,
  );
  say(
    `\n${sum(({ kills }) => kills)} kills: ${sum(({ lost }) => lost)} lost, ${sum(({ duplicated }) => duplicated)} duplicated, ${sum(({ torn }) => torn)} torn`,
  );
}

function whole(name: string, fallback: number): number {
  const value = Number(process.env[name] ?? fallback);
  if (!Number.isInteger(value) || value <= 0) throw new RangeError(`${name} must be a whole number above 0`);
  return value;
}
