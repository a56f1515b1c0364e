import { tableKey } from '@millrace/codec/table-key.js';
import type { CaptureSource, TableSelector } from '@millrace/contract/capture.js';
import type { ChunkEncoding } from '@millrace/contract/load.js';
import type { Position } from '@millrace/contract/position.js';
import type { TableId, TableSchema, TableVersion } from '@millrace/contract/table.js';
import type { Claimant, MigrationType } from '@millrace/contract/task.js';
import { AbortScope, abortable, Grace } from '@millrace/flow/abort.js';
import type { Journal } from '@millrace/journal/journal.js';
import { JournalWriter } from '@millrace/journal/journal-writer.js';
import type { LoadTopic } from '@millrace/journal/load-topic.js';
import { crashPoint } from '@millrace/telemetry/crash-point.js';
import { JournalEventWriter } from './journal-event-writer.js';
import { loadedBeyond, pendingLoads } from './load-plan.js';
import { LoadProducer } from './load-producer.js';

/** What is on its way to Kafka at a stop may still get there. What does not is the next incarnation's to find in the journal's tail. */
const STOP_GRACE_MS = 3_000;

export type CaptureStatus =
  | { readonly kind: 'claimed'; readonly epoch: bigint; readonly journal: string }
  | { readonly kind: 'streaming'; readonly after: Position }
  /** `lagMs`: age of the last change, 0 when idle. `committed`: it is a transaction's position and not that of an idle source. */
  | { readonly kind: 'in-force'; readonly position: Position; readonly lagMs: number; readonly committed: boolean }
  | { readonly kind: 'began'; readonly table: TableId; readonly estimatedRows: number }
  /** Chunk `index` of the load is written. */
  | { readonly kind: 'chunk'; readonly table: TableId; readonly load: string; readonly index: number; readonly rows: number }
  /** The incarnation ends, and it was reading tables that failed, not the stream. */
  | { readonly kind: 'load-failed' }
  /** Tables whose changes are left to a load that the journal has not named yet; not known before the first. */
  | { readonly kind: 'awaiting-load'; readonly tables: number }
  | { readonly kind: 'retained-log'; readonly bytes: number };

export interface CaptureOptions {
  readonly task: string;
  readonly migrationType: MigrationType;
  /** Absent: whoever has the journal is fenced. */
  readonly claimant?: Claimant;
  readonly source: CaptureSource;
  readonly selector: TableSelector;
  readonly journal: Journal;
  readonly loadTopic: LoadTopic;
  readonly encoding: (table: TableSchema) => ChunkEncoding;
  /** Whether the table's key values reach the target as they are: only such a table's load goes on in another snapshot. */
  readonly keepsKeys: (table: TableSchema) => boolean;
  readonly report: (status: CaptureStatus) => void;
}

/**
 * One incarnation of a capture, from its claim on the journal to its end: normally by the signal, else by an error whose
 * class tells the caller what to do (retry: start a new incarnation; operator: stop; FENCED: another one runs). Ends within seconds of
 * the signal, whatever hangs; what the source was at then ends when the caller disposes it.
 *
 * The order of the first steps is the protocol's (Capture 1–5): claim, then the journal's tail, then the source; a gap is
 * judged only by a capture that is still in force.
 */
