import { samePosition } from '@millrace/codec/position.js';
import type { Coverage, LoadedRows } from '@millrace/contract/sink.js';
import { invariant } from '@millrace/errors/millrace-error.js';

/**
 * What loaded rows hold of their table's changes; null before they are all in. Chunks of one snapshot need no keys; of several, those
 * that follow one another in the same snapshot are one range (Protocol, Load: "Snapshot lost").
 */
export function coverageOf({ asOf, chunksApplied }: LoadedRows): Coverage | null {
  if (asOf === null) return null;
  if (chunksApplied.every((chunk) => samePosition(chunk.asOf, asOf))) return { asOf, chunks: [] };
  const chunks: Coverage['chunks'][number][] = [];
  let reached: string | null = null;
  for (const chunk of chunksApplied.toSorted((one, other) => one.index - other.index)) {
    const { keys } = chunk;
    invariant(keys !== null && keys.from === reached, 'chunks of several snapshots divide all keys among them, in their order');
    reached = keys.to;
    const last = chunks.at(-1);
    if (last !== undefined && samePosition(last.asOf, chunk.asOf))
      chunks[chunks.length - 1] = { asOf: last.asOf, keys: { ...last.keys, to: keys.to } };
    else chunks.push({ asOf: chunk.asOf, keys });
  }
  invariant(reached === null, 'the last chunk has no upper bound');
  return { asOf, chunks };
}
