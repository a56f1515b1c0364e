import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { openJournal } from '@millrace/journal/journal.js';
import type { JournalLog } from '@millrace/journal/journal-log.js';
import { withConnection } from '@millrace/local/mysql.js';
import { waitUntil } from '@millrace/local/wait-until.js';
import { z } from 'zod';
import { arrivalBeyond, rowsIn, watchEnd } from './journal-arrival.js';
import type { MysqlBenchServers } from './mysql-servers.js';
import { type LogPlace, type MysqlBacklog, readRows } from './mysql-workload.js';
import { type Cost, CostMeter } from './process-cost.js';
import { startMillrace } from './run.js';

const START_DEADLINE_MS = 60_000;
const RUN_DEADLINE_MS = 600_000;
const LOOK_EVERY_MS = 10;
/** Looking for the sentinel reads the journal's tail, which costs the cores that are measured: more seldom than its end is looked at. */
const ASK_EVERY_MS = 250;
const SENTINEL_ROWS = 1;

/** Starts a program and waits until it reads the binary log: where every clock starts that has a program to wait for. */
export async function startReading<T>({ source }: Pick<MysqlBenchServers, 'source'>, start: () => T): Promise<T> {
  return withConnection(source.url, async (connection) => {
    // Ids of sessions ascend: readers of earlier runs, whose end the server has not noticed yet, have lower ones than this session.
    const readers = `SELECT COUNT(*) AS readers FROM information_schema.processlist WHERE command = 'Binlog Dump' AND id > CONNECTION_ID()`;
    const started = start();
    await waitUntil(
      async () => {
        const [row] = await readRows(connection, readers, z.object({ readers: z.coerce.number() }));
        return (row?.readers ?? 0) > 0;
      },
      { what: 'a reader of the binary log', deadlineMs: START_DEADLINE_MS, everyMs: LOOK_EVERY_MS },
    );
    return started;
  });
}

/** `millrace capture` drains the backlog into its journal: until the sentinel's block is in Kafka. */
export async function runMysqlCapture(servers: MysqlBenchServers, task: string, backlog: MysqlBacklog): Promise<Cost> {
  const { KAFKA_BROKERS, SCHEMA_REGISTRY_URL } = servers.addresses;
  await using journal = await openJournal({
    kafka: { brokers: [KAFKA_BROKERS], tls: null, sasl: null },
    registry: { url: SCHEMA_REGISTRY_URL, login: null },
    topic: `${task}.journal`,
    create: false,
  });
  await using log = journal.log();
  const done = new AbortController();
  const run = await startReading(servers, () => startMillrace(servers, 'capture', task));
  try {
    const meter = await CostMeter.start(servers.pids);
    const watching = watchEnd(log, done.signal);
    await sentinelInJournal(log, backlog);
    done.abort();
    const arrival = await arrivalBeyond(log, floorOf(backlog.beforeSentinel), await watching);
    if (arrival === null) throw new Error('the journal does not hold the end of the backlog');
    const cost = await meter.finish(arrival);
    const rows = await rowsIn(log);
    if (rows !== backlog.rows + SENTINEL_ROWS)
      throw new Error(`the journal holds ${rows} rows instead of ${backlog.rows + SENTINEL_ROWS}`);
    return cost;
  } finally {
    done.abort();
    await run.stop();
  }
}

/** The source is told nothing of what the journal holds, so the journal itself is asked, whenever it has come to rest. */
async function sentinelInJournal(log: JournalLog, { beforeSentinel }: MysqlBacklog): Promise<void> {
  let lastEnd = -1n;
  let askedAt = -1n;
  await waitUntil(
    async () => {
      const { end } = await log.bounds();
      const rests = end === lastEnd && end !== askedAt;
      lastEnd = end;
      if (!rests) return false;
      askedAt = end;
      return (await arrivalBeyond(log, floorOf(beforeSentinel), [{ end, ms: 0 }])) !== null;
    },
    { what: 'the end of the backlog in the journal', deadlineMs: RUN_DEADLINE_MS, everyMs: ASK_EVERY_MS },
  );
}

/** Orders before every position behind the place, and after every one at or before it (shared/contract, position.ts: a key's first parts). */
function floorOf({ file, offset }: LogPlace): string {
  const number = Number(/\.(\d+)$/.exec(file)?.[1]);
  const hex = (value: number, bytes: number): string => value.toString(16).padStart(bytes * 2, '0');
  return hex(0, 4) + hex(number, 8) + hex(offset + 1, 8);
}

/** How `mariadb-binlog` is asked to write to nowhere: as SQL statements, its default, or the bytes as they come. */
export type BinlogForm = 'statements' | 'raw';

/**
 * `mariadb-binlog` drains the same log to nowhere. Its clock starts with the program, some milliseconds before it reads: a small backlog
 * would be through before anybody could see it read.
 */
export async function runMariadbBinlog(servers: MysqlBenchServers, form: BinlogForm, backlog: MysqlBacklog): Promise<Cost> {
  const { begin, bytes } = backlog;
  const before = await bytesSent(servers);
  const nowhere = form === 'raw' ? ['--raw', `--result-file=${await nowhereFor(servers, backlog)}`] : [];
  const meter = await CostMeter.start(servers.pids);
  const child = spawn(
    'mariadb-binlog',
    [
      ...['--no-defaults', '--host=127.0.0.1', `--port=${servers.source.port}`, '--user=root', '--read-from-remote-server'],
      ...[...nowhere, '--to-last-log', `--start-position=${begin.offset}`, begin.file],
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  const [code] = await once(child, 'exit');
  const cost = await meter.finish();
  if (code !== 0) throw new Error(`mariadb-binlog ended with ${code}`);
  const received = (await bytesSent(servers)) - before;
  if (received < bytes) throw new Error(`mariadb-binlog was sent ${received} bytes of a backlog of ${bytes}`);
  return cost;
}

/** With --raw it writes a file for each of the log's: links to /dev/null of those names. */
async function nowhereFor({ dir }: MysqlBenchServers, { files }: MysqlBacklog): Promise<string> {
  const folder = join(dir, 'nowhere');
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder);
  for (const file of files) await symlink('/dev/null', join(folder, file));
  return `${folder}/`;
}

async function bytesSent({ source }: MysqlBenchServers): Promise<number> {
  return withConnection(source.url, async (connection) => {
    const [row] = await readRows(connection, "SHOW GLOBAL STATUS LIKE 'Bytes_sent'", z.object({ Value: z.coerce.number() }));
    return row?.Value ?? 0;
  });
}
