import type { TableId } from '@millrace/contract/table.js';
import { tableKey } from '@millrace/codec/table-key.js';
import type { Client } from 'pg';
import type { CaptureNames } from './names.js';
import { alignPublication, createPublication, readPublication } from './publication.js';

/**
 * Keeps the publications in step with the selection. A table whose old rows the log cannot name is published with its inserts only:
 * publishing its updates and deletes would make the source refuse them to everybody.
 */
export class PublishedTables {
  readonly #nameable = new Map<string, boolean>();
  #names: readonly string[];

  /** @param existing a publication of somebody else's, used as it is; null: Millrace's own. */
  constructor(
    private readonly names: CaptureNames,
    private readonly existing: string | null,
  ) {
    this.#names = [existing ?? names.publication];
  }

  /** What the stream has to subscribe to; another array when the first table without an identity appears. */
  get publications(): readonly string[] {
    return this.#names;
  }

  /** Reads what is there, for a stream that goes on. */
  async open(client: Client): Promise<void> {
    if (this.existing !== null) return;
    const inserts = await readPublication(client, this.names.insertPublication);
    if (inserts !== null) this.#names = [this.names.publication, this.names.insertPublication];
  }

  /** Publishes exactly these tables; `changed` says of some of them anew whether an old row can be named. */
  async align(client: Client, tables: readonly TableId[], changed: readonly { readonly id: TableId; readonly nameable: boolean }[]): Promise<void> {
    if (this.existing !== null) return;
    for (const { id, nameable } of changed) this.#nameable.set(tableKey(id), nameable);
    const nameable = (id: TableId): boolean => this.#nameable.get(tableKey(id)) ?? true;
    const whole = tables.filter(nameable);
    const insertsOnly = tables.filter((id) => !nameable(id));
    // First out of one publication, then into the other: in both, its updates would be refused.
    await this.#alignInserts(client, insertsOnly, whole);
  }

  async #alignInserts(client: Client, insertsOnly: readonly TableId[], whole: readonly TableId[]): Promise<void> {
    const { publication, insertPublication } = this.names;
    const current = await readPublication(client, publication);
    if (current === null) await createPublication(client, { name: publication, tables: whole, changes: 'all' });
    else await alignPublication(client, { name: publication, current, wanted: whole });
    const inserts = await readPublication(client, insertPublication);
    if (inserts !== null) {
      await alignPublication(client, { name: insertPublication, current: inserts, wanted: insertsOnly });
    } else if (insertsOnly.length > 0) {
      await createPublication(client, { name: insertPublication, tables: insertsOnly, changes: 'inserts' });
    }
    const both = inserts !== null || insertsOnly.length > 0;
    if (both && this.#names.length === 1) this.#names = [publication, insertPublication];
  }
}
