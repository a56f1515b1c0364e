import type { Checkpoint } from '@millrace/contract/position.js';
import { epochForClaim, judgeClaim } from '../rules/claim-rules.js';
import { judgeGap } from '../rules/gap-rules.js';
import { advance, checkBounds } from '../rules/reader-rules.js';
import type { BlockRecordHeader, RecordHeader } from '../rules/record-header.js';
import { judgeBetween, judgeReply } from '../rules/send-rules.js';
import { tailStart, trimPoint } from '../rules/tail-rules.js';
import { at } from './sample-blocks.js';

const RULES = {
  epochForClaim: (end: bigint, _records: readonly RecordHeader[]): bigint => epochForClaim(end),
  judgeClaim,
  judgeGap,
  advance,
  checkBounds,
  judgeBetween,
  judgeReply,
  tailStart,
  trimPoint,
};

/** What captures and sinks keep to beside the rules. */
interface Habits {
  readonly acknowledges: 'in-force' | 'durable' | 'before-reply';
  readonly tailIsReadAfterTakeover: boolean;
  readonly dropsTransactionsAtOrBelowPosition: boolean;
  readonly guardsCheckpoint: boolean;
  readonly checkpointMovesWithData: boolean;
}

export type Rules = typeof RULES & Habits;

/** The product's own. A seeded bug replaces one of them. */
export const PRODUCT: Rules = {
  ...RULES,
  acknowledges: 'in-force',
  tailIsReadAfterTakeover: true,
  dropsTransactionsAtOrBelowPosition: true,
  guardsCheckpoint: true,
  checkpointMovesWithData: true,
};

/** How often each fault may happen in one history. */
export interface Faults {
  copies: number;
  slotBack: number;
  failover: number;
  trims: number;
  truncations: number;
}

export interface Scenario {
  readonly name: string;
  readonly captures: number;
  readonly sinks: number;
  readonly steps: number;
  readonly faults: Readonly<Faults>;
  /** The source lets several readers acknowledge (no exclusive slot). */
  readonly sharedSource: boolean;
  /** Errors that may end a history. */
  readonly mayEndIn: readonly string[];
}

/** A piece of a source transaction: what a row is to the real thing. */
export interface Piece {
  readonly tx: number;
  readonly slice: number;
}

export interface LogEntry {
  readonly header: RecordHeader;
  readonly pieces: readonly Piece[];
}

/** A send under way: appended as one, like a Kafka record batch. */
export interface Message {
  readonly from: number;
  readonly entries: readonly LogEntry[];
}

export interface Capture {
  status: 'off' | 'claim' | 'waiting' | 'attach' | 'judge' | 'running' | 'sent' | 'dead';
  journal: string;
  nonce: string;
  epoch: bigint;
  seq: bigint;
  prev: bigint;
  position: number;
  nextSlice: number;
  firstSlice: bigint;
  acknowledgeable: number;
  connected: boolean;
  inFlight: Message | null;
  /** Position read before the Takeover: only with a seeded bug. */
  early: number;
}

export interface Group {
  readonly from: Checkpoint;
  readonly next: Checkpoint;
  readonly pieces: readonly Piece[];
}

export interface Sink {
  prepared: Group | null;
  /** Its data is committed, its checkpoint not yet: only with a seeded bug. */
  owes: Checkpoint | null;
}

export function newCapture(): Capture {
  return {
    status: 'off',
    journal: '',
    nonce: '',
    epoch: -1n,
    seq: 0n,
    prev: -1n,
    position: 0,
    nextSlice: 0,
    firstSlice: -1n,
    acknowledgeable: 0,
    connected: false,
    inFlight: null,
    early: 0,
  };
}

export function headerOf(
  { journal, epoch, seq, prev }: Capture,
  index: bigint,
  after: number,
  rest: Pick<BlockRecordHeader, 'slice' | 'upTo'>,
): BlockRecordHeader {
  return {
    kind: 'block',
    offset: -1n,
    journal,
    epoch,
    seq: seq + index,
    prev: prev + index,
    after: after === 0 ? null : at(after),
    ...rest,
  };
}

export function pieceText({ tx, slice }: Piece): string {
  return `${tx}.${slice}`;
}

export function sameCheckpoint(left: Checkpoint | null, right: Checkpoint): boolean {
  return left !== null && left.journal === right.journal && left.epoch === right.epoch && left.nextOffset === right.nextOffset;
}
