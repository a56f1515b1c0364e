// `make bench`: every line of the table against its peers, on servers of its own. LINES=name,… RUNS=n ROWS=n SECONDS=n run parts of it.
// `make bench-peers`: Debezium as well. `make bench-mysql`: the lines of MySQL and MariaDB alone, on servers of theirs.
import { arch, cpus, totalmem } from 'node:os';
import { fetchConnect } from '@millrace/local/connect.js';
import { runCommand } from '@millrace/local/run-command.js';
import { backlogLines } from './backlog-lines.js';
import { debeziumBacklogLines, debeziumLatencyLines, debeziumLoadLines } from './debezium-lines.js';
import { fullLoadLines } from './full-load.js';
import { growthLines } from './growth.js';
import { hugeLines } from './huge-transaction.js';
import { idleLines } from './idle.js';
import { latencyLines } from './latency.js';
import type { Line } from './line.js';
import { mysqlLatencyLines } from './mysql-latency.js';
import { mysqlBacklogLines, mysqlFullLoadLines } from './mysql-lines.js';
import { type MysqlBenchServers, startMysqlBenchServers } from './mysql-servers.js';
import { terminalTable, writeJson, writeReadme } from './report.js';
import { type BenchServers, startBenchServers } from './servers.js';
import { insertWorkload, smallWorkload } from './workload.js';

interface Part<Servers> {
  /** Names that LINES may hold to select it. */
  readonly names: readonly string[];
  readonly title: string;
  readonly run: (servers: Servers, selected: (name: string) => boolean) => Promise<readonly Line[]>;
}

const ROWS = positive('ROWS', 1_000_000);
/** Debezium takes a minute and more for a million inserts: it gets fewer, of the same kind, and so does Millrace in those lines. */
const DEBEZIUM_ROWS = Math.ceil(ROWS * 0.3);
const RUNS = positive('RUNS', 3);
const say = (text: string): void => void process.stderr.write(`${text}\n`);

const PARTS: readonly Part<BenchServers>[] = [
  {
    names: ['capture-inserts', 'end-to-end-inserts'],
    title: `${ROWS.toLocaleString('en-US')} rows in transactions of 1,000`,
    run: (servers, selected) =>
      backlogLines(servers, {
        title: 'inserts',
        workload: insertWorkload(ROWS),
        runs: RUNS,
        capture: selected('capture-inserts'),
        endToEnd: selected('end-to-end-inserts'),
        goals: { native: 0.5, cpuMicros: 14 },
        report: say,
      }),
  },
  {
    names: ['capture-small', 'end-to-end-small'],
    title: `${Math.ceil(ROWS / 10).toLocaleString('en-US')} transactions of three mixed changes`,
    run: (servers, selected) =>
      backlogLines(servers, {
        title: 'small transactions',
        workload: smallWorkload(Math.ceil(ROWS / 10)),
        runs: RUNS,
        capture: selected('capture-small'),
        endToEnd: selected('end-to-end-small'),
        goals: { native: 0.9, cpuMicros: 22 },
        report: say,
      }),
  },
  {
    names: ['latency'],
    title: 'latency from commit to commit at 500 transactions of two rows a second',
    run: (servers) =>
      latencyLines(servers, {
        transactionsPerSecond: 500,
        seconds: positive('SECONDS', 60) / RUNS,
        runs: RUNS,
        report: say,
      }),
  },
  {
    names: ['full-load'],
    title: `full load of ${ROWS.toLocaleString('en-US')} rows with their key`,
    run: (servers) => fullLoadLines(servers, { rows: ROWS, runs: RUNS, report: say }),
  },
  {
    names: ['huge-transaction'],
    title: 'one huge transaction, and huge values',
    run: (servers) => hugeLines(servers, { rows: ROWS * 10, largeValues: Math.min(500, Math.ceil(ROWS / 1_000)), report: say }),
  },
  {
    names: ['growth'],
    title: 'growth: rows, journal, tables',
    run: (servers) => growthLines(servers, { rows: ROWS, report: say }),
  },
  {
    names: ['idle'],
    title: 'an idle task',
    run: (servers) => idleLines(servers, positive('SECONDS', 60) / 2, say),
  },
];

