import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { LocalServer } from '@millrace/local/server-process.js';
import type { Stack, StackEngine } from '@millrace/local/stack.js';
import { reasonText, type WaitOptions, waitUntil } from '@millrace/local/wait-until.js';
import { PREFIX_TABLES } from '../checkers/prefix.js';
import { commitSteadily, type LoadTally, type Statement } from '../checkers/steady-load.js';
import { TcpProxy } from '../tcp-proxy.js';
import type { BattleDatabase } from './battle-database.js';
import { type Ended, MillraceRun } from './millrace-run.js';
import { makeMysqlBattle } from './mysql-battle.js';
import { Observer, type ObserverTally } from './observer.js';
import { makePostgresBattle } from './postgres-battle.js';
import { Random } from './random.js';
import { type Battlefield, LOAD_STRIKES, pickStrike, STRIKES, type Strike } from './strike.js';

const BANK_TABLES = 5;
const PROGRESS_DEADLINE_MS = 120_000;
const LOAD_DEADLINE_MS = 180_000;
const END_DEADLINE_MS = 120_000;

export interface EpisodeOptions {
  readonly stack: Stack;
  /** Of the stack's two databases. */
  readonly engines: { readonly source: StackEngine; readonly target: StackEngine };
  readonly seed: number;
  readonly kills: number;
  /** Accounts of the bank: how long the full load takes. */
  readonly accounts: number;
  readonly stepsPerSecond: number;
  /** Databases, task and logs of the episode are named after it. */
  readonly name: string;
  readonly logFolder: string;
  readonly say: (text: string) => void;
  /** After the strikes Kafka is away for so long: the ordinary tests have outages of moments. */
  readonly longOutageMs?: number;
  /** Only strikes whose name matches. */
  readonly only?: RegExp;
}

export interface EpisodeResult extends ObserverTally {
  readonly kills: number;
  readonly byStrike: ReadonlyMap<string, number>;
  readonly steps: number;
  readonly transfers: number;
  readonly slowestRecoveryMs: number;
}

/** What did not hold, with what is needed to see it again. */
export class ChaosFailure extends Error {
  constructor(
    readonly seed: number,
    readonly kill: number,
    what: string,
    logFile: string,
    options?: ErrorOptions,
  ) {
    super(`SEED=${seed}, after strike ${kill}: ${what}\nLog: ${logFile}`, options);
  }
}

/**
 * One task from its first start to its end under seeded strikes: the first few while the tables are loaded, the others on the
 * stream. Ends with a run to caught-up and `millrace verify`, and compares the target with the source itself.
 *
 * @throws ChaosFailure
 */
