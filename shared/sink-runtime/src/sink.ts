import type { Checkpoint } from '@millrace/contract/position.js';
import type { ApplyResult, SinkWriter, TablePreparation, TableProgress, TransactionGroup } from '@millrace/contract/sink.js';
import type { TableId } from '@millrace/contract/table.js';
import type { Claimant } from '@millrace/contract/task.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { AbortScope, abortable, Grace } from '@millrace/flow/abort.js';
import { Prefetch } from '@millrace/flow/prefetch.js';
import type { Journal } from '@millrace/journal/journal.js';
import { type JournalItem, JournalReader } from '@millrace/journal/journal-reader.js';
import type { LoadTopicReader } from '@millrace/journal/load-topic.js';
import { crashPoint } from '@millrace/telemetry/crash-point.js';
import { inSpan } from '@millrace/telemetry/span.js';
import { type DeadLetterPublisher, publishDeadLetters } from './dead-letters.js';
import { GroupReader } from './group-reader.js';
import { LoadConsumer } from './load-consumer.js';
import { LoadProgress } from './load-progress.js';
import type { TableMapper } from './table-mapper.js';
import { Trimmer } from './trimmer.js';

const PREFETCH_BYTES = 16 * 1024 * 1024;
/** The group that is being applied at a stop may still be committed. One that is not comes again, from the target's checkpoint. */
const STOP_GRACE_MS = 3_000;

export type SinkStatus =
  | { readonly kind: 'opened'; readonly checkpoint: Checkpoint | null; readonly tables: readonly TableProgress[] }
  | { readonly kind: 'table'; readonly table: TableId; readonly state: 'before load' | 'full load' | 'completed' | 'error' }
  | { readonly kind: 'chunk'; readonly table: TableId; readonly rows: number }
  | { readonly kind: 'loaded' }
  /** The incarnation ends, and it was bringing loaded rows that failed, not applying changes. */
  | { readonly kind: 'load-failed' }
  | { readonly kind: 'tables'; readonly tables: readonly TableProgress[] }
  /** `lagMs`: age of the last change applied, 0 when idle. */
  | { readonly kind: 'applied'; readonly result: ApplyResult; readonly lagMs: number };

export interface SinkOptions {
  readonly definition: string;
  /** Absent: whoever has the target is fenced. */
  readonly claimant?: Claimant;
  readonly sink: SinkWriter;
  readonly journal: Journal;
  readonly loadTopic: LoadTopicReader;
  readonly deadLetters: DeadLetterPublisher;
  readonly mapper: TableMapper;
  readonly preparation: TablePreparation;
  /** Applied changes stay in the journal for so long, for people. */
  readonly journalRetentionMs: number;
  readonly report: (status: SinkStatus) => void;
  /** Told of what does not keep the sink from its work. */
  readonly onWarning: (error: MillraceError) => void;
}

/**
 * One incarnation of a sink: claims the task in the target (older sinks are fenced from there on), reads the journal from the
 * target's own checkpoint, and applies group after group; tables whose load the journal names are loaded beside it, and
 * their changes wait until they are in. Ends by the signal, or by an error whose class tells the caller what to do; within seconds of the
 * signal, whatever hangs: what the target was at then ends when the caller disposes the sink.
 */
export async function runSink(options: SinkOptions, signal: AbortSignal): Promise<void> {
  try {
    await runInForce(options, signal);
  } catch (error) {
    // The one that fenced this sink may have freed what it was still to read.
    if (error instanceof MillraceError && error.code === 'JOURNAL_TRIMMED') await options.sink.checkStillInForce();
    throw error;
  }
}

async function runInForce(options: SinkOptions, signal: AbortSignal): Promise<void> {
  const { sink, journal, mapper, report } = options;
  const state = await abortable(sink.open(options.definition, options.claimant), signal);
  report({ kind: 'opened', checkpoint: state.checkpoint, tables: state.tables });

  using grace = new Grace(signal, STOP_GRACE_MS);
  using work = new AbortScope(signal);
  const running = work.signal;
  await using reader = await JournalReader.open(journal, state.checkpoint, running);
  const checkpoint = state.checkpoint ?? reader.start;
  if (state.checkpoint === null) await abortable(sink.initialize(checkpoint), signal);

  const progress = new LoadProgress(state.tables, checkpoint.epoch);
  const states = new TableStates(options, progress);
  // What an earlier sink wrote and did not publish any more.
  await abortable(publishDeadLetters(sink, options.deadLetters), signal);
  const loader = new LoadConsumer({
    sink,
    topic: options.loadTopic,
    mapper,
    preparation: options.preparation,
    version: (id) => journal.tableVersion(id, running),
    isPast: (table, load) => progress.isPast(table, load),
    onChunk: (table, rows) => {
      trimmer.loaded(false);
      report({ kind: 'chunk', table, rows });
    },
    onTable: (table, tableState) => report({ kind: 'table', table, state: tableState }),
    signal: running,
  });

  const trimmer = new Trimmer(
    { sink, journal, loader, retentionMs: options.journalRetentionMs, onFailure: options.onWarning },
    checkpoint,
  );
  const items = new Prefetch<JournalItem>(PREFETCH_BYTES);
  const guard = (part: Promise<void>, onFirst?: () => void): Promise<void> =>
    part.catch((error: unknown) => {
      if (!running.aborted) onFirst?.();
      work.abort(error);
    });
  const parts = Promise.all([
    guard(items.fill(reader, running)),
    guard(runLoads({ options, loader, progress, states, trimmer }, running), () => report({ kind: 'load-failed' })),
    guard(applyAll({ options, items, progress, states, checkpoint, trimmer }, running)),
    guard(trimmer.run(running)),
  ]);
  await abortable(parts, grace.signal);
  if (!signal.aborted && running.aborted) throw running.reason;
}

