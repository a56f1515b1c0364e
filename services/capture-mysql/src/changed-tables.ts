import { tableKey } from '@millrace/codec/table-key.js';
import type { TableId } from '@millrace/contract/table.js';

/**
 * Tables whose definition a snapshot found newer than the version that their load was announced with: the statement that changed them
 * is still on its way in the log, and once it is reached only a load with the newer version can bring the rows. Noted by snapshots, taken by the
 * stream. It is in memory alone: after a crash the load is read again, and so is this found again.
 */
export class ChangedTables {
  readonly #tables = new Map<string, TableId>();

  note(id: TableId): void {
    this.#tables.set(tableKey(id), id);
  }

  /** Those noted since the last call. */
  take(): readonly TableId[] {
    const tables = [...this.#tables.values()];
    this.#tables.clear();
    return tables;
  }
}
