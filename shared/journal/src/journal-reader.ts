import type { JournalBlock } from '@millrace/codec/block-reader.js';
import type { Checkpoint } from '@millrace/contract/position.js';
import { assertNever, MillraceError } from '@millrace/errors/millrace-error.js';
import type { Journal } from './journal.js';
import { journalError } from './journal-error.js';
import type { JournalLog, LogRecord } from './journal-log.js';
import { advance, beginningOfJournal, type LogBounds, type ReaderState, stateOfCheckpoint } from './rules/reader-rules.js';
import { isCertain } from './rules/record-header.js';
import { stateBefore } from './rules/tail-rules.js';

/** Records looked at in one piece; the first one nearly always tells. */
const OLDEST_RECORDS = 16n;

export type JournalItem =
  | {
      readonly kind: 'takeover';
      /** Slices of a large transaction that were yielded before are void: it comes again, whole. */
      readonly abandons: boolean;
      readonly checkpoint: Checkpoint;
      readonly byteLength: number;
    }
  /** `checkpointAfter` is one that a target may hold only where the block ends a transaction (no slice, or the last one). */
  | { readonly kind: 'block'; readonly block: JournalBlock; readonly checkpointAfter: Checkpoint; readonly byteLength: number };

/**
 * Reads a journal from a checkpoint on, for ever: only what is in force, each block once, in order. Ends when the signal aborts; any
 * doubt about the log is an error. Iterate it once.
 */
export class JournalReader implements AsyncIterable<JournalItem>, AsyncDisposable {
  /** Where the reading begins: the checkpoint given, or that of the journal's beginning. */
  readonly start: Checkpoint;
  readonly #journal: Journal;
  readonly #log: JournalLog;
  readonly #signal: AbortSignal;

  private constructor(journal: Journal, log: JournalLog, start: Checkpoint, signal: AbortSignal) {
    this.#journal = journal;
    this.#log = log;
    this.start = start;
    this.#signal = signal;
  }

  /**
   * With `from` null the reading begins at the journal's first record, and waits until some capture has claimed the journal.
   * @throws MillraceError JOURNAL_TRIMMED, JOURNAL_TRUNCATED, JOURNAL_FOREIGN where the log no longer goes on at the checkpoint
   */
  static async open(journal: Journal, from: Checkpoint | null, signal: AbortSignal): Promise<JournalReader> {
    const log = journal.log();
    try {
      const start = from ?? (await beginning(journal.topic, log, signal));
      const bounds = await log.check(start.nextOffset, signal);
      if (start.nextOffset > bounds.start) await checkJournal(journal.topic, log, start, signal);
      return new JournalReader(journal, log, start, signal);
    } catch (error) {
      await log[Symbol.asyncDispose]();
      throw error;
    }
  }

  /**
   * For people: from the oldest block on that is kept, where everything before it may be freed. A target never begins so.
   * @throws MillraceError JOURNAL_NO_ANCHOR where no block is kept that tells where the journal stands
   */
  static async openOldest(journal: Journal, signal: AbortSignal): Promise<JournalReader> {
    const log = journal.log();
    try {
      const bounds = await log.bounds(signal);
      const start =
        bounds.start === 0n ? await beginning(journal.topic, log, signal) : await oldest(journal.topic, log, bounds, signal);
      return new JournalReader(journal, log, start, signal);
    } catch (error) {
      await log[Symbol.asyncDispose]();
      throw error;
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<JournalItem> {
    let state = stateOfCheckpoint(this.start);
    for await (const records of this.#log.follow(state.nextOffset, this.#signal)) {
      for (const record of records) {
        const decision = advance(state, record.header);
        switch (decision.kind) {
          case 'error':
            throw journalError(this.#journal.topic, decision.error);
          case 'ignore':
            break;
          case 'takeover':
            yield {
              kind: 'takeover',
              abandons: decision.abandons,
              checkpoint: checkpointOf(decision.state),
              byteLength: record.byteLength,
            };
            break;
          case 'apply':
            if (record.kind === 'block') {
              yield {
                kind: 'block',
                block: record.block,
                checkpointAfter: checkpointOf(decision.state),
                byteLength: record.byteLength,
              };
            }
            break;
          default:
            assertNever(decision);
        }
        state = decision.state;
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#log[Symbol.asyncDispose]();
  }
}

/** The first Takeover in force names the journal. */
async function beginning(topic: string, log: JournalLog, signal: AbortSignal): Promise<Checkpoint> {
  await log.arrival(0n, signal);
  const [first] = await log.range(0n, 1n, signal);
  if (first === undefined) throw new MillraceError('INTERNAL', { what: 'a range is read whole' });
  const decision = advance(beginningOfJournal(0n), first.header);
  if (decision.kind === 'error') throw journalError(topic, decision.error);
  return { journal: first.header.journal, epoch: -1n, seq: -1n, nextOffset: 0n, position: null };
}

/** Just before the first block that is certainly in force and begins no transaction in its middle. */
async function oldest(topic: string, log: JournalLog, { start, end }: LogBounds, signal: AbortSignal): Promise<Checkpoint> {
  for (let from = start; from < end; from += OLDEST_RECORDS) {
    const records = await log.range(from, from + OLDEST_RECORDS < end ? from + OLDEST_RECORDS : end, signal);
    for (const { header } of records) {
      if (header.kind === 'block' && isCertain(header) && (header.slice?.index ?? 0) === 0)
        return checkpointOf(stateBefore(header));
    }
  }
  throw new MillraceError('JOURNAL_NO_ANCHOR', { topic, start });
}

/** The record before the checkpoint's: whether this is the journal that the checkpoint was taken in, said before anything new is read. */
async function checkJournal(
  topic: string,
  log: JournalLog,
  { journal, nextOffset }: Checkpoint,
  signal: AbortSignal,
): Promise<void> {
  const [before]: LogRecord[] = await log.range(nextOffset - 1n, nextOffset, signal);
  if (before === undefined || before.header.journal === journal) return;
  // Of two that claimed an empty topic at once, the second one's Takeover names a journal that never was.
  if (before.kind === 'takeover' && !isCertain(before.header)) return;
  throw new MillraceError('JOURNAL_FOREIGN', { topic, offset: nextOffset - 1n, expected: journal, found: before.header.journal });
}

function checkpointOf({ journal, epoch, seq, nextOffset, position }: ReaderState): Checkpoint {
  if (journal === null) throw new MillraceError('INTERNAL', { what: 'a record was taken before the journal was known' });
  return { journal, epoch, seq, nextOffset, position };
}