const DEBEZIUM_PARTS: readonly Part<BenchServers>[] = [
  {
    names: ['debezium-inserts'],
    title: `Debezium: ${DEBEZIUM_ROWS.toLocaleString('en-US')} rows in transactions of 1,000`,
    run: (servers) =>
      debeziumBacklogLines(servers, { title: 'inserts', workload: insertWorkload(DEBEZIUM_ROWS), runs: RUNS, report: say }),
  },
  {
    names: ['debezium-small'],
    title: `Debezium: ${Math.ceil(DEBEZIUM_ROWS / 3).toLocaleString('en-US')} transactions of three mixed changes`,
    run: (servers) =>
      debeziumBacklogLines(servers, {
        title: 'small transactions',
        workload: smallWorkload(Math.ceil(DEBEZIUM_ROWS / 3)),
        runs: RUNS,
        report: say,
      }),
  },
  {
    names: ['debezium-latency'],
    title: 'Debezium: latency from commit to commit at 500 transactions of two rows a second',
    run: (servers) =>
      debeziumLatencyLines(servers, {
        load: { perSecond: 500, seconds: positive('SECONDS', 60) / RUNS },
        runs: RUNS,
        report: say,
      }),
  },
  {
    names: ['debezium-full-load'],
    title: `Debezium: full load of ${DEBEZIUM_ROWS.toLocaleString('en-US')} rows with their key`,
    run: (servers) => debeziumLoadLines(servers, { rows: DEBEZIUM_ROWS, runs: RUNS, report: say }),
  },
];

const MYSQL_PARTS: readonly Part<MysqlBenchServers>[] = [
  {
    names: ['mysql-capture', 'mysql-end-to-end'],
    title: `MariaDB: ${ROWS.toLocaleString('en-US')} rows in transactions of 1,000`,
    run: (servers, selected) =>
      mysqlBacklogLines(servers, {
        rows: ROWS,
        runs: RUNS,
        capture: selected('mysql-capture'),
        endToEnd: selected('mysql-end-to-end'),
        report: say,
      }),
  },
  {
    names: ['mysql-full-load'],
    title: `MariaDB: full load of ${ROWS.toLocaleString('en-US')} rows with their key`,
    run: (servers) => mysqlFullLoadLines(servers, { rows: ROWS, runs: RUNS, report: say }),
  },
  {
    names: ['mysql-latency'],
    title: 'MariaDB: latency from commit to commit at 500 transactions of two rows a second',
    run: (servers) =>
      mysqlLatencyLines(servers, {
        load: { perSecond: 500, seconds: positive('SECONDS', 60) / RUNS },
        runs: RUNS,
        report: say,
      }),
  },
];

await runCommand(async () => {
  if (process.argv.includes('--mysql')) {
    await runParts('bench-mysql', MYSQL_PARTS, () => startMysqlBenchServers('postgres'));
    return;
  }
  const peers = process.argv.includes('--peers');
  const lines = await runParts('bench', peers ? [...PARTS, ...DEBEZIUM_PARTS] : PARTS, async () => {
    // Before anything long begins.
    if (peers) await fetchConnect(say);
    return startBenchServers();
  });
  // A part of the table, or fewer rows, would replace figures that say more.
  if (process.env['LINES'] === undefined && process.env['ROWS'] === undefined) await writeReadme(lines, method(peers));
});

/** Runs the parts that LINES selects, all of them without it, and shows their table; `.millrace/NAME.json` holds it. */
async function runParts<Servers extends AsyncDisposable>(
  name: string,
  parts: readonly Part<Servers>[],
  start: () => Promise<Servers>,
): Promise<readonly Line[]> {
  const wanted = process.env['LINES']?.split(',').filter((word) => word !== '');
  const known = parts.flatMap(({ names }) => names);
  const unknown = wanted?.find((word) => !known.includes(word));
  if (unknown !== undefined) throw new RangeError(`LINES names ${unknown}; there are ${known.join(', ')}`);
  const selected = (name: string): boolean => wanted?.includes(name) ?? true;

  await using servers = await start();
  const lines: Line[] = [];
  for (const part of parts) {
    if (!part.names.some(selected)) continue;
    say(`\n▸ ${part.title}`);
    lines.push(...(await part.run(servers, selected)));
    await writeJson(name, lines);
  }
  process.stdout.write(`\n${terminalTable(lines)}\n\n`);
  say(`Written: ${await writeJson(name, lines)}`);
  return lines;
}

/** What a reader of the table has to know. */
function method(peers: boolean): string {
  const gigabytes = Math.round(totalmem() / 2 ** 30);
  const measured = `Measured on ${cpus().length} cores (${arch()}, ${gigabytes} GB), Node ${process.versions.node}; medians of ${RUNS} runs, least and most in brackets. Durability is on at both ends; native replication applies with its default, synchronous_commit off.`;
  const debezium =
    ' Debezium and its JDBC sink (deploy/local/connect/pom.xml, tuned) deliver at least once; their worker does the same work once before it is measured.';
  return peers ? measured + debezium : measured;
}

function positive(name: string, fallback: number): number {
  const value = Number(process.env[name] ?? fallback);
  if (!Number.isInteger(value) || value <= 0) throw new RangeError(`${name} must be a whole number above 0`);
  return value;
}
