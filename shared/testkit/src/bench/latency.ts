import { withClient } from '@millrace/local/postgres.js';
import { withSubscription } from './end-to-end-run.js';
import { type Line, lineOf, percentile, plain, type Sample } from './line.js';
import { publishToPeers, withNewSlot } from './peer-slot.js';
import { prepareTask, removeTask, slotIsActive, slotOf, startMillrace } from './run.js';
import type { BenchServers } from './servers.js';
import { createWorkload, insertWorkload } from './workload.js';

export const ROWS_PER_TRANSACTION = 2;
export const SESSIONS = 4;
const TASK = 'latency';
/** The first moments of a run compile the code and warm the caches of both ends. */
const WARM_UP_SECONDS = 5;
/** Some ten seconds of load that does not wait. */
const MAXIMUM_TRANSACTIONS = 100_000;
const ARRIVAL_DEADLINE_MS = 120_000;

export interface LatencyLines {
  readonly transactionsPerSecond: number;
  readonly seconds: number;
  readonly runs: number;
  readonly report: (text: string) => void;
}

export interface Percentiles {
  readonly p50: number;
  readonly p99: number;
}

/** From the commit in the source until the row can be read in the target. */
export async function latencyLines(servers: BenchServers, options: LatencyLines): Promise<readonly Line[]> {
  const { transactionsPerSecond, seconds, runs, report } = options;
  await createWorkload([servers.source.url, servers.target.url], insertWorkload(0));
  const ours: Percentiles[] = [];
  const peers: Percentiles[] = [];
  const load = { perSecond: transactionsPerSecond, seconds };
  for (let run = 1; run <= runs; run++) {
    ours.push(await measureMillrace(servers, load));
    peers.push(await measureNative(servers, load));
    report(`  latency ${run}: ${said(ours)}; native ${said(peers)}`);
  }
  const maximum = await maximumRate(servers);
  const perSecond = Math.floor(maximum / 2);
  const half = await measureMillrace(servers, { perSecond, seconds });
  report(
    `  at most ${Math.floor(maximum).toLocaleString('en-US')} transactions/s; latency at ${perSecond.toLocaleString('en-US')}: ${said([half])}`,
  );
  return [
    quantile('p50', 10),
    quantile('p99', 60),
    lineOf({
      name: `latency, p99 at ${perSecond.toLocaleString('en-US')} tx/s (half of the maximum)`,
      unit: 'ms',
      samples: plain([half.p99]),
      goal: { of: 'value', is: 'at most', bound: 250 },
    }),
  ];

  function quantile(which: keyof Percentiles, bound: number): Line {
    const of = (all: readonly Percentiles[]): readonly Sample[] => plain(all.map((measured) => measured[which]));
    const name = `latency, ${which} at ${transactionsPerSecond} tx/s`;
    return lineOf({
      name,
      unit: 'ms',
      samples: of(ours),
      peer: { name: 'native', samples: of(peers) },
      goal: { of: 'value', is: 'at most', bound },
    });
  }
}

export interface Load {
  readonly perSecond: number;
  readonly seconds: number;
}

export async function measureMillrace(servers: BenchServers, load: Load): Promise<Percentiles> {
  return withMillrace(servers, () => measure(servers, load));
}

/** A task of its own for each run: one that had been stopped meanwhile would first bring what its peer has brought already. */
async function withMillrace<T>(servers: BenchServers, work: () => Promise<T>): Promise<T> {
  await prepareTask(servers, TASK);
  const run = startMillrace(servers, 'run', TASK);
  try {
    await slotIsActive(servers, slotOf(TASK));
    return await work();
  } finally {
    await run.stop();
    await removeTask(servers, TASK);
  }
}

/**
 * Transactions a second that reach the target where the load does not wait: its sessions, both servers and Millrace on one machine. (The
 * rate of a backlog, which was written before, says nothing of it: nobody writes meanwhile.)
 */
