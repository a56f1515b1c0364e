import { expect, test } from 'vitest';
import { formatLsn, parseLsn } from './lsn.js';
import { judgeSlot, judgeTimeline, parseTimelineHistory, type SlotState } from './slot-rules.js';

const GOOD: SlotState = {
  name: 's',
  type: 'logical',
  plugin: 'pgoutput',
  database: 'shop',
  temporary: false,
  restartLsn: parseLsn('0/100'),
  confirmedFlush: parseLsn('0/200'),
  walStatus: 'reserved',
  invalidation: null,
  synced: false,
  reader: null,
};
const EXPECTED = { slot: 's', database: 'shop', applicationPrefix: 'millrace:task:', resume: parseLsn('0/200') };

test.each([
  ["at the journal's end", {}, { do: 'stream' }],
  ["behind the journal's end", { confirmedFlush: parseLsn('0/1') }, { do: 'stream' }],
  ['with log beyond max_wal_size', { walStatus: 'extended' }, { do: 'stream' }],
  [
    '#18 ahead of the journal',
    { confirmedFlush: parseLsn('0/201') },
    { code: 'SLOT_AHEAD_OF_JOURNAL', details: { confirmed: '0/201', resume: '0/200' } },
  ],
  ['with its log removed', { walStatus: 'lost' }, { code: 'SLOT_INVALIDATED' }],
  ['without a restart point', { restartLsn: null }, { code: 'SLOT_INVALIDATED' }],
  ['taken out of service', { invalidation: 'idle_timeout' }, { code: 'SLOT_INVALIDATED', details: { reason: 'idle_timeout' } }],
  ['of another plugin', { plugin: 'test_decoding' }, { code: 'SLOT_FOREIGN' }],
  ['of another database', { database: 'other' }, { code: 'SLOT_FOREIGN' }],
  ['physical', { type: 'physical', plugin: null, database: null }, { code: 'SLOT_FOREIGN' }],
  ['temporary', { temporary: true }, { code: 'SLOT_FOREIGN' }],
  ['#7 kept in step by a standby', { synced: true }, { code: 'SLOT_FOREIGN' }],
  ['read by an older incarnation', { reader: { pid: 1, application: 'millrace:task:stream' } }, { do: 'end-reader', pid: 1 }],
  [
    'read by another task',
    { reader: { pid: 1, application: 'millrace:task2:stream' } },
    { code: 'SLOT_IN_USE', details: { pid: 1 } },
  ],
] as const)('a slot %s', (_what, change, decision) => {
  expect(judgeSlot({ ...GOOD, ...change }, EXPECTED)).toMatchObject(decision);
});

test('a slot that is not there is missing', () => {
  expect(judgeSlot(null, EXPECTED)).toMatchObject({ do: 'refuse', code: 'SLOT_MISSING' });
});

test('a journal that ends before the fork goes on, one that holds what the new timeline never had is refused', () => {
  const history = parseTimelineHistory('1\t0/5000000\tno recovery target specified\n\n2\t0/6000000\tafter\n');
  const current = { timeline: 3, history };
  expect(judgeTimeline({ timeline: 3, key: parseLsn('0/1') }, current)).toEqual({ do: 'continue' });
  expect(judgeTimeline({ timeline: 1, key: parseLsn('0/5000000') }, current)).toEqual({ do: 'continue' });
  expect(judgeTimeline({ timeline: 1, key: parseLsn('0/5000001') }, current)).toMatchObject({
    code: 'TIMELINE_FORKED',
    details: { fork: '0/5000000' },
  });
  expect(judgeTimeline({ timeline: 4, key: parseLsn('0/1') }, current)).toMatchObject({ code: 'TIMELINE_FORKED' });
});

test('log sequence numbers keep their order as keys, and their form', () => {
  const texts = ['0/0', '0/9A3C1F20', '0/FFFFFFFF', '1/0', '9/FF', '10/1', 'FFFFFFFF/FFFFFFFF'];
  const keys = texts.map(parseLsn);
  expect(keys).toEqual(keys.toSorted());
  expect(keys.map(formatLsn)).toEqual(texts);
});
