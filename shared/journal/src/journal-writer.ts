import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BlockBuilder } from '@millrace/codec/block-builder.js';
import { tableKey } from '@millrace/codec/table-key.js';
import { encodeTakeover } from '@millrace/codec/takeover.js';
import type { Position } from '@millrace/contract/position.js';
import type { TableVersion } from '@millrace/contract/table.js';
import type { Claimant } from '@millrace/contract/task.js';
import { assertNever, invariant, MillraceError } from '@millrace/errors/millrace-error.js';
import type { Journal } from './journal.js';
import { journalError } from './journal-error.js';
import { type JournalLog, SCHEMAS_HEADER, TABLES_HEADER, tablesHeader } from './journal-log.js';
import { JOURNAL_PARTITION } from './journal-partition.js';
import { readTail, type TableAtTail, tablesAtTail } from './journal-tail.js';
import type { OutgoingRecord, PartitionWriter } from './kafka/partition-writer.js';
import { claimBackOffMs, epochForClaim, judgeClaim, MAX_CLAIMS } from './rules/claim-rules.js';
import type { LogBounds } from './rules/reader-rules.js';
import type { TakeoverHeader } from './rules/record-header.js';
import { judgeBetween, judgeReply } from './rules/send-rules.js';

/**
 * A block that lists every table is written when so much has been sent since the last one: what a restart reads, and what is kept of a
 * trimmed journal for its sake, is bounded by it.
 */
const LIST_EVERY_BYTES = 64 * 1024 * 1024;

/** A block whose events are complete; its header is known only when it is sent. */
export interface OutgoingBlock {
  /** Sealed, and thereby emptied, when the block is sent. */
  readonly builder: Pick<BlockBuilder, 'seal' | 'byteLength' | 'latestCommitMicros'>;
  /** Its Schema events, in order. */
  readonly announces: readonly TableAtTail[];
  /** Position of the last Commit or Progress before the block; in a slice, before its transaction. Null: none yet. */
  readonly after: Position | null;
  /** Position of the block's last Commit or Progress; null for a slice that is not the last. */
  readonly upTo: Position | null;
  readonly slice: { readonly index: number; readonly last: boolean } | null;
}

interface Claim {
  readonly log: JournalLog;
  readonly appender: PartitionWriter;
  readonly takeover: TakeoverHeader;
  readonly position: Position | null;
  readonly tables: readonly TableAtTail[];
  readonly schemas: bigint;
  readonly clock: bigint | null;
}

/**
 * One incarnation of a capture, writing to the journal that it has claimed. What it sends is in force when `send` resolves; after any
 * error it is at its end: whatever was in flight is judged by the next incarnation's reading of the tail.
 */
export class JournalWriter implements AsyncDisposable {
  readonly journalId: string;
  readonly epoch: bigint;
  /** Where the journal stood when it was claimed: the source is read on from there. Null: nothing is in it. */
  readonly position: Position | null;
  /** Table versions in force there, announced by a Schema event and neither dropped nor set aside since. */
  readonly knownTables: readonly TableVersion[];
  readonly #journal: Journal;
  readonly #log: JournalLog;
  readonly #appender: PartitionWriter;
  /** Offset of the last record of this incarnation. */
  #prev: bigint;
  #nextSeq = 0n;
  /** Offset of the last block that tells of tables. */
  #schemas: bigint;
  /** In force up to the last block sealed. */
  readonly #tables = new Map<string, TableVersion>();
  #bytesSinceList: number;
  #firstSlice = -1n;
  #inForce: Position | null;
  /** Of the last block sealed. */
  #clock: bigint | null;
  #failure: { readonly error: unknown } | undefined;
  #sending = false;

