import type { Finding } from '@millrace/contract/finding.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { checkReachable } from '@millrace/journal/reachable.js';
import { createTableMapper } from '@millrace/mapping/table-mapper.js';
import { TableMapper } from '@millrace/sink-runtime/table-mapper.js';
import type { Task } from '../task/task.js';
import { runIncarnations } from '../worker/retry.js';
import type { Reporter } from './reporter.js';

/** A server that is away at the start is refused within 60 s. */
const START_OUTAGE_MS = 40_000;

export interface Preflight {
  /** Nothing of the task is in the target yet. */
  readonly firstStart: boolean;
  readonly findings: readonly Finding[];
}

/**
 * Everything that can be known before anything is written: both ends, Kafka and the registry answer, the task's definition
 * is the one it was started with, and, before a first start, what the assessments of both ends find.
 *
 * @throws MillraceError TASK_CHANGED, PREFLIGHT_FAILED, or a server's own error.
 */
export async function preflight(task: Task, reporter: Reporter, signal: AbortSignal): Promise<Preflight> {
  let result: Preflight = { firstStart: true, findings: [] };
  const once = async (): Promise<void> => {
    result = await check(task);
  };
  await runIncarnations(once, { outageMs: START_OUTAGE_MS, lastProgress: () => 0, onRetry: () => undefined }, signal);
  signal.throwIfAborted();
  for (const finding of result.findings) if (finding.severity !== 'info') reporter.finding(finding);
  const errors = result.findings.filter(({ severity }) => severity === 'error');
  const [first] = errors;
  if (first !== undefined) {
    throw new MillraceError('PREFLIGHT_FAILED', {
      count: errors.length,
      first: `${first.code} at ${first.where}: ${first.message}`,
      remedy: first.remedy,
    });
  }
  return result;
}

async function check(task: Task): Promise<Preflight> {
  const { config } = task;
  await checkReachable({ kafka: task.kafka, registry: task.registry });
  await using sink = await task.openSink();
  const state = await sink.inspect();
  if (state.definition !== null && state.definition !== task.definition) {
    throw new MillraceError('TASK_CHANGED', { name: config.name, what: 'its table mappings or its migration type differ' });
  }
  await using source = await task.openSource();
  if (state.checkpoint !== null) return { firstStart: false, findings: [] };
  return { firstStart: true, findings: await assessTask(task, source, sink) };
}

/** The findings of both ends; the target is assessed against the tables as the mapping makes them. */
export async function assessTask(
  task: Task,
  source: Awaited<ReturnType<Task['openSource']>>,
  sink: Awaited<ReturnType<Task['openSink']>>,
): Promise<readonly Finding[]> {
  const findings = [...(await source.assess(task.selector))];
  if (findings.some(({ severity }) => severity === 'error')) return findings;
  const mapper = new TableMapper(task.mapping);
  const described = await source.describe(task.selector);
  findings.push(...createTableMapper(task.mapping).assess(described, { changes: task.config.migrationType !== 'full-load' }));
  if (findings.some(({ severity }) => severity === 'error')) return findings;
  const tables = described.map((table) => mapper.target(table));
  findings.push(...(await sink.assess(tables, task.settings.preparation)));
  return findings;
}
