import { createHash } from 'node:crypto';
import type { CaptureIdentity } from '@millrace/contract/capture.js';

/** PostgreSQL cuts names at 63 bytes; a slot's may hold a-z, 0-9 and _ only. */
const MAX_NAME_BYTES = 63;

/** Names of what a task's capture owns in the source. */
export interface CaptureNames {
  /** Holds the journal's id, so that a topic made anew gets a slot of its own. */
  readonly slot: string;
  readonly publication: string;
  /** Publishes inserts and truncates of tables whose old rows the log cannot name. Made only when there is one. */
  readonly insertPublication: string;
  /** application_name of every session of the task begins with it. */
  readonly applicationPrefix: string;
  /** Every slot of this task begins with it, whichever its journal. */
  readonly slotPrefix: string;
}

export function captureNames({ task, journal }: CaptureIdentity): CaptureNames {
  const suffix = `_${shortHash(journal)}`;
  const word = slotWord(task, MAX_NAME_BYTES - 'millrace__inserts'.length - suffix.length);
  const publication = `millrace_${word}`;
  return {
    slot: `${publication}${suffix}`,
    publication,
    insertPublication: `${publication}_inserts`,
    applicationPrefix: `millrace:${word}:`,
    slotPrefix: `${publication}_`,
  };
}

/** The task's name where a slot could bear it, else what of it could with a hash of the whole, so that two tasks never share one. */
function slotWord(task: string, maxBytes: number): string {
  if (/^[a-z0-9_]+$/.test(task) && task.length <= maxBytes) return task;
  const suffix = `_${shortHash(task)}`;
  return `${task
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .slice(0, maxBytes - suffix.length)}${suffix}`;
}

function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8);
}
