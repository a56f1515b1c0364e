import { abortable } from '@millrace/flow/abort.js';
import type { Task } from '../task/task.js';
import { IncarnationProgress } from '../worker/incarnation-progress.js';
import { runIncarnations } from '../worker/retry.js';

/**
 * Drops what a full load made in the source. No changes follow it: a slot left behind would keep the source's log for ever. A source that
 * is away is asked again, as patiently as by the workers; at a stop it is left, and the same command run again frees it.
 */
export async function freeSource(
  { config, openSource }: Pick<Task, 'openSource'> & { readonly config: Pick<Task['config'], 'name' | 'outageMinutes'> },
  signal: AbortSignal,
): Promise<void> {
  const free = async (): Promise<void> => {
    await using source = await openSource();
    await abortable(source.remove({ task: config.name, journal: '' }), signal);
  };
  const options = { outageMs: config.outageMinutes * 60_000, progress: new IncarnationProgress(), onRetry: () => undefined };
  await runIncarnations(free, options, signal);
}