export async function runCapture(options: CaptureOptions, signal: AbortSignal): Promise<void> {
  const { source, journal, selector, report } = options;
  await using claim = await JournalWriter.claim(journal, signal, options.claimant);
  report({ kind: 'claimed', epoch: claim.epoch, journal: claim.journalId });
  crashPoint('capture-claimed');

  const identity = { task: options.task, journal: claim.journalId };
  const attached = await abortable(source.attach(identity, selector, claim.position), signal).catch(async (error: unknown) => {
    await claim.checkStillInForce(signal);
    throw error;
  });
  await claim.checkStillInForce(signal);
  crashPoint('capture-attached');

  using grace = new Grace(signal, STOP_GRACE_MS);
  using work = new AbortScope(signal);
  const running = work.signal;
  const resolve = (id: number): Promise<TableVersion> => journal.tableVersion(id, running);
  const describe = (): Promise<readonly TableSchema[]> => abortable(source.describe(selector), running);
  await using loadTopic = options.loadTopic.writer(claim.epoch, running);
  const unfinished = claim.position === null ? [] : await pendingLoads(loadTopic.controlRecords(running), resolve);
  const producer = new LoadProducer(
    {
      topic: loadTopic,
      snapshot: (tables, stop) => source.snapshot(tables, stop),
      versions: async (tables) => {
        const wanted = new Set(tables.map(tableKey));
        return journal.registerTables(
          (await describe()).filter(({ id }) => wanted.has(tableKey(id))),
          running,
        );
      },
      resolve,
      filter: (table) => selector.filter(table),
      encoding: options.encoding,
      keepsKeys: options.keepsKeys,
      onBegan: (table, estimatedRows) => report({ kind: 'began', table, estimatedRows }),
      onChunk: (chunk) => report({ kind: 'chunk', ...chunk }),
      signal: running,
    },
    unfinished,
  );
  // What an earlier incarnation did not live to do: the journal has dropped these tables or set them aside, or never named their load.
  const inForce = new Set(claim.knownTables.map(({ source: table }) => tableKey(table)));
  for (const { version } of unfinished)
    if (!inForce.has(tableKey(version.source))) await producer.cancellationOf(version.source)?.();
  const writer = new JournalEventWriter(
    {
      sender: { send: (blocks) => claim.send(blocks, grace.signal) },
      register: (table) => journal.registerTable(table, running),
      requestLoad: (version, load) => producer.request(version, load),
      cancellationOf: (version) => producer.cancellationOf(version.source),
      onInForce: (position, committedAtMicros) => {
        crashPoint('capture-in-force');
        source.acknowledge(position);
        report({ kind: 'in-force', position, lagMs: lagMs(committedAtMicros), committed: committedAtMicros !== null });
      },
      onFailure: (error) => work.abort(error),
    },
    claim.position,
  );
  let loadsNamed = 0;
  const nextLoad = (): string => {
    loadsNamed += 1;
    return `${claim.epoch}.${loadsNamed}`;
  };

  let known: readonly TableVersion[] = claim.knownTables;
  if (claim.position !== null && claim.position.timeline !== attached.acknowledged.timeline) {
    // A failover: what the journal holds lies before the fork, or attaching would have failed. Rows that a load read further on may not.
    const beyond = await loadedBeyond(loadTopic.controlRecords(running), claim.position);
    const again: TableVersion[] = [];
    for (const table of known) {
      const change = { kind: 'load', load: nextLoad(), reason: 'the source failed over behind its load' } as const;
      again.push(beyond.has(tableKey(table.source)) ? await writer.schema(table.schema, change) : table);
    }
    known = again;
  }
  if (claim.position === null) {
    const described = await describe();
    // All at once: one by one, a thousand tables would take the registry ten seconds, and their load requests Kafka as many.
    await journal.registerTables(described, running);
    const announced = described.map((table) =>
      writer.schema(
        table,
        options.migrationType === 'cdc' ? { kind: 'version' } : { kind: 'load', load: nextLoad(), reason: 'first start' },
      ),
    );
    known = await Promise.all(announced);
    writer.progress(attached.acknowledged);
    writer.flush();
  }

  const after = claim.position ?? attached.acknowledged;
  report({ kind: 'streaming', after });
  const streaming = source.stream(after, writer, {
    selector,
    known,
    signal: running,
    needsLoad: nextLoad,
    onAwaitingLoad: (tables) => report({ kind: 'awaiting-load', tables }),
    onRetainedLog: (bytes) => report({ kind: 'retained-log', bytes }),
  });
  const loading = producer.run(attached.snapshot);
  const failed = (part: 'stream' | 'load', error: unknown): void => {
    if (part === 'load' && !running.aborted) report({ kind: 'load-failed' });
    work.abort(error);
  };
  const parts = Promise.all([
    streaming.catch((error: unknown) => failed('stream', error)),
    loading.catch((error: unknown) => failed('load', error)),
  ]);
  await abortable(parts, grace.signal);
  await writer.close();
  if (!signal.aborted && running.aborted) throw running.reason;
}

/** Age of a commit now; clocks of two machines may differ, so never below 0. */
function lagMs(committedAtMicros: bigint | null): number {
  return committedAtMicros === null ? 0 : Math.max(0, Date.now() - Number(committedAtMicros / 1_000n));
}
