import type { LoadRecord } from '@millrace/codec/load-record.js';
import { tableKey } from '@millrace/codec/table-key.js';
import type { ChunkSpec } from '@millrace/contract/load.js';
import type { TableVersion } from '@millrace/contract/table.js';

/** A table's load as the control partition of the load topic tells it: what is still to be read after a restart. */
export interface PendingLoad {
  readonly load: string;
  readonly version: TableVersion;
  /** The last attempt begun; the next one is a number higher. */
  attempt: number;
  /** Chunks begun, by index: a later attempt reads the ones not ended again, over the same keys. */
  readonly begun: ChunkSpec[];
  readonly ended: Set<number>;
  /** Ended, or superseded by a later load of the same table. */
  finished: boolean;
  /** The table was rewritten under its last snapshot: every chunk is read anew. */
  restart: boolean;
}

/**
 * Folds the control partition into the loads that are not ended. A table that was requested again replaces its earlier load.
 * `resolve` gives the table version of a registry id.
 */
export async function pendingLoads(
  records: AsyncIterable<LoadRecord>,
  resolve: (registryId: number) => Promise<TableVersion>,
): Promise<PendingLoad[]> {
  const pending = new Map<string, PendingLoad>();
  for await (const record of records) {
    const key = tableKey(record.table);
    const load = pending.get(key);
    switch (record.kind) {
      case 'requested':
        pending.set(key, {
          load: record.load,
          version: await resolve(record.registryId),
          attempt: 0,
          begun: [],
          ended: new Set(),
          finished: false,
          restart: false,
        });
        break;
      case 'began':
        if (load?.load !== record.load) break;
        load.attempt = record.attempt;
        if (record.restart) {
          load.begun.length = 0;
          load.ended.clear();
        }
        break;
      case 'chunk-began':
        if (load?.load === record.load && !load.begun.some(({ index }) => index === record.chunk.index))
          load.begun.push(record.chunk);
        break;
      case 'chunk-ended':
        if (load?.load === record.load) load.ended.add(record.chunk);
        break;
      case 'ended':
        if (load?.load === record.load) pending.delete(key);
        break;
      case 'rows':
        break;
    }
  }
  return [...pending.values()];
}
