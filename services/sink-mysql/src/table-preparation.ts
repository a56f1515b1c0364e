import { displayTable } from '@millrace/codec/table-key.js';
import { tableSchemaShape } from '@millrace/codec/table-schema-shape.js';
import type { LoadPreparation } from '@millrace/contract/sink.js';
import type { TableSchema, TableVersion } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import type { Connection } from 'mysql2/promise';
import { alterTable, needsAltering, parseIntent } from './alter.js';
import { emptyTable, prepareTable } from './prepare.js';
import type { KnownTable, TaskState } from './state.js';
import { readTargetTable } from './target-catalog.js';
import { inTransaction } from './transaction.js';

export interface TablePreparationOptions {
  readonly connection: Connection;
  readonly state: TaskState;
  readonly generation: bigint;
  readonly table: TableVersion;
  /** The table as it is to be in the target. */
  readonly target: TableSchema;
  readonly load: string;
  readonly preparation: LoadPreparation;
}

/**
 * Makes a table ready for its load, unless this load's attempt found it so; a later attempt begins with an empty table. Nothing of it
 * is one transaction: first it is recorded that the table is not ready, then come steps that are safe to repeat, and at the end the record
 * that it is. A crash in between begins again.
 * @throws MillraceError LOAD_RESTART_NOT_EMPTY where a table that held rows of its own would have to be started again; SINK_FENCED
 */
export async function prepareForLoad(options: TablePreparationOptions): Promise<void> {
  const { connection, state, table, load, preparation } = options;
  const known = await state.known(connection, table.source);
  if (known?.load !== load) throw fenced(table);
  const { preparedAttempt, applied, wasEmpty } = known;
  if (preparedAttempt >= preparation.firstAttempt) return;
  const isRestart = preparedAttempt > 0;
  // Loaded before: what it has is ours, and comes again; unless rows were there that are not.
  const mustEmpty = isRestart || applied !== null;
  if (mustEmpty && !wasEmpty && (isRestart || preparation.preparation === 'DO_NOTHING'))
    throw new MillraceError('LOAD_RESTART_NOT_EMPTY', { table: displayTable(table.schema.id) });
  if (isRestart) await owned(options, () => state.unprepare(connection, table.source));
  const nowEmpty = mustEmpty ? await emptyAndAlter(options, known) : await makeReady(options);
  await owned(options, async () => {
    await state.setApplied(connection, table.source, options.target);
    await state.prepared(connection, table.source, { load, attempt: preparation.firstAttempt, wasEmpty: nowEmpty });
  });
}

/** A transaction that is this sink's. */
function owned(options: TablePreparationOptions, work: () => Promise<void>): Promise<void> {
  const { connection, state, generation } = options;
  return inTransaction(connection, async () => {
    await state.hold(connection, generation);
    await work();
  });
}

async function makeReady({ connection, target, preparation }: TablePreparationOptions): Promise<boolean> {
  return (await prepareTable(connection, target, preparation.preparation)).wasEmpty;
}

/** Emptied first: a retyped column's values need not bear to be converted when they are about to go. */
async function emptyAndAlter(options: TablePreparationOptions, known: KnownTable): Promise<boolean> {
  const { connection, state, table, target } = options;
  const from = tableSchemaShape.parse(known.applied);
  const present = await readTargetTable(connection, from.id);
  if (present === undefined && (await readTargetTable(connection, target.id)) === undefined) return makeReady(options);
  await emptyTable(connection, present === undefined ? target : from);
  const recorded = parseIntent(known.intent);
  const { needed, intent } = await needsAltering(connection, from, target);
  if (!needed && recorded === undefined) return true;
  const begun = recorded ?? intent;
  if (recorded === undefined) await owned(options, () => state.setIntent(connection, table.source, begun));
  await alterTable(connection, from, target, begun);
  return true;
}

function fenced(table: TableVersion): MillraceError {
  return new MillraceError('SINK_FENCED', {
    task: displayTable(table.source),
    expected: 'the load that it was to prepare',
    found: 'at another load',
  });
}