async function maximumRate(servers: BenchServers): Promise<number> {
  return withMillrace(servers, async () => {
    const { source, target } = servers;
    const load = ranges(await nextId(source.url), MAXIMUM_TRANSACTIONS);
    const started = performance.now();
    await Promise.all([watchArrivals(target.url, load), insertSteadily(source.url, load, Number.MAX_SAFE_INTEGER)]);
    return MAXIMUM_TRANSACTIONS / ((performance.now() - started) / 1_000);
  });
}

async function measureNative(servers: BenchServers, load: Load): Promise<Percentiles> {
  await publishToPeers(servers, ['events']);
  return withNewSlot(servers, 'bench_latency', (slot) =>
    withSubscription(servers, slot, async () => {
      await slotIsActive(servers, slot);
      return measure(servers, load);
    }),
  );
}

/** Ids that one session inserts, in order. */
export interface Range {
  readonly from: number;
  readonly transactions: number;
}

export interface Commit {
  readonly id: number;
  /** Milliseconds since 1970, by the source's clock. */
  readonly ms: number;
}

/** Where a load is written. */
export interface LoadedSource {
  /** An id above every one in the table. */
  nextId(): Promise<number>;
  /**
   * Each range in a session of its own, all together `perSecond` transactions a second. The schedule does not wait for a slow commit, which
   * would hide its delay.
   */
  insertSteadily(all: readonly Range[], perSecond: number): Promise<void>;
  /** When each row from an id on was committed. */
  commitTimes(first: number): Promise<readonly Commit[]>;
}

/** Measures between PostgreSQL servers. */
export async function measure({ source, target }: BenchServers, load: Load): Promise<Percentiles> {
  return measureFrom(postgresSource(source.url), target.url, load);
}

/**
 * Inserts at a steady rate. The source tells when each transaction committed; a session in the target looks every millisecond for what
 * has become visible there. (The target's own commit times would not do: PostgreSQL's apply worker writes the source's time into them.)
 */
export async function measureFrom(source: LoadedSource, targetUrl: string, load: Load): Promise<Percentiles> {
  const first = await source.nextId();
  const warmUp = ranges(first, load.perSecond * WARM_UP_SECONDS);
  await source.insertSteadily(warmUp, load.perSecond);
  const measured = ranges(endOf(warmUp), load.perSecond * load.seconds);
  const [seen] = await Promise.all([watchArrivals(targetUrl, measured), source.insertSteadily(measured, load.perSecond)]);
  const committed = await source.commitTimes(endOf(warmUp));
  const rows = measured.reduce((sum, { transactions }) => sum + transactions * ROWS_PER_TRANSACTION, 0);
  if (committed.length !== rows) throw new Error(`the source tells of ${committed.length} commits of ${rows} rows`);
  const arrived = new Map(
    seen.flatMap(({ from, upTo, ms }) => Array.from({ length: upTo - from + 1 }, (_, index) => [from + index, ms])),
  );
  const latencies = committed.map(({ id, ms }) => (arrived.get(id) ?? Number.NaN) - ms);
  if (latencies.some((latency) => Number.isNaN(latency))) throw new Error('a row of the load was not seen in the target');
  return { p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99) };
}

function postgresSource(url: string): LoadedSource {
  return {
    nextId: () => nextId(url),
    insertSteadily: (all, perSecond) => insertSteadily(url, all, perSecond),
    commitTimes: (first) => commitTimes(url, first),
  };
}

function ranges(first: number, transactions: number): readonly Range[] {
  const each = Math.ceil(transactions / SESSIONS);
  return Array.from({ length: SESSIONS }, (_, session) => ({
    from: first + session * each * ROWS_PER_TRANSACTION,
    transactions: each,
  }));
}

function endOf(all: readonly Range[]): number {
  return Math.max(...all.map(({ from, transactions }) => from + transactions * ROWS_PER_TRANSACTION));
}

