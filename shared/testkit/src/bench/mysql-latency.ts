import { withConnection } from '@millrace/local/mysql.js';
import { z } from 'zod';
import {
  type Commit,
  type Load,
  type LoadedSource,
  measureFrom,
  type Percentiles,
  type Range,
  ROWS_PER_TRANSACTION,
  SESSIONS,
  said,
} from './latency.js';
import { type Line, lineOf, plain } from './line.js';
import { startReading } from './mysql-capture-run.js';
import type { MysqlBenchServers } from './mysql-servers.js';
import { createMysqlTables, readRows } from './mysql-workload.js';
import { prepareTask, removeTask, startMillrace } from './run.js';

const TASK = 'mylatency';
const P99_MS = 80;

export interface MysqlLatencyLines {
  readonly load: Load;
  readonly runs: number;
  readonly report: (text: string) => void;
}

/** From the commit in MariaDB until the row can be read in PostgreSQL. */
export async function mysqlLatencyLines(
  servers: MysqlBenchServers,
  { load, runs, report }: MysqlLatencyLines,
): Promise<readonly Line[]> {
  await createMysqlTables(servers.source.url);
  await servers.target.create();
  const measured: Percentiles[] = [];
  for (let run = 1; run <= runs; run++) {
    // A task of its own for each run, as in the PostgreSQL lines.
    await prepareTask(servers, TASK);
    const millrace = await startReading(servers, () => startMillrace(servers, 'run', TASK));
    try {
      measured.push(await measureFrom(mariadbSource(servers.source.url), servers.target.url, load));
    } finally {
      await millrace.stop();
      await removeTask(servers, TASK);
    }
    report(`  latency ${run}: ${said(measured)}`);
  }
  const line = (which: keyof Percentiles, goal: Parameters<typeof lineOf>[0]['goal']): Line =>
    lineOf({
      name: `latency from MariaDB, ${which} at ${load.perSecond} tx/s`,
      unit: 'ms',
      samples: plain(measured.map((one) => one[which])),
      goal,
    });
  return [line('p50', null), line('p99', { of: 'value', is: 'at most', bound: P99_MS })];
}

function mariadbSource(url: string): LoadedSource {
  return {
    async nextId() {
      const [row] = await rowsOf(
        url,
        'SELECT COALESCE(MAX(id), 0) + 1 AS next FROM bench.events',
        z.object({ next: z.coerce.number() }),
      );
      return row?.next ?? 1;
    },
    async insertSteadily(all, perSecond) {
      await Promise.all(
        all.map((range) => withConnection(url, (connection) => connection.query(paced(range, perSecond / SESSIONS)))),
      );
    },
    async commitTimes(first) {
      const commit: z.ZodType<Commit> = z.object({ id: z.coerce.number(), ms: z.coerce.number() });
      return rowsOf(url, `SELECT id, UNIX_TIMESTAMP(placed) * 1000 AS ms FROM bench.events WHERE id >= ${first}`, commit);
    },
  };
}

async function rowsOf<T>(url: string, sql: string, row: z.ZodType<T>): Promise<readonly T[]> {
  return withConnection(url, (connection) => readRows(connection, sql, row));
}

/**
 * MariaDB keeps no commit times, so a row holds the time of its own INSERT, the last statement before the COMMIT: its commit's writing
 * to disk counts, as it does where PostgreSQL tells the time.
 */
function paced({ from, transactions }: Range, perSecond: number): string {
  const rows = Array.from(
    { length: ROWS_PER_TRANSACTION },
    (_, row) => `(${from} + t * ${ROWS_PER_TRANSACTION} + ${row}, t, SYSDATE(6), 1.25, 0.5, 1, 'new', REPEAT('n', 160))`,
  ).join(', ');
  return `BEGIN NOT ATOMIC DECLARE t bigint DEFAULT 0; DECLARE started datetime(6) DEFAULT SYSDATE(6); DECLARE wait double;
    WHILE t < ${transactions} DO
      SET wait = t / ${perSecond} - TIMESTAMPDIFF(MICROSECOND, started, SYSDATE(6)) / 1e6;
      IF wait > 0 THEN DO SLEEP(wait); END IF;
      START TRANSACTION;
      INSERT INTO bench.events VALUES ${rows};
      COMMIT;
      SET t = t + 1;
    END WHILE; END`;
}