  private constructor(journal: Journal, claim: Claim) {
    this.#journal = journal;
    this.#log = claim.log;
    this.#appender = claim.appender;
    this.journalId = claim.takeover.journal;
    this.epoch = claim.takeover.epoch;
    this.position = claim.position;
    for (const announced of claim.tables) this.#follow(announced);
    this.knownTables = [...this.#tables.values()];
    // The next restart finds a list at the first block of this incarnation.
    this.#bytesSinceList = claim.schemas < 0n ? 0 : LIST_EVERY_BYTES;
    this.#prev = claim.takeover.offset;
    this.#schemas = claim.schemas;
    this.#inForce = claim.position;
    this.#clock = claim.clock;
  }

  /**
   * Claims the journal for a new incarnation; the older ones are fenced from here on. Then reads the tail (Protocol, Capture 1 to 3).
   * @throws MillraceError JOURNAL_FENCED where the claimant held the claim before and another run has it now; JOURNAL_CLAIM_CONTENDED, JOURNAL_TRUNCATED, JOURNAL_TRIMMED, JOURNAL_NO_ANCHOR, KAFKA_UNAVAILABLE, and the errors of the
   * reader's rules
   */
  static async claim(journal: Journal, signal: AbortSignal, claimant: Claimant = ANYBODY): Promise<JournalWriter> {
    const log = journal.log();
    const appender = journal.appender();
    try {
      for (let attempt = 0; attempt < MAX_CLAIMS; attempt++) {
        const claim = await claimOnce({ journal, log, appender, claimant }, signal);
        if (claim !== 'second') return new JournalWriter(journal, claim);
        await sleep(claimBackOffMs(attempt, Math.random()), undefined, { signal });
      }
      throw new MillraceError('JOURNAL_CLAIM_CONTENDED', { topic: journal.topic, claims: MAX_CLAIMS });
    } catch (error) {
      await appender[Symbol.asyncDispose]();
      await log[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Position up to which the journal holds everything in force: what the source may be told. */
  get inForcePosition(): Position | null {
    return this.#inForce;
  }

  /**
   * Reads the journal to its end. A capture that was fenced meanwhile must judge nothing else: its successor may have acknowledged to the
   * source what this one never saw (Protocol, Capture 4).
   * @throws MillraceError JOURNAL_FENCED
   */
  async checkStillInForce(signal?: AbortSignal): Promise<void> {
    const { end } = await this.#log.check(this.#prev + 1n, signal);
    await this.#readBetween(this.#prev + 1n, end, signal);
  }

  /**
   * Sends blocks in order; resolves when they are in force. One call at a time.
   * @throws MillraceError JOURNAL_FENCED where another capture has taken over, JOURNAL_TRUNCATED, RECORD_OVER_TOPIC_LIMIT,
   * KAFKA_UNAVAILABLE where the fate of a send stayed unknown. After any of them this incarnation sends nothing more.
   */
  async send(blocks: readonly OutgoingBlock[], signal?: AbortSignal): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure.error;
    invariant(!this.#sending, 'one send in flight for a journal');
    this.#sending = true;
    try {
      for (const part of partsOf(blocks, this.#journal.sendBytes)) await this.#sendPart(part, signal);
    } catch (error) {
      this.#failure = { error };
      throw error;
    } finally {
      this.#sending = false;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#appender[Symbol.asyncDispose]();
    await this.#log[Symbol.asyncDispose]();
  }

  async #sendPart(blocks: readonly OutgoingBlock[], signal?: AbortSignal): Promise<void> {
    const last = blocks.at(-1);
    // In the send's last block, so that later ones can name its offset; never inside a transaction, which a Takeover may make void.
    const lists = this.#bytesSinceList >= LIST_EVERY_BYTES && last?.slice === null;
    const records = blocks.map((block, index) => this.#seal(block, BigInt(index), lists && block === last));
    const offset = await this.#appender.send(records, signal);
    await this.#judge(offset, signal);
    const count = BigInt(blocks.length);
    this.#prev = offset + count - 1n;
    this.#nextSeq += count;
    if (lists || blocks.some(({ announces }) => announces.length > 0)) this.#schemas = this.#prev;
    this.#bytesSinceList = records.reduce((sum, { value }) => sum + value.length, lists ? 0 : this.#bytesSinceList);
    if (last?.slice?.index === 0) this.#firstSlice = this.#prev;
    this.#inForce = blocks.findLast(({ upTo }) => upTo !== null)?.upTo ?? this.#inForce;
  }

  #seal({ builder, announces, after, upTo, slice }: OutgoingBlock, index: bigint, lists: boolean): OutgoingRecord {
    const history = upTo ?? after;
    invariant(history !== null, 'a block names a position, or the one before it');
    this.#clock = later(this.#clock, builder.latestCommitMicros);
    const header = {
      journal: this.journalId,
      epoch: this.epoch,
      seq: this.#nextSeq + index,
      prev: this.#prev + index,
      source: history.source,
      timeline: history.timeline,
      after,
      slice: slice === null ? null : { ...slice, first: slice.index === 0 ? -1n : this.#firstSlice },
      clock: this.#clock,
    };
    const headers = {
      [SCHEMAS_HEADER]: this.#schemas.toString(),
      ...(lists ? { [TABLES_HEADER]: tablesHeader(this.#tables.values()) } : {}),
    };
    for (const announced of announces) this.#follow(announced);
    return { value: builder.seal(header, this.#journal.ids.block), headers };
  }

  #follow({ version, change }: TableAtTail): void {
    const key = tableKey(version.source);
    if (change.kind === 'version' || change.kind === 'load') this.#tables.set(key, version);
    else this.#tables.delete(key);
  }

  async #judge(offset: bigint, signal?: AbortSignal): Promise<void> {
    const decision = judgeReply(this.#prev, offset);
    switch (decision.kind) {
      case 'in-force':
        return;
      case 'truncated':
        throw truncated(this.#journal.topic, this.#prev, offset);
      case 'read-between':
        return this.#readBetween(decision.from, decision.to, signal);
      default:
        return assertNever(decision);
    }
  }

  async #readBetween(from: bigint, to: bigint, signal?: AbortSignal): Promise<void> {
    const { topic } = this.#journal;
    const records = await this.#log.range(from, to, signal);
    const incarnation = { journal: this.journalId, epoch: this.epoch };
    const decision = judgeBetween(
      incarnation,
      records.map(({ header }) => header),
    );
    if (decision.kind === 'error') throw journalError(topic, decision.error);
    if (decision.kind === 'fenced')
      throw new MillraceError('JOURNAL_FENCED', { topic, epoch: this.epoch, newer: decision.epoch, offset: decision.offset });
  }
}

interface ClaimTools {
  readonly journal: Journal;
  readonly log: JournalLog;
  readonly appender: PartitionWriter;
  readonly claimant: Claimant;
}

/** A capture of no run in particular: it claims the journal whoever has it. */
const ANYBODY: Claimant = { run: '', held: false };

/** Records from an epoch on among which its Takeover lies: a claim is sent to the log's end, and only rivals come between. */
const TAKEOVER_WITHIN = 64n;

/** A run that finds the journal claimed by another one was fenced: claiming it again would fence that one back. */
async function refuseIfFenced(log: JournalLog, range: LogBounds, { run }: Claimant, signal: AbortSignal): Promise<void> {
  if (range.start === range.end) return;
  const { epoch } = (await readTail(log, range, signal)).state;
  const from = epoch > range.start ? epoch : range.start;
  const to = from + TAKEOVER_WITHIN < range.end ? from + TAKEOVER_WITHIN : range.end;
  for (const { header } of await log.range(from, to, signal)) {
    if (header.kind !== 'takeover' || header.epoch !== epoch || header.nonce.startsWith(`${run}/`)) continue;
    throw new MillraceError('JOURNAL_FENCED', { topic: log.topic, epoch: 'older', newer: epoch, offset: header.offset });
  }
}

/** 'second': another starter's claim came first, so this one is not in force. */
async function claimOnce({ journal, log, appender, claimant }: ClaimTools, signal: AbortSignal): Promise<Claim | 'second'> {
  const { id, end } = await untilUntrimmed(log, signal, async (range) => {
    const found = { id: await journalId(log, range, signal), end: range.end };
    if (claimant.held) await refuseIfFenced(log, range, claimant, signal);
    return found;
  });
  const epoch = epochForClaim(end);
  const nonce = `${claimant.run}/${randomUUID()}`;
  const reply = await appender.send([{ value: encodeTakeover({ journal: id, epoch, nonce }, journal.ids.takeover) }], signal);
  if (reply < epoch) throw truncated(journal.topic, epoch, reply);

  // The reply names the last copy; the first one counts.
  const since = await log.range(epoch, reply + 1n, signal);
  const takeover = since.map(({ header }) => header).find((header) => header.kind === 'takeover' && header.nonce === nonce);
  if (takeover?.kind !== 'takeover') throw truncated(journal.topic, epoch, reply);

  return untilUntrimmed(log, signal, async ({ start }) => {
    const tail = await readTail(log, { start, end: takeover.offset }, signal);
    switch (judgeClaim(takeover, tail.state.epoch)) {
      case 'truncated':
        throw truncated(journal.topic, epoch, takeover.offset);
      case 'claim-again':
        return 'second';
      case 'in-force':
        return {
          log,
          appender,
          takeover,
          position: tail.state.position,
          clock: tail.clock,
          ...(await tablesAtTail(log, tail, signal)),
        };
    }
  });
}

/** A sink trims at most once a minute, and what it leaves suffices. */
const MOST_TRIMS_MET = 5;

/** Reads with the log's bounds of now, and again where a sink has trimmed the log meanwhile: what was its beginning is gone. */
async function untilUntrimmed<T>(log: JournalLog, signal: AbortSignal, read: (range: LogBounds) => Promise<T>): Promise<T> {
  for (let met = 0; ; met++) {
    const range = await log.bounds(signal);
    try {
      return await read(range);
    } catch (error) {
      const trimmed = error instanceof MillraceError && error.code === 'JOURNAL_TRIMMED';
      if (!trimmed || met === MOST_TRIMS_MET || (await log.bounds(signal)).start === range.start) throw error;
    }
  }
}

/** The journal's own, from its oldest record, which is in force; a new one for an empty topic, where only the first claim can be. */
async function journalId(log: JournalLog, { start, end }: LogBounds, signal: AbortSignal): Promise<string> {
  if (start === end) {
    if (end > 0n) throw new MillraceError('JOURNAL_NO_ANCHOR', { topic: log.topic, start });
    return randomUUID();
  }
  const [oldest] = await log.range(start, start + 1n, signal);
  invariant(oldest !== undefined, 'a range is read whole');
  return oldest.header.journal;
}

/**
 * One request each. A block with Schema events, and the first slice of a transaction, end a request: the blocks after them name their
 * offset, which only the reply tells.
 */
function* partsOf(blocks: readonly OutgoingBlock[], maxBytes: number): Generator<readonly OutgoingBlock[]> {
  let part: OutgoingBlock[] = [];
  let bytes = 0;
  for (const block of blocks) {
    const { byteLength } = block.builder;
    if (part.length > 0 && bytes + byteLength > maxBytes) {
      yield part;
      part = [];
      bytes = 0;
    }
    part.push(block);
    bytes += byteLength;
    if (block.announces.length > 0 || block.slice?.index === 0) {
      yield part;
      part = [];
      bytes = 0;
    }
  }
  if (part.length > 0) yield part;
}

function later(one: bigint | null, other: bigint | null): bigint | null {
  if (one === null || other === null) return one ?? other;
  return one > other ? one : other;
}

function truncated(topic: string, offset: bigint, end: bigint): MillraceError {
  return new MillraceError('JOURNAL_TRUNCATED', { topic, partition: JOURNAL_PARTITION, offset, end });
}
