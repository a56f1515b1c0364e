import type { ConnectServer } from '@millrace/local/connect.js';
import { withClient } from '@millrace/local/postgres.js';
import { waitUntil } from '@millrace/local/wait-until.js';
import { withDebezium } from './debezium.js';
import { LOAD_TABLE } from './full-load.js';
import { type Cost, CostMeter } from './process-cost.js';
import { slotIsActive } from './run.js';
import type { BenchServers } from './servers.js';
import type { Workload } from './workload.js';

const RUN_DEADLINE_MS = 900_000;
const LOOK_EVERY_MS = 10;
/** Asking Kafka costs the broker several requests for each topic. */
const ASK_KAFKA_EVERY_MS = 100;
const LAST_ID = -1;

/** The JDBC sink takes each table for itself: every table gets a row that is written last in it. */
export function withLastRows(workload: Workload): Workload {
  const tables = workload.tables.filter((table) => table !== 'sentinel');
  const write = tables.map(
    (table) =>
      `INSERT INTO bench.${table} SELECT (jsonb_populate_record(t, '{"id": ${LAST_ID}}')).* FROM bench.${table} t LIMIT 1`,
  );
  return { ...workload, changes: workload.changes + tables.length, write: [...workload.write, ...write] };
}

interface Drain {
  readonly slot: string;
  readonly workload: Workload;
}

/** Until every table's last row is in the target. */
export function runDebezium(servers: BenchServers, worker: ConnectServer, { slot, workload: { tables } }: Drain): Promise<Cost> {
  return withDebezium(servers, worker, { slot, tables, carries: 'changes', into: 'target' }, async ({ signal }) => {
    await slotIsActive(servers, slot);
    const meter = await CostMeter.start(servers.pids);
    await rowsArrived(servers, tables.map(lastRow), signal);
    return meter.finish();
  });
}

/** Until Kafka holds a record for every change. */
export function runDebeziumCapture(servers: BenchServers, worker: ConnectServer, { slot, workload }: Drain): Promise<Cost> {
  const { tables, changes } = workload;
  return withDebezium(servers, worker, { slot, tables, carries: 'changes', into: 'kafka' }, async ({ signal, written }) => {
    await slotIsActive(servers, slot);
    const meter = await CostMeter.start(servers.pids);
    // The sentinel's is one more.
    await waitUntil(async () => (await written()) >= changes + 1, {
      what: 'every change in Kafka',
      deadlineMs: RUN_DEADLINE_MS,
      everyMs: ASK_KAFKA_EVERY_MS,
      signal,
    });
    return meter.finish();
  });
}

/** From the request for the source connector until the table's last row is in the target. */
export function loadByDebezium(
  servers: BenchServers,
  worker: ConnectServer,
  { slot, rows }: { readonly slot: string; readonly rows: number },
): Promise<Cost> {
  return withDebezium(
    servers,
    worker,
    { slot, tables: LOAD_TABLE.tables, carries: 'rows', into: 'target' },
    async ({ signal }) => {
      const meter = await CostMeter.start(servers.pids);
      await rowsArrived(servers, [{ table: 'events', id: rows }], signal);
      return meter.finish();
    },
  );
}

function lastRow(table: string): Row {
  return { table, id: table === 'sentinel' ? 1 : LAST_ID };
}

interface Row {
  readonly table: string;
  readonly id: number;
}

async function rowsArrived({ target }: BenchServers, rows: readonly Row[], signal: AbortSignal): Promise<void> {
  const there = rows.map(({ table, id }) => `EXISTS (SELECT FROM bench.${table} WHERE id = ${id})`);
  await withClient(target.url, async (client) => {
    // The tables were empty when they were last analyzed.
    await client.query('SET enable_seqscan = off');
    await waitUntil(
      async () => {
        const { rows } = await client.query<{ there: boolean }>(`SELECT ${there.join(' AND ')} AS there`);
        return rows[0]?.there === true;
      },
      { what: 'the last rows in the target', deadlineMs: RUN_DEADLINE_MS, everyMs: LOOK_EVERY_MS, signal },
    );
  });
}
