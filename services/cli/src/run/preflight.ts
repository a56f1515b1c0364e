import type { CaptureSource } from '@millrace/contract/capture.js';
import type { Finding } from '@millrace/contract/finding.js';
import type { SinkState, SinkWriter } from '@millrace/contract/sink.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { AbortScope, abortable } from '@millrace/flow/abort.js';
import { assessTopics } from '@millrace/journal/assess-topics.js';
import { checkReachable } from '@millrace/journal/reachable.js';
import { createTableMapper } from '@millrace/mapping/table-mapper.js';
import { TableMapper } from '@millrace/sink-runtime/table-mapper.js';
import { describeFailure } from '../failure.js';
import type { Task } from '../task/task.js';
import { IncarnationProgress } from '../worker/incarnation-progress.js';
import type { WorkerFailure } from '../worker/messages.js';
import { runIncarnations } from '../worker/retry.js';
import type { Reporter } from './reporter.js';

/** A server that is away at the start may just be starting: it is asked again for so long. */
const START_OUTAGE_MS = 20_000;
/** Whatever hangs, the start is refused within a minute. */
const START_DEADLINE_MS = 50_000;

export interface Preflight {
  /** Nothing of the task was anywhere before: a start that is refused leaves nothing behind. */
  readonly pristine: boolean;
  readonly findings: readonly Finding[];
}

/**
 * Everything that can be known before anything is written: both ends, Kafka and the registry answer, the task's definition
 * is the one it was started with, its topics are fit, and, before a first start, what the assessments of both ends find.
 *
 * @throws MillraceError START_TIMEOUT, TASK_CHANGED, or a server's own error.
 */
export async function preflight(task: Task, reporter: Reporter, signal: AbortSignal): Promise<Preflight> {
  const questions = new Questions();
  let result: Preflight = { pristine: false, findings: [] };
  const once = async (): Promise<void> => {
    result = await check(task, questions);
  };
  const answered = runIncarnations(
    once,
    {
      outageMs: START_OUTAGE_MS,
      progress: new IncarnationProgress(),
      onRetry: (error, inMs) => reporter.waiting(describeFailure(error), inMs),
    },
    signal,
  );
  await withinDeadline(answered, questions, signal);
  signal.throwIfAborted();
  for (const finding of result.findings) if (finding.severity !== 'info') reporter.finding(finding);
  return result;
}

/** The finding that refuses the start, as the error of the run; null where none does. */
export function refusalOf(findings: readonly Finding[]): WorkerFailure | null {
  const errors = findings.filter(({ severity }) => severity === 'error');
  const [first] = errors;
  if (first === undefined) return null;
  const { code, where, message, remedy } = first;
  const more = errors.length === 1 ? '' : ` ${errors.length - 1} more found; \`millrace assess\` lists all.`;
  return {
    code,
    class: 'operator',
    message: `${where}: ${message}${more}`,
    cause: 'Found before the start: nothing was made or written.',
    remedy,
  };
}

/** What was asked and not yet answered, for the error that names who is silent. */
class Questions {
  readonly #open = new Set<string>();

  async ask<T>(what: string, work: () => Promise<T>): Promise<T> {
    this.#open.add(what);
    try {
      return await work();
    } finally {
      this.#open.delete(what);
    }
  }

  get open(): string {
    return [...this.#open].join(' and ');
  }
}

async function withinDeadline(answered: Promise<void>, questions: Questions, signal: AbortSignal): Promise<void> {
  using ending = new AbortScope(signal);
  const timer = setTimeout(
    () => ending.abort(new MillraceError('START_TIMEOUT', { who: questions.open, seconds: START_DEADLINE_MS / 1_000 })),
    START_DEADLINE_MS,
  );
  try {
    await abortable(answered, ending.signal);
  } finally {
    clearTimeout(timer);
  }
}

async function check(task: Task, questions: Questions): Promise<Preflight> {
  await using sink = await task.openSink();
  await using source = await task.openSource();
  const topics = async (): Promise<readonly string[]> => {
    await checkReachable({ kafka: task.kafka, registry: task.registry });
    return assessTopics({ kafka: task.kafka, registry: task.registry, topics: task.topics });
  };
  const target = questions.ask('the target', () => sink.inspect());
  const journal = questions.ask('Kafka or the registry', topics);
  await allAnswered([target, questions.ask('the source', () => source.currentPosition()), journal]);
  const state: SinkState = await target;
  if (state.definition !== null && state.definition !== task.definition) {
    throw new MillraceError('TASK_CHANGED', { name: task.config.name, what: 'its table mappings or its migration type differ' });
  }
  if (state.checkpoint !== null) return { pristine: false, findings: [] };
  const findings = await questions.ask('the source or the target', () => assessTask(task, source, sink));
  return { pristine: state.definition === null && (await journal).length === 0, findings };
}

/** All or none; of several failures the one that somebody has to act on, before one that is tried again. */
async function allAnswered(questions: readonly Promise<unknown>[]): Promise<void> {
  const failures = (await Promise.allSettled(questions)).flatMap((outcome): unknown[] =>
    outcome.status === 'rejected' ? [outcome.reason] : [],
  );
  // An answer that says no is more telling than a server that is away.
  const telling = failures.find((error) => !(error instanceof MillraceError && error.class === 'retry')) ?? failures[0];
  if (telling instanceof Error) throw telling;
  if (telling !== undefined) throw new MillraceError('INTERNAL', { what: String(telling) });
}

/** The findings of both ends; the target is assessed against the tables as the mapping makes them. */
export async function assessTask(task: Task, source: CaptureSource, sink: SinkWriter): Promise<readonly Finding[]> {
  const findings = [...(await source.assess(task.selector))];
  if (findings.some(({ severity }) => severity === 'error')) return findings;
  const mapper = new TableMapper(task.mapping, task.supports);
  const described = await source.describe(task.selector);
  findings.push(
    ...createTableMapper(task.mapping, task.supports).assess(described, { changes: task.config.migrationType !== 'full-load' }),
  );
  if (findings.some(({ severity }) => severity === 'error')) return findings;
  const tables = described.map((table) => mapper.target(table));
  findings.push(...(await sink.assess(tables, task.settings.preparation)));
  return findings;
}
