import type { Attached, CaptureIdentity, TableSelector } from '@millrace/contract/capture.js';
import type { Position } from '@millrace/contract/position.js';
import type { TableSchema } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { closeSession } from '@millrace/postgres/connect.js';
import type { ConnectionSettings } from '@millrace/postgres/connection-url.js';
import { quoteTable } from '@millrace/postgres/quote-identifier.js';
import type { Client } from 'pg';
import { describeTables } from './catalog/describe-tables.js';
import { listTables } from './catalog/list-tables.js';
import { positionAt, type SourceIdentity } from './lsn.js';
import { type CaptureNames, captureNames } from './names.js';
import { checkForeignPublication, dropPublication, readPublication } from './publication.js';
import { PublishedTables } from './published-tables.js';
import { queryError } from './query-error.js';
import { selectTables } from './selection.js';
import { openSession } from './session.js';
import { createSlot, dropSlot, takeSlot } from './slot.js';
import { judgeTimeline } from './slot-rules.js';
import { openExportedSnapshot } from './snapshot.js';
import { checkIdentity, readIdentity, readTimelineHistory } from './source-identity.js';

/** What a capture holds in the source once it is attached. */
export interface Attachment {
  readonly names: CaptureNames;
  readonly identity: SourceIdentity;
  readonly published: PublishedTables;
}

export interface AttachRequest {
  readonly connection: ConnectionSettings;
  readonly publication: string | null;
  readonly identity: CaptureIdentity;
  readonly selector: TableSelector;
  readonly signal: AbortSignal;
}

interface AttachResult {
  readonly attachment: Attachment;
  readonly attached: Attached;
}

/**
 * First start: publication, then slot (a stream that begins before its publication would fail there), then the snapshot of the slot's
 * consistent point. A refusal leaves nothing behind.
 * @throws MillraceError TABLE_WITHOUT_IDENTITY, PUBLICATION_MISSING, PUBLICATION_INCOMPLETE, PUBLICATION_FOREIGN, SLOT_LIMIT, SLOT_IN_USE, SOURCE_RIGHTS …
 */
export async function openSlot(request: AttachRequest): Promise<AttachResult> {
  const names = captureNames(request.identity);
  const { connection, signal, publication } = request;
  const client = await openSession(connection, { applicationName: `${names.applicationPrefix}attach`, signal });
  const replication = await openSession(connection, {
    applicationName: `${names.applicationPrefix}attach`,
    replication: true,
    signal,
  }).catch(async (error: unknown) => {
    await closeSession(client);
    throw error;
  });
  try {
    const identity = await readIdentity(client);
    await checkIdentity(replication, identity);
    const tables = await describeTables(client, selectTables(await listTables(client), request.selector));
    const schemas = tables.map(({ schema }) => schema);
    refuseWithoutIdentity(schemas);
    await dropSlot(client, names.slot, names.applicationPrefix);
    const published = new PublishedTables(names, publication);
    const ids = schemas.map(({ id }) => id);
    if (publication !== null) await checkForeignPublication(client, publication, ids);
    const madeHere = publication === null && (await readPublication(client, names.publication)) === null;
    try {
      const [refused] = (await published.create(client, ids)).values();
      if (refused !== undefined) throw refused;
      const slot = await createSlot(replication, names.slot);
      const acknowledged = positionAt(identity, slot.consistentPoint);
      const applicationName = `${names.applicationPrefix}load`;
      const snapshot = await openExportedSnapshot({
        connection,
        applicationName,
        snapshotName: slot.snapshot,
        position: acknowledged,
        takenAtMicros: slot.takenAtMicros,
        signal,
      });
      return { attachment: { names, identity, published }, attached: { acknowledged, snapshot } };
    } catch (error) {
      await undo(client, names, madeHere);
      throw error;
    }
  } catch (cause) {
    throw queryError(cause, 'attaching to the source');
  } finally {
    await closeSession(replication);
    await closeSession(client);
  }
}

/**
 * A later start: the source must still be the one that the journal was written from, and the slot stand at or before `resume`.
 * @throws MillraceError SOURCE_CHANGED, TIMELINE_FORKED, SLOT_MISSING, SLOT_FOREIGN, SLOT_IN_USE, SLOT_INVALIDATED, SLOT_AHEAD_OF_JOURNAL
 */
export async function attachToSlot(request: AttachRequest, resume: Position): Promise<AttachResult> {
  const names = captureNames(request.identity);
  const { connection, signal, publication } = request;
  const client = await openSession(connection, { applicationName: `${names.applicationPrefix}attach`, signal });
  try {
    const identity = await readIdentity(client);
    if (identity.source !== resume.source)
      throw new MillraceError('SOURCE_CHANGED', { found: identity.source, expected: resume.source });
    if (identity.timeline !== resume.timeline) await checkTimeline(request, identity, resume);
    const confirmed = await takeSlot(client, {
      slot: names.slot,
      database: await currentDatabase(client),
      applicationPrefix: names.applicationPrefix,
      resume: resume.key,
    });
    const published = new PublishedTables(names, publication);
    return {
      attachment: { names, identity, published },
      attached: { acknowledged: positionAt(identity, confirmed), snapshot: null },
    };
  } catch (cause) {
    throw queryError(cause, 'attaching to the source');
  } finally {
    await closeSession(client);
  }
}

async function checkTimeline({ connection, signal }: AttachRequest, identity: SourceIdentity, resume: Position): Promise<void> {
  const replication = await openSession(connection, { applicationName: 'millrace:timeline', replication: true, signal });
  try {
    await checkIdentity(replication, identity);
    const history = await readTimelineHistory(replication, identity.timeline);
    const decision = judgeTimeline(resume, { timeline: identity.timeline, history });
    if (decision.do === 'refuse') throw new MillraceError(decision.code, decision.details);
  } finally {
    await closeSession(replication);
  }
}

function refuseWithoutIdentity(schemas: readonly TableSchema[]): void {
  const keyless = schemas.find(({ replicaIdentity }) => replicaIdentity === 'nothing');
  if (keyless !== undefined) throw new MillraceError('TABLE_WITHOUT_IDENTITY', { table: quoteTable(keyless.id) });
}

/** Best effort: the refusal's own error is the one to tell. */
async function undo(client: Client, names: CaptureNames, dropPublications: boolean): Promise<void> {
  try {
    await dropSlot(client, names.slot, names.applicationPrefix);
    if (!dropPublications) return;
    await dropPublication(client, names.publication);
    await dropPublication(client, names.insertPublication);
  } catch {
    // `millrace remove` finds what is left.
  }
}

async function currentDatabase(client: Client): Promise<string> {
  const { rows } = await client.query<{ name: string }>('SELECT current_database()::text AS name');
  return rows[0]?.name ?? '';
}
