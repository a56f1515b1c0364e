import type { LoadEvent, LoadRecord } from '@millrace/codec/load-record.js';
import { newTableVersion } from '@millrace/codec/row-schema.js';
import { tableKey } from '@millrace/codec/table-key.js';
import { tableWithoutColumns } from '@millrace/codec/testing/plain-tables.js';
import type { TableVersion } from '@millrace/contract/table.js';
import { describe, expect, test } from 'vitest';
import { canContinue, loadedBeyond, newPendingLoad, type PendingLoad, pendingLoads, readAgain } from './load-plan.js';

const table = { schema: 'public', table: 't' };
const version: TableVersion = newTableVersion(tableWithoutColumns(table), 3);
const asOf = { source: 's', timeline: 1, key: '00' };
const requested = (load: string): LoadEvent => ({ kind: 'requested', load, table, registryId: 3 });
const began = (load: string, attempt: number, restart = attempt > 1): LoadEvent => ({
  kind: 'began',
  load,
  table,
  registryId: 3,
  attempt,
  asOf,
  restart,
  encoding: 'rows',
  estimatedRows: 0,
  estimatedBytes: 0,
  takenAtMicros: 7n,
});

async function* recordsOf(...events: readonly LoadEvent[]): AsyncGenerator<LoadRecord> {
  for (const event of events) yield { ...event, epoch: 0n };
}

async function pending(...events: readonly LoadEvent[]) {
  return (await pendingLoads(recordsOf(...events), () => Promise.resolve(version))).map(({ load, attempt }) => ({
    load,
    attempt,
  }));
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

test('a cancelled load is not read again, whatever its capture had still to write of it', async () => {
  const cancelled: LoadEvent = { kind: 'cancelled', load: '0.1', table, error: null };
  expect(await pending(requested('0.1'), cancelled, began('0.1', 1))).toEqual([]);
  expect(await pending(requested('0.1'), requested('9.1'), cancelled)).toEqual([{ load: '9.1', attempt: 0 }]);
});

test("a later request replaces the table's earlier load, whose end then means nothing", async () => {
  const late: LoadEvent = { kind: 'ended', load: '0.1', table, attempt: 1, chunks: 1 };
  expect(await pending(requested('0.1'), began('0.1', 1), requested('9.1'), late)).toEqual([{ load: '9.1', attempt: 0 }]);
});

const chunk = (index: number, from: string | null, to: string | null) => ({
  index,
  locator: '1 keys',
  keys: { column: 'id', order: 'integer' as const, from, to },
});
const chunkBegan = (attempt: number, index: number, from: string | null, to: string | null): LoadEvent => ({
  kind: 'chunk-began',
  load: '0.1',
  table,
  attempt,
  chunk: chunk(index, from, to),
  lane: 0,
});
const chunkEnded = (attempt: number, index: number): LoadEvent => ({
  kind: 'chunk-ended',
  load: '0.1',
  table,
  attempt,
  chunk: index,
  parts: 1,
  rows: 1,
  digest: '',
  asOf,
  keys: null,
});
const continued = (load: string, attempt: number): LoadEvent => began(load, attempt, false);

const resolve = (): Promise<TableVersion> => Promise.resolve(version);

test('#13 after a restart it is known which chunks were begun and which of them ended, over all attempts', async () => {
  const first = [
    requested('0.1'),
    continued('0.1', 1),
    chunkBegan(1, 0, null, '5'),
    chunkBegan(1, 1, '5', '9'),
    chunkEnded(1, 0),
  ];
  const second = [continued('0.1', 2), chunkBegan(2, 1, '5', '9'), chunkEnded(2, 1), chunkBegan(2, 2, '9', null)];
  const [load] = await pendingLoads(recordsOf(...first, ...second), resolve);
  expect(load).toMatchObject({ attempt: 2, begun: [chunk(0, null, '5'), chunk(1, '5', '9'), chunk(2, '9', null)] });
  expect([...(load?.ended ?? [])]).toEqual([0, 1]);
});

test('#13 what an earlier capture began before it was fenced is read again with the rest', async () => {
  const first = [requested('0.1'), continued('0.1', 1), chunkBegan(1, 0, null, '5'), chunkEnded(1, 0)];
  const [load] = await pendingLoads(recordsOf(...first), resolve);
  if (load === undefined) throw new Error('no load');
  load.attempt = 2;
  await readAgain(load, recordsOf(...first, chunkBegan(1, 1, '5', '9'), continued('0.1', 2)), resolve);
  expect(load).toMatchObject({ attempt: 2, inherited: false, restart: false, begun: [chunk(0, null, '5'), chunk(1, '5', '9')] });
});

test('#13 an attempt of the same number by an earlier capture starts the table again', async () => {
  const load: PendingLoad = { ...newPendingLoad('0.1', version), attempt: 1, inherited: true };
  await readAgain(
    load,
    recordsOf(requested('0.1'), continued('0.1', 1), chunkBegan(1, 0, null, '5'), continued('0.1', 1)),
    resolve,
  );
  expect(load.restart).toBe(true);
});

describe('a load goes on in another snapshot', () => {
  const keyed: TableVersion = { ...version, schema: { ...version.schema, identityColumns: ['id'] } };
  const begun: PendingLoad = {
    ...newPendingLoad('0.1', keyed),
    attempt: 1,
    asOf,
    begun: [chunk(0, null, '5')],
    ended: new Set([0]),
  };

  test('where its chunks hold ranges of keys and the table is the same', () => {
    expect(canContinue(begun, asOf, keyed)).toBe(true);
  });

  test.each<[string, PendingLoad, TableVersion | undefined]>([
    ['the table is another version', begun, { ...keyed, fingerprint: 'other' }],
    ['the table is gone', begun, undefined],
    ['its chunks are places in a file', { ...begun, begun: [{ index: 0, locator: '1 pages 0-5', keys: null }] }, keyed],
    ['changes do not tell the old key', { ...begun, version }, version],
    ['it was rewritten', { ...begun, restart: true }, keyed],
    ['no chunk was begun', { ...begun, begun: [] }, keyed],
    ['the source has failed over', { ...begun, asOf: { ...asOf, timeline: 2 } }, keyed],
  ])('not where %s', (_, load, current) => {
    expect(canContinue(load, asOf, current)).toBe(false);
  });
});

test('#6 a load that was read past the end of the journal is told, ended or not, until the table is requested again', async () => {
  const before = { ...asOf, key: '' };
  const ended: LoadEvent = { kind: 'ended', load: '0.1', table, attempt: 1, chunks: 4 };
  const events: readonly LoadEvent[] = [requested('0.1'), began('0.1', 1), ended];
  expect([...(await loadedBeyond(recordsOf(...events), before))]).toEqual([tableKey(table)]);
  expect([...(await loadedBeyond(recordsOf(...events), asOf))]).toEqual([]);
  expect([...(await loadedBeyond(recordsOf(...events, requested('3.1')), before))]).toEqual([]);
});
