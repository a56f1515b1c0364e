import { displayTable } from '@millrace/codec/table-key.js';
import type { TaskConfig } from '@millrace/config/task-options.js';
import { parseTaskSettings } from '@millrace/config/task-settings.js';
import { openSink } from '@millrace/connectors/catalogue.js';
import { openJournal } from '@millrace/journal/journal.js';
import { count } from '../run/figures.js';
import { kafkaSettings, registrySettings, topicsOf } from '../task/task.js';

type StatusConfig = Pick<
  TaskConfig,
  'name' | 'target' | 'kafka' | 'registry' | 'json' | 'kafkaTls' | 'kafkaSasl' | 'kafkaUsername' | 'kafkaPassword'
>;

/** `millrace status`: where a task stands, from the journal and the target alone; the source is not asked. */
export async function statusCommand(config: StatusConfig): Promise<number> {
  await using sink = await openSink({ url: config.target, task: config.name, policy: parseTaskSettings(null, '').policy });
  const state = await sink.inspect();
  if (state.checkpoint === null) {
    if (config.json) process.stdout.write(`${JSON.stringify({ event: 'status', name: config.name, known: false })}\n`);
    else process.stdout.write(`${config.name} has written nothing to this target.\n`);
    return 0;
  }
  await using journal = await openJournal({
    kafka: kafkaSettings(config),
    registry: registrySettings(config.registry),
    topic: topicsOf(config.name).journal,
    create: false,
  });
  const { start, end } = await journal.bounds();
  const behind = end - state.checkpoint.nextOffset;
  if (config.json) {
    const tables = state.tables.map(({ source, state: tableState, counts, error }) => ({
      ...source,
      state: tableState,
      rowsLoaded: Number(counts.rowsLoaded),
      inserts: Number(counts.inserts),
      updates: Number(counts.updates),
      deletes: Number(counts.deletes),
      errors: Number(counts.errors),
      error,
    }));
    const line = {
      event: 'status',
      name: config.name,
      known: true,
      journal: {
        start: Number(start),
        end: Number(end),
        next: Number(state.checkpoint.nextOffset),
        recordsBehind: Number(behind),
      },
      position: state.checkpoint.position?.key ?? null,
      tables,
    };
    process.stdout.write(`${JSON.stringify(line)}\n`);
    return 0;
  }
  process.stdout.write(
    `${config.name}   applied up to journal offset ${count(state.checkpoint.nextOffset)} of ${count(end)} (${count(behind)} records behind)\n`,
  );
  for (const { source, state: tableState, counts, error } of state.tables) {
    const attention = error === null ? '' : `   ${error.code}: ${error.message}`;
    process.stdout.write(
      `  ${displayTable(source).padEnd(40)} ${tableState.padEnd(14)} ${count(counts.rowsLoaded)} loaded, ${count(counts.inserts)} + ${count(counts.updates)} ~ ${count(counts.deletes)} -${attention}\n`,
    );
  }
  return 0;
}
