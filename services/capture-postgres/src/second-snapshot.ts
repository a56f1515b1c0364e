import { randomBytes } from 'node:crypto';
import type { Snapshot } from '@millrace/contract/load.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { closeSession } from '@millrace/postgres/connect.js';
import { sqlStateOf } from '@millrace/postgres/connect-error.js';
import { parseLsn, positionAt, type SourceIdentity } from './lsn.js';
import { queryError } from './query-error.js';
import { openSession } from './session.js';
import { type ExportedSnapshotOptions, openExportedSnapshot } from './snapshot.js';
import { sourceClock } from './source-clock.js';
import { checkIdentity } from './source-identity.js';

export interface SecondSnapshotOptions extends Omit<ExportedSnapshotOptions, 'snapshotName' | 'position' | 'takenAtMicros'> {
  readonly identity: SourceIdentity;
}

/**
 * A further snapshot at an exactly known position, from a temporary slot: any other way to take one sees commits that are in the log
 * already but not yet visible. Waits for every transaction that is open now. The slot is gone when this returns.
 * @throws MillraceError SLOT_LIMIT where no slot is left, SOURCE_MOVED
 */
export async function openSecondSnapshot(options: SecondSnapshotOptions): Promise<Snapshot> {
  const { signal } = options;
  const replication = await openSession(options.connection, {
    applicationName: options.applicationName,
    replication: true,
    signal,
  });
  try {
    await checkIdentity(replication, options.identity);
    const takenAtMicros = await sourceClock(replication);
    const { rows } = await replication.query<{ consistent_point: string; snapshot_name: string }>(
      `CREATE_REPLICATION_SLOT millrace_load_${randomBytes(6).toString('hex')} TEMPORARY LOGICAL pgoutput EXPORT_SNAPSHOT`,
    );
    const slot = rows[0];
    if (slot === undefined) throw new MillraceError('SOURCE_PROTOCOL', { what: 'no answer to CREATE_REPLICATION_SLOT' });
    const position = positionAt(options.identity, parseLsn(slot.consistent_point));
    return await openExportedSnapshot({ ...options, snapshotName: slot.snapshot_name, position, takenAtMicros });
  } catch (cause) {
    signal.throwIfAborted();
    if (sqlStateOf(cause) === '53400')
      throw new MillraceError('SLOT_LIMIT', { reason: cause instanceof Error ? cause.message : '' }, { cause });
    throw queryError(cause, 'taking a further snapshot');
  } finally {
    await closeSession(replication);
  }
}
