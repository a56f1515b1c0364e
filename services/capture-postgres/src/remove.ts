import type { CaptureIdentity } from '@millrace/contract/capture.js';
import type { Client } from 'pg';
import { captureNames } from './names.js';
import { dropPublication } from './publication.js';
import { queryError } from './query-error.js';
import { dropSlot } from './slot.js';

/**
 * Drops what captures of this task made in the source: slots of any of its journals (an interrupted first start may have left one)
 * and the publications that bear Millrace's mark.
 * @returns what was dropped, in words; empty where nothing was there.
 */
export async function removeCapture(client: Client, identity: CaptureIdentity): Promise<readonly string[]> {
  const names = captureNames(identity);
  try {
    const dropped: string[] = [];
    const { rows } = await client.query<{ name: string }>(
      `SELECT slot_name::text AS name FROM pg_replication_slots
        WHERE database = current_database() AND plugin = 'pgoutput' AND left(slot_name, length($1)) = $1 AND substr(slot_name, length($1) + 1) ~ '^[0-9a-f]{8}$'`,
      [names.slotPrefix],
    );
    for (const { name } of rows) {
      if (await dropSlot(client, name, names.applicationPrefix)) dropped.push(`replication slot ${name}`);
    }
    for (const publication of [names.publication, names.insertPublication]) {
      if (await dropPublication(client, publication)) dropped.push(`publication ${publication}`);
    }
    return dropped;
  } catch (cause) {
    throw queryError(cause, 'removing the slot and the publication');
  }
}
