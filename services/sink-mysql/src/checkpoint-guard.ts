import type { JournalPlace } from '@millrace/apply/change-log.js';
import type { Checkpoint } from '@millrace/contract/position.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import type { Connection } from 'mysql2/promise';
import type { TaskState } from './state.js';
import type { StoredCheckpoint } from './state-rows.js';
import { type Bound, write } from './statements.js';

/** Whose checkpoint is moved. */
export interface Claim {
  readonly task: string;
  readonly generation: bigint;
}

/** Where the target stands: at a checkpoint, or behind it at a place within the next group (null: at the checkpoint). */
export interface Stand {
  readonly checkpoint: Checkpoint;
  readonly part: JournalPlace | null;
}

/** The checkpoint is not where the group starts, or not this sink's any more: `fencedError` tells why, after a rollback. */
export class CheckpointElsewhere extends Error {
  override readonly name = 'CheckpointElsewhere';
}

const EXPECTED =
  'task = ? AND generation = ? AND journal = ? AND epoch = ? AND seq = ? AND next_offset = ? AND part_offset <=> ? AND part_event <=> ?';

function expected({ task, generation }: Claim, { checkpoint, part }: Stand): Bound[] {
  const { journal, epoch, seq, nextOffset } = checkpoint;
  return [task, generation, journal, epoch, seq, nextOffset, part?.offset ?? null, part?.event ?? null];
}

/**
 * Moves the checkpoint, in the group's transaction. The first statement of a group that needs no more than one transaction: a stale sink
 * fails here, before it takes its rival's rows for conflicts.
 * @throws CheckpointElsewhere
 */
export async function moveCheckpoint(connection: Connection, claim: Claim, from: Stand, to: Stand): Promise<void> {
  const { epoch, seq, nextOffset, position } = to.checkpoint;
  const { rows } = await write(
    connection,
    `UPDATE millrace.checkpoint SET epoch = ?, seq = ?, next_offset = ?, position_source = ?, position_timeline = ?, position_key = ?,
       part_offset = ?, part_event = ? WHERE ${EXPECTED}`,
    [
      epoch,
      seq,
      nextOffset,
      position?.source ?? null,
      position?.timeline ?? null,
      position?.key ?? null,
      to.part?.offset ?? null,
      to.part?.event ?? null,
      ...expected(claim, from),
    ],
  );
  if (rows !== 1) throw new CheckpointElsewhere();
}

/** The same guard for a transaction whose end is not known yet: the row stays its own until then. @throws CheckpointElsewhere */
export async function lockCheckpoint(connection: Connection, claim: Claim, from: Stand): Promise<void> {
  const { rows } = await write(
    connection,
    `UPDATE millrace.checkpoint SET generation = generation WHERE ${EXPECTED}`,
    expected(claim, from),
  );
  if (rows !== 1) throw new CheckpointElsewhere();
}

/** What a CheckpointElsewhere is reported as. */
export function fencedError(claim: Claim, from: Checkpoint, found: StoredCheckpoint | undefined): MillraceError {
  const where = found?.checkpoint?.nextOffset ?? 'none';
  return new MillraceError('SINK_FENCED', {
    task: claim.task,
    expected: `offset ${from.nextOffset} of generation ${claim.generation}`,
    found: found === undefined ? 'gone' : `at offset ${where} of generation ${found.generation}`,
  });
}

/**
 * Where the target stands after a COMMIT whose reply was lost. Reading the row FOR UPDATE waits until the old session has ended its
 * transaction one way or the other.
 * @throws MillraceError SINK_FENCED where the checkpoint is neither the one before the group nor the one after it
 */
export async function standOf(
  connection: Connection,
  {
    claim,
    state,
    from,
    next,
  }: { readonly claim: Claim; readonly state: TaskState; readonly from: Checkpoint; readonly next: Checkpoint },
): Promise<{ readonly committed: boolean; readonly part: JournalPlace | null }> {
  const found = await state.checkpoint(connection, ' FOR UPDATE');
  if (found?.generation === claim.generation && found.checkpoint !== null) {
    if (isSame(found.checkpoint, next)) return { committed: true, part: found.part };
    if (isSame(found.checkpoint, from)) return { committed: false, part: found.part };
  }
  throw fencedError(claim, from, found);
}

function isSame(left: Checkpoint, right: Checkpoint): boolean {
  return (
    left.journal === right.journal && left.epoch === right.epoch && left.seq === right.seq && left.nextOffset === right.nextOffset
  );
}
