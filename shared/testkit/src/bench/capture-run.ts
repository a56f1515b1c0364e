import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openJournal } from '@millrace/journal/journal.js';
import type { JournalLog } from '@millrace/journal/journal-log.js';
import { withClient } from '@millrace/local/postgres.js';
import { waitUntil } from '@millrace/local/wait-until.js';
import { arrivalBeyond, type Look, watchEnd } from './journal-arrival.js';
import { PEER_PUBLICATION } from './peer-slot.js';
import { type Cost, CostMeter } from './process-cost.js';
import { slotIsActive, slotOf, startMillrace } from './run.js';
import type { BenchServers } from './servers.js';
import { type Backlog, formatLsn } from './workload.js';

const RUN_DEADLINE_MS = 600_000;

/** `millrace capture` drains the backlog into its journal: until the sentinel's block is in Kafka. */
export async function runCapture(servers: BenchServers, task: string, backlog: Backlog): Promise<Cost> {
  const { KAFKA_BROKERS, SCHEMA_REGISTRY_URL } = servers.addresses;
  await using journal = await openJournal({
    kafka: { brokers: [KAFKA_BROKERS], tls: null, sasl: null },
    registry: { url: SCHEMA_REGISTRY_URL, login: null },
    topic: `${task}.journal`,
    create: false,
  });
  await using log = journal.log();
  const run = startMillrace(servers, 'capture', task);
  const done = new AbortController();
  try {
    await slotIsActive(servers, slotOf(task));
    const meter = await CostMeter.start(servers.pids);
    const watching = watchEnd(log, done.signal);
    await confirmed(servers, slotOf(task), backlog);
    done.abort();
    return await meter.finish(await endOf(log, backlog, await watching));
  } finally {
    done.abort();
    await run.stop();
  }
}

/** Moment at which the sentinel's block was in the journal; the slot's own answer comes up to a second later. */
async function endOf(log: JournalLog, backlog: Backlog, seen: readonly Look[]): Promise<number> {
  const arrival = await arrivalBeyond(log, backlog.beforeSentinel.toString(16).padStart(16, '0'), seen);
  if (arrival === null) throw new Error('the journal does not hold the end of the backlog');
  return arrival;
}

/** `pg_recvlogical` drains the same log from a copy of the same slot to nowhere. */
export async function runReceive(servers: BenchServers, slot: string, backlog: Backlog): Promise<Cost> {
  const child = spawn(
    servers.program('pg_recvlogical'),
    [
      ...[
        '-d',
        servers.source.url,
        '--slot',
        slot,
        '--start',
        '-f',
        '/dev/null',
        '--no-loop',
        '--endpos',
        formatLsn(backlog.end),
      ],
      ...['-o', 'proto_version=1', '-o', `publication_names=${PEER_PUBLICATION}`],
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  const exited = once(child, 'exit');
  await slotIsActive(servers, slot);
  const meter = await CostMeter.start(servers.pids);
  const [code] = await exited;
  const cost = await meter.finish();
  if (code !== 0) throw new Error(`pg_recvlogical ended with ${code}`);
  return cost;
}

async function confirmed(servers: BenchServers, slot: string, backlog: Backlog): Promise<void> {
  await withClient(servers.source.url, (client) =>
    waitUntil(
      async () => {
        const { rows } = await client.query<{ reached: boolean }>(
          'SELECT confirmed_flush_lsn > $2::pg_lsn AS reached FROM pg_replication_slots WHERE slot_name LIKE $1',
          [slot, formatLsn(backlog.beforeSentinel)],
        );
        return rows.some(({ reached }) => reached);
      },
      { what: `slot ${slot} at the end of the backlog`, deadlineMs: RUN_DEADLINE_MS, everyMs: 100 },
    ),
  );
}
