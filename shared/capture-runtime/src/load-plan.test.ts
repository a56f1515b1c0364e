import type { LoadEvent, LoadRecord } from '@millrace/codec/load-record.js';
import { newTableVersion } from '@millrace/codec/row-schema.js';
import type { TableVersion } from '@millrace/contract/table.js';
import { expect, test } from 'vitest';
import { pendingLoads } from './load-plan.js';

const table = { schema: 'public', table: 't' };
const version: TableVersion = newTableVersion(
  {
    id: table,
    columns: [],
    primaryKey: [],
    primaryKeyName: null,
    identityColumns: [],
    replicaIdentity: 'full',
    types: [],
    extensions: [],
  },
  3,
);
const asOf = { source: 's', timeline: 1, key: '00' };
const requested = (load: string): LoadEvent => ({ kind: 'requested', load, table, registryId: 3 });
const began = (load: string, attempt: number): LoadEvent => ({
  kind: 'began',
  load,
  table,
  registryId: 3,
  attempt,
  asOf,
  restart: attempt > 1,
  encoding: 'rows',
  estimatedRows: 0,
  estimatedBytes: 0,
});

async function pending(...events: readonly LoadEvent[]) {
  const records = (async function* (): AsyncGenerator<LoadRecord> {
    for (const event of events) yield { ...event, epoch: 0n };
  })();
  return (await pendingLoads(records, () => Promise.resolve(version))).map(({ load, attempt }) => ({ load, attempt }));
}

test('a load that was only requested is read after a restart', async () => {
  expect(await pending(requested('0.1'))).toEqual([{ load: '0.1', attempt: 0 }]);
});

test('a load that was begun and not ended is read again, as a further attempt', async () => {
  expect(await pending(requested('0.1'), began('0.1', 1), began('0.1', 2))).toEqual([{ load: '0.1', attempt: 2 }]);
});

test('an ended load is not read again', async () => {
  expect(await pending(requested('0.1'), began('0.1', 1), { kind: 'ended', load: '0.1', table, attempt: 1, chunks: 4 })).toEqual(
    [],
  );
});

test("a later request replaces the table's earlier load, whose end then means nothing", async () => {
  const late: LoadEvent = { kind: 'ended', load: '0.1', table, attempt: 1, chunks: 1 };
  expect(await pending(requested('0.1'), began('0.1', 1), requested('9.1'), late)).toEqual([{ load: '9.1', attempt: 0 }]);
});
