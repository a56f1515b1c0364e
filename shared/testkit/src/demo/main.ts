// `make demo`: a bank under load is replicated, its workers are killed in front of the viewer, and the copy is checked all along.
// FROM=… TO=… choose the engines: postgres, mysql, mariadb.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { MILLRACE_DIR } from '@millrace/local/paths.js';
import { reportToTerminal } from '@millrace/local/progress.js';
import { runCommand } from '@millrace/local/run-command.js';
import { enginesOf, startStack } from '@millrace/local/stack.js';
import { createBank, transferMoney } from './bank.js';
import { type BankDatabase, openBank, sumsAgree } from './bank-database.js';
import { LatencyProbe } from './latency-probe.js';
import { Replication, type RunLine } from './replication.js';
import { figure, milliseconds, Screen, sparkline } from './screen.js';

const TRANSFERS_PER_SECOND = 300;
const TASK = 'demo';
const SELECTION = ['--name', TASK, '--include', 'bank.%'];

interface Figures {
  rowsLoaded: number;
  rowsApplied: number;
  loaded: boolean;
  loadedAfterMs: number;
  checks: number;
  torn: number;
  lastSum: bigint;
  transfers: bigint;
  readonly kills: string[];
  readonly rates: number[];
}

await runCommand(async () => {
  const seconds = positive('DURATION', 60);
  const accounts = positive('ROWS', 1_000_000);
  const dir = join(MILLRACE_DIR, 'demo');
  await rm(dir, { recursive: true, force: true });
  const engines = enginesOf();
  await using stack = await startStack({ dir, engines, report: reportToTerminal });
  const screen = new Screen();
  await using source = openBank(engines.source, stack.addresses.SOURCE_URL);
  await using target = openBank(engines.target, stack.addresses.TARGET_URL);

  screen.say(`\nA bank of ${figure(accounts)} accounts in the source (${engines.source} to ${engines.target}) …`);
  await createBank(source, accounts);
  const figures: Figures = {
    rowsLoaded: 0,
    rowsApplied: 0,
    loaded: false,
    loadedAfterMs: 0,
    checks: 0,
    torn: 0,
    lastSum: 0n,
    transfers: 0n,
    kills: [],
    rates: [],
  };
  const startedMs = Date.now();
  const onLine = (line: RunLine): void => note(line, figures, startedMs);

  const stop = new AbortController();
  const load = transferMoney(source, { accounts, perSecond: TRANSFERS_PER_SECOND, connections: 4 }, stop.signal);
  screen.say(`TPC-B transfers run at ${TRANSFERS_PER_SECOND} a second; \`millrace run ${SELECTION.join(' ')}\` begins.\n`);
  const run = new Replication(['run', ...SELECTION], stack.addresses, onLine);
  const probe = new LatencyProbe();
  const watching = watch({ figures, probe, screen, run, target, startedMs, seconds }, stop.signal);

  await Promise.race([until(() => figures.loaded), run.ended]);
  screen.say(`✔ loaded    ${figure(figures.rowsLoaded)} rows in ${(figures.loadedAfterMs / 1_000).toFixed(1)} s, under load`);
  const probing = probe.run(source, target, stop.signal);
  await Promise.race([act(run, figures, { seconds, screen }), run.ended]);
  stop.abort();
  const [transfers] = await Promise.all([load, watching, probing]);
  const ended = await run.stop();

  screen.say('\nThe load has ended. Catching up, then comparing every row …');
  const caughtUp = await new Replication(['run', ...SELECTION, '--until', 'caught-up'], stack.addresses, () => undefined).ended;
  const verified = await new Replication(['verify', ...SELECTION], stack.addresses, () => undefined).ended;
  const held = ended.code === 0 && caughtUp.code === 0 && verified.code === 0 && figures.torn === 0 && figures.checks > 0;
  summary({ screen, figures, probe, transfers, verified: verified.code === 0 });
  if (!held)
    screen.say(
      `\n✘ Not every check held (run ${ended.code}, catch-up ${caughtUp.code}, verify ${verified.code}): ${ended.last?.error?.message ?? caughtUp.last?.error?.message ?? 'see above'}`,
    );
  process.exitCode = held ? 0 : 1;
});