interface Loading {
  readonly options: SinkOptions;
  readonly loader: LoadConsumer;
  readonly progress: LoadProgress;
  readonly states: TableStates;
  readonly trimmer: Trimmer;
}

/** Session after session, as long as tables wait for a load. */
async function runLoads({ options, loader, progress, states, trimmer }: Loading, signal: AbortSignal): Promise<void> {
  let told = false;
  while (!signal.aborted) {
    const waiting = progress.waiting();
    if (waiting.length === 0) {
      // What takes a superseded load's place is still to come: its table is not settled.
      if (!told && progress.anyLoaded && !progress.anySuperseded()) {
        options.report({ kind: 'loaded' });
        told = true;
      }
      await progress.change(signal);
      continue;
    }
    told = false;
    await loader.session(waiting, (table, outcome) => progress.settled(table, outcome));
    if (signal.aborted) return;
    trimmer.loaded(true);
    await states.refresh();
    await publishDeadLetters(options.sink, options.deadLetters);
  }
}

/** Loads and Schema events change tables' states in the target: read them back, rather than keep a second copy of the rules. */
class TableStates {
  readonly #options: SinkOptions;
  readonly #progress: LoadProgress;
  #last: Promise<void> = Promise.resolve();

  constructor(options: SinkOptions, progress: LoadProgress) {
    this.#options = options;
    this.#progress = progress;
  }

  /** One reading after the other: an older one that arrives late would bring a superseded load back. */
  refresh(): Promise<void> {
    this.#last = this.#last.then(async () => {
      const { tables } = await this.#options.sink.inspect();
      this.#progress.update(tables);
      this.#options.report({ kind: 'tables', tables });
    });
    return this.#last;
  }
}

interface Applying {
  readonly options: SinkOptions;
  readonly items: Prefetch<JournalItem>;
  readonly progress: LoadProgress;
  readonly states: TableStates;
  readonly checkpoint: Checkpoint;
  readonly trimmer: Trimmer;
}

async function applyAll({ options, items, progress, states, checkpoint, trimmer }: Applying, signal: AbortSignal): Promise<void> {
  const groups = new GroupReader(items, options.mapper, checkpoint);
  while (!signal.aborted) {
    const group = await groups.next(signal);
    if (group === undefined) return;
    await (group.large ? progress.allReady(signal) : progress.ready(group.sources, signal));
    crashPoint('group-read');
    const result = await applyUnlessAbandoned(
      options.sink,
      group.withCoverage((source, range) => progress.coverage(source, range)),
      signal,
    );
    if (result === null) continue;
    groups.applied(result.checkpoint);
    crashPoint('group-applied');
    // First the tables: whoever hears that a position is applied knows by then which loads were named before it.
    if (group.hasSchema || result.suspended.length > 0) await states.refresh();
    progress.reached(result.checkpoint.epoch);
    trimmer.applied(result.checkpoint);
    options.report({ kind: 'applied', result, lagMs: lagMs(result.lastCommittedAtMicros) });
    if (result.errors > 0) await publishDeadLetters(options.sink, options.deadLetters);
  }
}

/** Null where a Takeover ended a large transaction in its middle: its rows are rolled back, and the new incarnation sends it whole. */
async function applyUnlessAbandoned(sink: SinkWriter, group: TransactionGroup, signal: AbortSignal): Promise<ApplyResult | null> {
  try {
    return await inSpan('apply.group', { 'millrace.large': group.large, 'millrace.from': String(group.from.nextOffset) }, () =>
      sink.apply(group, signal),
    );
  } catch (error) {
    if (error instanceof MillraceError && error.code === 'TRANSACTION_ABANDONED') return null;
    throw error;
  }
}

/** Age of a commit now; clocks of two machines may differ, so never below 0. */
function lagMs(committedAtMicros: bigint | null): number {
  return committedAtMicros === null ? 0 : Math.max(0, Date.now() - Number(committedAtMicros / 1_000n));
}
