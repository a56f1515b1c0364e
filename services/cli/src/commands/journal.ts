import { displayTable } from '@millrace/codec/table-key.js';
import type { TaskConfig } from '@millrace/config/task-options.js';
import type { EventBlock } from '@millrace/contract/events.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { openJournal } from '@millrace/journal/journal.js';
import { JournalReader } from '@millrace/journal/journal-reader.js';
import { kafkaSettings, registrySettings, topicsOf } from '../task/task.js';
import { eventLines } from './journal-lines.js';

type JournalConfig = Pick<
  TaskConfig,
  'name' | 'kafka' | 'registry' | 'kafkaTls' | 'kafkaSasl' | 'kafkaUsername' | 'kafkaPassword'
>;

/** `millrace journal`: what is in force in a task's journal and still kept, one JSON object an event. Ends at the journal's end unless `--follow`. */
export async function journalCommand(config: JournalConfig, flags: Readonly<Record<string, unknown>>): Promise<number> {
  const from = offsetOf(flags['from']);
  const table = typeof flags['table'] === 'string' ? flags['table'] : null;
  const follow = flags['follow'] === true;
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  process.once('SIGTERM', () => stop.abort());
  // A reader that closes the pipe (`| head`) has seen enough.
  process.stdout.once('error', () => stop.abort());

  await using journal = await openJournal({
    kafka: kafkaSettings(config),
    registry: registrySettings(config.registry),
    topic: topicsOf(config.name).journal,
    create: false,
  });
  const { start, end } = await journal.bounds();
  if (end === 0n || (!follow && from >= end)) return 0;
  if (from < start)
    process.stderr.write(`The journal begins at offset ${start}: what the target has is kept for journalRetentionHours.\n`);
  await using reader = await JournalReader.openOldest(journal, stop.signal);
  for await (const item of reader) {
    const offset = (item.kind === 'takeover' ? item.checkpoint : item.checkpointAfter).nextOffset - 1n;
    if (offset >= from) {
      if (item.kind === 'takeover')
        write({ offset, event: 'takeover', epoch: item.checkpoint.epoch, journal: item.checkpoint.journal });
      else if (table === null || mentions(item.block, table)) for (const line of eventLines(item.block, table)) write(line);
    }
    if (!follow && offset + 1n >= end) break;
  }
  return 0;
}

function mentions(block: EventBlock, table: string): boolean {
  return block.tables.some(({ source }) => displayTable(source) === table);
}

function offsetOf(text: unknown): bigint {
  if (text === undefined) return 0n;
  if (typeof text !== 'string' || !/^\d{1,18}$/.test(text))
    throw new MillraceError('USAGE_OPTION_VALUE', {
      where: '--from',
      value: JSON.stringify(text),
      problem: 'must be a journal offset, 0 or more',
    });
  return BigInt(text);
}

function write(line: Readonly<Record<string, unknown>>): void {
  process.stdout.write(`${JSON.stringify(line, (_, value: unknown) => (typeof value === 'bigint' ? Number(value) : value))}\n`);
}
