import type { Checkpoint } from '@millrace/contract/position.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { sqlStateOf } from '@millrace/postgres/connect-error.js';
import type { Client } from 'pg';
import { z } from 'zod';
import type { Pipeline } from './pipeline.js';

/** Whose checkpoint is moved. */
export interface Claim {
  readonly task: string;
  readonly generation: bigint;
}

const EXPECTED = 'task = $1 AND generation = $2 AND journal = $3 AND epoch = $4 AND seq = $5 AND next_offset = $6';

const MOVE = guarded(
  'UPDATE millrace.checkpoint SET epoch = $7, seq = $8, next_offset = $9, position_source = $10, position_timeline = $11, position_key = $12, updated_at = now() ' +
    `WHERE ${EXPECTED}`,
);

/** A lock without a change of content: the row stays this transaction's until it ends. */
const LOCK = guarded(`UPDATE millrace.checkpoint SET generation = generation WHERE ${EXPECTED}`);

/** Fails in the server where no row was met, so that nothing that was sent behind it is done. */
function guarded(update: string): string {
  return `WITH moved AS (${update} RETURNING 1) SELECT 1 OPERATOR(pg_catalog./) pg_catalog.count(*) FROM moved`;
}

const DIVISION_BY_ZERO = '22012';

/** The checkpoint is not where the group starts, or not this sink's any more: `fenced` tells why, after a rollback. */
export class CheckpointElsewhere extends Error {
  override readonly name = 'CheckpointElsewhere';
}

/**
 * Moves the checkpoint from where the group starts to where it ends. The first statement of every group: a stale sink fails here, before it
 * takes its rival's rows for conflicts. The pipeline's flush throws CheckpointElsewhere where the checkpoint is not the expected one, or
 * a newer sink has claimed the task.
 */
export function moveCheckpoint(pipeline: Pipeline, claim: Claim, from: Checkpoint, next: Checkpoint): void {
  const { position } = next;
  const values = [
    ...expected(claim, from),
    String(next.epoch),
    String(next.seq),
    String(next.nextOffset),
    position?.source ?? null,
    position === null ? null : String(position.timeline),
    position?.key ?? null,
  ];
  pipeline.add({ text: MOVE, values, failed: elsewhere });
}

/** The same guard for a group whose end is not known yet. */
export function lockCheckpoint(pipeline: Pipeline, claim: Claim, from: Checkpoint): void {
  pipeline.add({ text: LOCK, values: expected(claim, from), failed: elsewhere });
}

function elsewhere(error: unknown): unknown {
  return sqlStateOf(error) === DIVISION_BY_ZERO ? new CheckpointElsewhere() : error;
}

function expected(claim: Claim, from: Checkpoint): string[] {
  return [claim.task, String(claim.generation), from.journal, String(from.epoch), String(from.seq), String(from.nextOffset)];
}

const rowShape = z.object({
  generation: z.string(),
  journal: z.string().nullable(),
  epoch: z.string().nullable(),
  seq: z.string().nullable(),
  next_offset: z.string().nullable(),
});

async function readCheckpoint(
  client: Client,
  task: string,
  lock: '' | ' FOR UPDATE',
): Promise<z.infer<typeof rowShape> | undefined> {
  const { rows } = await client.query(
    `SELECT generation::text, journal, epoch::text, seq::text, next_offset::text FROM millrace.checkpoint WHERE task = $1${lock}`,
    [task],
  );
  return z.array(rowShape).parse(rows)[0];
}

/** What a CheckpointElsewhere is reported as. */
export async function fenced(client: Client, claim: Claim, from: Checkpoint): Promise<MillraceError> {
  const found = await readCheckpoint(client, claim.task, '');
  return new MillraceError('SINK_FENCED', {
    task: claim.task,
    expected: `offset ${from.nextOffset} of generation ${claim.generation}`,
    found: found === undefined ? 'gone' : `at offset ${found.next_offset ?? 'none'} of generation ${found.generation}`,
  });
}

/**
 * What became of a COMMIT whose reply was lost. Reading the row FOR UPDATE waits until the old session's backend has ended its
 * transaction one way or the other.
 * @throws MillraceError SINK_FENCED where the checkpoint is neither the one before the group nor the one after it
 */
export async function commitFate(
  client: Client,
  claim: Claim,
  from: Checkpoint,
  next: Checkpoint,
): Promise<'committed' | 'rolled back'> {
  const found = await readCheckpoint(client, claim.task, ' FOR UPDATE');
  const isAt = (checkpoint: Checkpoint): boolean =>
    found !== undefined &&
    found.generation === String(claim.generation) &&
    found.journal === checkpoint.journal &&
    found.epoch === String(checkpoint.epoch) &&
    found.seq === String(checkpoint.seq) &&
    found.next_offset === String(checkpoint.nextOffset);
  if (isAt(next)) return 'committed';
  if (isAt(from)) return 'rolled back';
  throw await fenced(client, claim, from);
}
