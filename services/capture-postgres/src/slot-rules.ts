import type { ErrorDetails } from '@millrace/errors/millrace-error.js';
import type { ErrorCode } from '@millrace/errors/table.js';
import { formatLsn, type LsnKey, parseLsn } from './lsn.js';

/** A slot as pg_replication_slots shows it. */
export interface SlotState {
  readonly name: string;
  readonly type: 'physical' | 'logical';
  readonly plugin: string | null;
  readonly database: string | null;
  readonly temporary: boolean;
  /** Null: invalidated. */
  readonly restartLsn: LsnKey | null;
  readonly confirmedFlush: LsnKey | null;
  /** reserved, extended, unreserved, lost. */
  readonly walStatus: string | null;
  /** Why PostgreSQL 16+ took it out of service; null: it did not. */
  readonly invalidation: string | null;
  /** PostgreSQL 17+: a copy that a standby keeps in step, read-only until promotion. */
  readonly synced: boolean;
  readonly reader: { readonly pid: number; readonly application: string } | null;
}

export interface SlotExpectation {
  readonly slot: string;
  readonly database: string;
  /** What the older incarnations of this task call themselves. */
  readonly applicationPrefix: string;
  readonly resume: LsnKey;
}

export type SlotDecision =
  | { readonly do: 'stream' }
  /** An older incarnation of this task still reads: end it, then look again. */
  | { readonly do: 'end-reader'; readonly pid: number }
  | { readonly do: 'refuse'; readonly code: ErrorCode; readonly details: ErrorDetails };

/** Whether the slot can carry on from where the journal ends: Protocol, Capture 1 and 4. */
export function judgeSlot(slot: SlotState | null, expected: SlotExpectation): SlotDecision {
  const resume = formatLsn(expected.resume);
  const refuse = (code: ErrorCode, details: ErrorDetails = {}): SlotDecision => ({
    do: 'refuse',
    code,
    details: { slot: expected.slot, resume, ...details },
  });
  if (slot === null) return refuse('SLOT_MISSING');
  const foreign = foreignReason(slot, expected.database);
  if (foreign !== null) return refuse('SLOT_FOREIGN', { reason: foreign });
  if (slot.reader !== null) {
    const { pid, application } = slot.reader;
    if (!application.startsWith(expected.applicationPrefix)) return refuse('SLOT_IN_USE', { pid, application });
    return { do: 'end-reader', pid };
  }
  if (slot.invalidation !== null) return refuse('SLOT_INVALIDATED', { reason: slot.invalidation });
  if (slot.walStatus === 'lost' || slot.restartLsn === null || slot.confirmedFlush === null) {
    return refuse('SLOT_INVALIDATED', { reason: 'the log that it needs was removed (wal_status lost)' });
  }
  // PostgreSQL silently forwards a start before confirmed_flush_lsn (CreateDecodingContext in logical.c), so compare first.
  if (slot.confirmedFlush > expected.resume)
    return refuse('SLOT_AHEAD_OF_JOURNAL', { confirmed: formatLsn(slot.confirmedFlush) });
  return { do: 'stream' };
}

function foreignReason(slot: SlotState, database: string): string | null {
  if (slot.type !== 'logical') return 'it is a physical slot';
  if (slot.plugin !== 'pgoutput') return `its plugin is ${slot.plugin ?? 'none'}, not pgoutput`;
  if (slot.database !== database) return `it belongs to the database "${slot.database ?? 'none'}", not "${database}"`;
  if (slot.temporary) return 'it is temporary';
  if (slot.synced) return 'it is a copy that this standby keeps in step with its primary';
  return null;
}

/** Where a timeline was left: one line of a timeline history file. */
export interface TimelineFork {
  readonly timeline: number;
  readonly end: LsnKey;
}

/** Reads TIMELINE_HISTORY's file: `parent timeline <tab> switch point <tab> reason` a line, comments after #. */
export function parseTimelineHistory(content: string): readonly TimelineFork[] {
  const forks: TimelineFork[] = [];
  for (const line of content.split('\n')) {
    const match = /^\s*(\d+)\s+([0-9A-Fa-f]+\/[0-9A-Fa-f]+)/.exec(line);
    if (match !== null) forks.push({ timeline: Number(match[1]), end: parseLsn(match[2] ?? '') });
  }
  return forks;
}

export type TimelineDecision =
  | { readonly do: 'continue' }
  | { readonly do: 'refuse'; readonly code: ErrorCode; readonly details: ErrorDetails };

/** Whether a place on `resume.timeline` lies in the history of the timeline that the server is on now. */
export function judgeTimeline(
  resume: { readonly timeline: number; readonly key: LsnKey },
  current: { readonly timeline: number; readonly history: readonly TimelineFork[] },
): TimelineDecision {
  if (resume.timeline === current.timeline) return { do: 'continue' };
  const fork = current.history.find(({ timeline }) => timeline === resume.timeline);
  if (fork !== undefined && resume.key <= fork.end) return { do: 'continue' };
  return {
    do: 'refuse',
    code: 'TIMELINE_FORKED',
    details: {
      resume: formatLsn(resume.key),
      timeline: resume.timeline,
      fork: fork === undefined ? 'a place unknown to it' : formatLsn(fork.end),
    },
  };
}
