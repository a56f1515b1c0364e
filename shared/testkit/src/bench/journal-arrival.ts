import { setTimeout as delay } from 'node:timers/promises';
import type { JournalLog } from '@millrace/journal/journal-log.js';

const LOOK_EVERY_MS = 20;
/** Records at the journal's end among which the sentinel's block lies: after it come idle positions alone. */
const TAIL = 64n;

/** The journal's end as it was first seen there. */
export interface Look {
  readonly end: bigint;
  readonly ms: number;
}

/** Looks at the journal's end until the signal, and says when it was first seen at or beyond each offset. */
export async function watchEnd(log: JournalLog, signal: AbortSignal): Promise<readonly Look[]> {
  const seen: Look[] = [];
  while (!signal.aborted) {
    const { end } = await log.bounds();
    if (seen.at(-1)?.end !== end) seen.push({ end, ms: performance.now() });
    await delay(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
  }
  return seen;
}

/** Moment at which a block whose position is beyond `floor` was in the journal; null where none of its last ones is. */
export async function arrivalBeyond(log: JournalLog, floor: string, seen: readonly Look[]): Promise<number | null> {
  const { start, end } = await log.bounds();
  const from = end - TAIL > start ? end - TAIL : start;
  const records = await log.range(from, end);
  const last = records.find(({ header }) => header.kind === 'block' && header.upTo !== null && header.upTo.key > floor);
  return seen.find((look) => last !== undefined && look.end > last.header.offset)?.ms ?? null;
}

/** Rows in all blocks of the journal. */
export async function rowsIn(log: JournalLog): Promise<number> {
  const { start, end } = await log.bounds();
  let rows = 0;
  for (let from = start; from < end; from += TAIL) {
    const records = await log.range(from, from + TAIL < end ? from + TAIL : end);
    for (const record of records) if (record.kind === 'block') rows += record.block.rowCount;
  }
  return rows;
}