function note(line: RunLine, figures: Figures, startedMs: number): void {
  if (line.event === 'loaded' && !figures.loaded) {
    figures.loaded = true;
    figures.loadedAfterMs = Date.now() - startedMs;
  }
  if (line.event !== 'progress') return;
  figures.rowsLoaded = line.rowsLoaded ?? figures.rowsLoaded;
  const applied = line.rowsApplied ?? figures.rowsApplied;
  if (figures.loaded) figures.rates.push(Math.max(0, applied - figures.rowsApplied));
  if (figures.rates.length > 40) figures.rates.shift();
  figures.rowsApplied = applied;
}

/** Kills the sink after a quarter of the time and the capture after half of it. */
async function act(
  run: Replication,
  figures: Figures,
  { seconds, screen }: { readonly seconds: number; readonly screen: Screen },
): Promise<void> {
  for (const role of ['sink', 'capture'] as const) {
    await delay((seconds * 1_000) / 4);
    const pid = run.killWorker(role);
    figures.kills.push(role);
    screen.say(`⚡ SIGKILL   ${role} (pid ${pid ?? '?'})`);
  }
  await delay((seconds * 1_000) / 2);
}

interface Watching {
  readonly figures: Figures;
  readonly probe: LatencyProbe;
  readonly screen: Screen;
  readonly run: Replication;
  readonly target: BankDatabase;
  readonly startedMs: number;
  readonly seconds: number;
}

/** Draws the live lines every half second and reads the invariant in the target again and again. */
async function watch({ figures, probe, screen, target }: Watching, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    if (figures.loaded) {
      const sums = await target.readSums();
      figures.checks += 1;
      if (!sumsAgree(sums)) figures.torn += 1;
      figures.lastSum = sums.accounts;
      figures.transfers = sums.transfers;
    }
    screen.live(figures.loaded ? changeLines(figures, probe) : [`▸ load       ${figure(figures.rowsLoaded)} rows`]);
    await delay(500, undefined, { signal }).catch(() => undefined);
  }
}

function changeLines(figures: Figures, probe: LatencyProbe): string[] {
  return [
    `▸ changes    ${figure(figures.rates.at(-1) ?? 0)} rows/s  ${sparkline(figures.rates)}`,
    `▸ latency    p50 ${milliseconds(probe.percentile(0.5))} · p99 ${milliseconds(probe.percentile(0.99))} from commit to commit`,
    `▸ invariant  accounts = tellers = branches = history = ${figure(figures.lastSum)}   ${figure(figures.checks)} checks in the target, ${figures.torn} torn`,
  ];
}

function summary(result: {
  readonly screen: Screen;
  readonly figures: Figures;
  readonly probe: LatencyProbe;
  readonly transfers: number;
  readonly verified: boolean;
}): void {
  const { screen, figures, probe, transfers, verified } = result;
  screen.say(`
  loaded            ${figure(figures.rowsLoaded)} rows in ${(figures.loadedAfterMs / 1_000).toFixed(1)} s
  transfers         ${figure(transfers)} committed in the source during the run
  latency           p50 ${milliseconds(probe.percentile(0.5))}, p99 ${milliseconds(probe.percentile(0.99))} (kills included)
  kills             ${figures.kills.join(', ')}
  invariant         ${figure(figures.checks)} reads in the target, ${figures.torn} torn
  millrace verify   ${verified ? 'every row of source and target is equal' : 'found differences'}`);
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await delay(100);
}

function positive(name: string, fallback: number): number {
  const value = Number(process.env[name] ?? fallback);
  if (!Number.isInteger(value) || value <= 0) throw new RangeError(`${name} must be a whole number above 0`);
  return value;
}
