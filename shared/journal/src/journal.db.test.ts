import { expect, test } from 'vitest';
import { JournalWriter } from './journal-writer.js';
import { failure, neverAborted, readUntil, testJournal, testServers } from './testing/journal-fixture.js';
import { at, insertedIds, sampleTable, sliceOf, wholeBlock } from './testing/sample-blocks.js';

const signal = neverAborted();

test('blocks sent by one incarnation come back in order, with the checkpoint after each', async () => {
  await using journal = await testJournal(await testServers());
  await using writer = await JournalWriter.claim(journal, signal);
  expect(writer.position).toBeNull();
  expect(writer.knownTables).toEqual([]);
  const table = await journal.registerTable(sampleTable('orders'));

  await writer.send([wholeBlock(table, 1, 3), wholeBlock(table, 4)]);
  await writer.send([wholeBlock(table, 5)]);
  expect(writer.inForcePosition).toEqual(at(5));

  const items = await readUntil(journal, null, ({ length }) => length === 4);
  const [takeover, ...blocks] = items;
  expect(takeover).toMatchObject({ kind: 'takeover', abandons: false, checkpoint: { journal: writer.journalId, epoch: 0n, seq: -1n, nextOffset: 1n, position: null } });
  expect(blocks.map((item) => item.kind === 'block' && insertedIds(item.block))).toEqual([[1, 2, 3], [4], [5]]);
  expect(blocks.map((item) => item.kind === 'block' && item.checkpointAfter)).toEqual([
    { journal: writer.journalId, epoch: 0n, seq: 0n, nextOffset: 2n, position: at(3) },
    { journal: writer.journalId, epoch: 0n, seq: 1n, nextOffset: 3n, position: at(4) },
    { journal: writer.journalId, epoch: 0n, seq: 2n, nextOffset: 4n, position: at(5) },
  ]);
});