export async function runEpisode(options: EpisodeOptions): Promise<EpisodeResult> {
  const { stack, seed, name, say } = options;
  const random = new Random(seed);
  await mkdir(options.logFolder, { recursive: true });
  const logFile = join(options.logFolder, `${name}.log`);
  await using places = await makePlaces(options);
  const args = ['--name', name, '--include', 'bank.%', '--include', 'prefix.%'];
  const viaProxies = { ...stack.addresses, SOURCE_URL: places.viaProxy.source, TARGET_URL: places.viaProxy.target };
  const direct = { ...stack.addresses, SOURCE_URL: places.source.url, TARGET_URL: places.target.url };
  const command = (words: readonly string[]): MillraceRun => new MillraceRun({ args: words, addresses: direct, logFile });
  const startRun = (): MillraceRun => new MillraceRun({ args: ['run', ...args], addresses: viaProxies, logFile });

  const observer = new Observer(places.target, name, BANK_TABLES + PREFIX_TABLES.length);
  const stop = new AbortController();
  const { accounts } = options;
  const steadily = (statement: () => Statement): Promise<LoadTally> =>
    commitSteadily(
      { engine: places.source.engine, url: places.source.url, perSecond: options.stepsPerSecond, connections: 3, statement },
      stop.signal,
    );
  const steps = steadily(() => places.source.step);
  const transferRandom = new Random(seed + 1);
  const transfers = steadily(() =>
    places.source.transferOf({
      account: 1 + transferRandom.below(accounts),
      teller: 1 + transferRandom.below(10),
      branch: 1,
      amount: transferRandom.below(10_000) - 5_000,
    }),
  );
  const watching = observer.run(stop.signal);

  let kill = 0;
  let slowestRecoveryMs = 0;
  const byStrike = new Map<string, number>();
  const sourceSteps = (): Promise<number> =>
    waitUntil(() => places.source.countSteps(), { what: 'the source to tell its step', deadlineMs: 30_000 });
  /** The end of the run in force; null where it runs, or could not start and is started again. */
  const endOfRun = async (): Promise<Ended | null> => {
    if (field.run.outcome === null) return null;
    const ended = await field.run.ended;
    if (!isRefusedStart(field.run, ended)) return ended;
    say(`      the run could not start (${ended.last?.error?.code}), and is started again`);
    field.run = startRun();
    return null;
  };
  /** Waits for the condition, but no longer than the run in force lives. */
  const untilMet = async (condition: () => boolean, wait: WaitOptions): Promise<void> => {
    const met = await waitUntil(async () => (await endOfRun()) ?? condition(), wait);
    if (met !== true) throw new Error(`the run ended by itself: ${JSON.stringify(met)}`);
  };
  const progress = async (): Promise<void> => {
    const begun = performance.now();
    const goal = await sourceSteps();
    await untilMet(() => observer.violation !== null || (observer.last?.prefix.counter ?? -1) >= goal, {
      what: `the target to reach step ${goal}`,
      deadlineMs: PROGRESS_DEADLINE_MS,
    });
    slowestRecoveryMs = Math.max(slowestRecoveryMs, performance.now() - begun);
  };
  const field: Battlefield = {
    random,
    servers: serversOf(stack),
    proxies: places.proxies,
    run: startRun(),
    startRun,
    progress,
    say,
  };

  const strike = async (strikes: readonly Strike[]): Promise<void> => {
    const chosen = pickStrike(strikes, random);
    kill += 1;
    byStrike.set(chosen.name, (byStrike.get(chosen.name) ?? 0) + 1);
    say(
      `${String(kill).padStart(4)}  ${chosen.name.padEnd(28)} target at step ${observer.last?.prefix.counter ?? '– (loading)'}`,
    );
    await endOfRun();
    await chosen.perform(field);
  };

  try {
    const among = (strikes: readonly Strike[]): readonly Strike[] =>
      strikes.filter((candidate) => options.only?.test(candidate.name) ?? true);
    for (const most = Math.floor(options.kills / 4); kill < most && observer.last === null; ) {
      await delay(random.below(2_500));
      if (among(LOAD_STRIKES).length === 0) break;
      await strike(among(LOAD_STRIKES));
    }
    await untilMet(() => observer.last !== null, { what: 'the load to end', deadlineMs: LOAD_DEADLINE_MS });
    while (kill < options.kills && observer.violation === null) {
      await strike(among(STRIKES));
      // Now and then the next strike meets a recovery that is still going on.
      if (random.below(3) === 0) await delay(random.below(1_500));
      else {
        await progress();
        await delay(random.below(500));
      }
    }
    if (observer.violation === null) await progress();
    if (options.longOutageMs !== undefined) {
      say(`      Kafka is away for ${options.longOutageMs / 1_000} s`);
      await field.servers.kafka.kill('SIGKILL');
      await delay(options.longOutageMs);
      await field.servers.kafka.restart();
      await progress();
    }
    stop.abort();
    const [tally, transferred] = await Promise.all([steps, transfers, watching]);
    await field.run.stop();
    if (observer.violation !== null) throw new Error(observer.violation);
    await endWell({ observer, places, command, args });
    return {
      ...observer.tally,
      kills: kill,
      byStrike,
      steps: tally.committed,
      transfers: transferred.committed,
      slowestRecoveryMs,
    };
  } catch (error) {
    throw new ChaosFailure(
      seed,
      kill,
      `${observer.violation ?? reasonText(error)} (target at step ${observer.last?.prefix.counter ?? '–'})`,
      logFile,
      { cause: error },
    );
  } finally {
    stop.abort();
    await Promise.allSettled([steps, transfers, watching]);
    if (field.run.outcome === null) {
      field.run.signalSupervisor('SIGKILL');
      await field.run.ended;
    }
  }
}