/** The sessions keep the pace themselves: sending the transactions from here would cost the cores that are measured. */
async function insertSteadily(url: string, all: readonly Range[], perSecond: number): Promise<void> {
  await Promise.all(all.map((range) => withClient(url, (client) => client.query(paced(range, perSecond / SESSIONS)))));
}

function paced({ from, transactions }: Range, perSecond: number): string {
  return `DO $$ DECLARE started timestamptz := clock_timestamp(); wait double precision; BEGIN
    FOR t IN 0 .. ${transactions - 1} LOOP
      wait := t / ${perSecond}::double precision - extract(epoch FROM clock_timestamp() - started);
      IF wait > 0 THEN PERFORM pg_sleep(wait); END IF;
      INSERT INTO bench.events SELECT ${from} + t * ${ROWS_PER_TRANSACTION} + i, t, now(), 1.25, 0.5, true, 'new', repeat('n', 160)
        FROM generate_series(0, ${ROWS_PER_TRANSACTION - 1}) i;
      COMMIT;
    END LOOP; END $$`;
}

async function nextId(url: string): Promise<number> {
  return withClient(url, async (client) => {
    const { rows } = await client.query<{ next: number }>('SELECT (coalesce(max(id), 0) + 1)::int AS next FROM bench.events');
    return rows[0]?.next ?? 1;
  });
}

interface Arrival {
  /** Ids that became visible since the look before. */
  readonly from: number;
  readonly upTo: number;
  readonly ms: number;
}

/** Looks until all ranges are there: one statement that loops in the database, about a twentieth of a core. */
async function watchArrivals(url: string, all: readonly Range[]): Promise<readonly Arrival[]> {
  const bounds = all.map(({ from, transactions }) => ({ from, last: from + transactions * ROWS_PER_TRANSACTION - 1 }));
  const array = (values: readonly number[]): string => `ARRAY[${values.join(', ')}]::bigint[]`;
  return withClient(url, async (client) => {
    await client.query('CREATE TEMP TABLE seen (first bigint, last bigint, at timestamptz)');
    await client.query(`DO $$ DECLARE next bigint[] := ${array(bounds.map(({ from }) => from))}; last bigint[] := ${array(bounds.map((range) => range.last))};
      open int := ${SESSIONS}; top bigint; deadline timestamptz := clock_timestamp() + interval '${ARRIVAL_DEADLINE_MS} ms'; BEGIN
      WHILE open > 0 AND clock_timestamp() < deadline LOOP
        FOR s IN 1 .. ${SESSIONS} LOOP
          CONTINUE WHEN next[s] > last[s];
          SELECT max(id) INTO top FROM bench.events WHERE id >= next[s] AND id <= last[s];
          IF top IS NOT NULL THEN
            INSERT INTO seen VALUES (next[s], top, clock_timestamp());
            next[s] := top + 1;
            IF top = last[s] THEN open := open - 1; END IF;
          END IF;
        END LOOP;
        PERFORM pg_sleep(0.001);
      END LOOP; END $$`);
    const { rows } = await client.query<{ from: number; upTo: number; ms: number }>(
      'SELECT first::float8 AS "from", last::float8 AS "upTo", (extract(epoch FROM at) * 1000)::float8 AS ms FROM seen',
    );
    return rows;
  });
}

/** When each row from `first` on was committed in the source. */
async function commitTimes(url: string, first: number): Promise<readonly Commit[]> {
  return withClient(url, async (client) => {
    const { rows } = await client.query<Commit>(
      'SELECT id::float8 AS id, (extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000)::float8 AS ms FROM bench.events WHERE id >= $1',
      [first],
    );
    return rows;
  });
}

export function said(all: readonly Percentiles[]): string {
  const last = all.at(-1);
  return last === undefined ? '' : `p50 ${last.p50.toFixed(1)} ms, p99 ${last.p99.toFixed(1)} ms`;
}