/** A start waits 20 s for its servers; where blow upon blow keeps one or the other away for longer, it ends, as it promises. */
function isRefusedStart(run: MillraceRun, { code, last }: Ended): boolean {
  return code === 1 && last?.reason === 'refused' && last.error?.class === 'retry' && !run.has('started');
}

interface Places extends AsyncDisposable {
  readonly source: BattleDatabase;
  readonly target: BattleDatabase;
  readonly proxies: { readonly source: TcpProxy; readonly target: TcpProxy };
  readonly viaProxy: { readonly source: string; readonly target: string };
}

/** A source and a target database of the episode's own, and the network between them and the run. */
async function makePlaces({ stack, engines, name, accounts }: EpisodeOptions): Promise<Places> {
  const place = (engine: StackEngine, url: string): Promise<BattleDatabase> =>
    engine === 'postgres' ? makePostgresBattle(url, name) : makeMysqlBattle(engine, url);
  const source = await place(engines.source, stack.addresses.SOURCE_URL);
  const target = await place(engines.target, stack.addresses.TARGET_URL);
  await source.createWorkload(accounts);
  const toSource = await TcpProxy.inFrontOf(source.url);
  const toTarget = await TcpProxy.inFrontOf(target.url);
  return {
    source,
    target,
    proxies: { source: toSource.proxy, target: toTarget.proxy },
    viaProxy: { source: toSource.url, target: toTarget.url },
    async [Symbol.asyncDispose]() {
      await toSource.proxy[Symbol.asyncDispose]();
      await toTarget.proxy[Symbol.asyncDispose]();
    },
  };
}

/** Source and target meet: nothing lost, every row equal, and the task can be removed. */
async function endWell(end: {
  readonly observer: Observer;
  readonly places: Places;
  readonly command: (words: readonly string[]) => MillraceRun;
  readonly args: readonly string[];
}): Promise<void> {
  const { observer, places, command, args } = end;
  for (const words of [
    ['run', ...args, '--until', 'caught-up'],
    ['verify', ...args],
  ]) {
    const run = command(words);
    const ended = await Promise.race([run.ended, delay(END_DEADLINE_MS, null, { ref: false })]);
    if (ended === null) run.signalSupervisor('SIGKILL');
    if (ended?.code !== 0)
      throw new Error(
        `millrace ${words.at(0)} ${words.at(-1)}: ${ended === null ? `not ended after ${END_DEADLINE_MS / 1_000} s` : `exit code ${ended.code}, ${JSON.stringify(run.lines.filter(({ event }) => event !== 'table').slice(-5))}`}`,
      );
  }
  await observer.lookOnce();
  const steps = await places.source.countSteps();
  const reached = observer.last?.prefix.counter ?? 0;
  if (observer.violation !== null) throw new Error(observer.violation);
  if (reached !== steps) throw new Error(`caught up at step ${reached}, but the source is at ${steps}`);
}

function serversOf({ servers }: Stack): Battlefield['servers'] {
  const { source, target, kafka, registry } = servers;
  const there = (server: LocalServer | undefined): LocalServer => {
    if (server === undefined) throw new Error('chaos kills servers, so it starts its own');
    return server;
  };
  return { source: there(source), target: there(target), kafka: there(kafka), registry: there(registry) };
}
