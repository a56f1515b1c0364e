import { Buffer } from 'node:buffer';
import { UNCHANGED } from '@millrace/contract/row.js';
import type { TableSchema, TableVersion } from '@millrace/contract/table.js';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FrameReader } from './frame-reader.js';
import type { RelationMessage } from './pgoutput.js';
import { compileRowPlan, type RowPlan } from './row-translator.js';
import { RecordingJournal } from './testing/recording-journal.js';
import {
  begin,
  commit,
  frame,
  insert,
  int8,
  int32,
  keepalive,
  relation,
  remove,
  tuple,
  update,
  type WireValue,
  xlogData,
} from './testing/wire-messages.js';
import { type RelationPlans, TransactionDecoder } from './transaction-decoder.js';

const COLUMNS = [
  { name: 'id', key: true, typeOid: 20 },
  { name: 'note', key: false, typeOid: 25 },
  { name: 'raw', key: false, typeOid: 17 },
] as const;

const TYPES = [
  { kind: 'integer', bits: 64 },
  { kind: 'text', maxLength: null, padded: false },
  { kind: 'bytes', maxLength: null },
] as const;

const SCHEMA: TableSchema = {
  id: { schema: 'public', table: 't' },
  columns: COLUMNS.map(({ name }, index) => ({
    name,
    ordinal: index + 1,
    type: TYPES[index] ?? { kind: 'other' },
    native: { engine: 'postgresql', schema: 'pg_catalog', name: 'x', declaration: 'x' },
    nullable: true,
    generated: null,
    identity: 'none',
    default: null,
    missingValue: null,
    collation: null,
  })),
  primaryKey: ['id'],
  primaryKeyName: 't_pkey',
  identityColumns: ['id'],
  replicaIdentity: 'key',
  types: [],
  extensions: [],
};

const VERSION: TableVersion = { source: SCHEMA.id, schema: SCHEMA, registryId: 1, fingerprint: 'f' };

/** Every relation is table t. Relation messages take a turn of the event loop, as a question to the catalogue does. */
class Plans implements RelationPlans {
  readonly plans = new Map<number, RowPlan>();
  readonly reachedKeys: string[] = [];

  async relation(message: RelationMessage): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.plans.set(message.oid, compileRowPlan(message, VERSION, SCHEMA));
  }

  plan(oid: number): RowPlan | null {
    return this.plans.get(oid) ?? null;
  }

  truncate(): undefined {
    return undefined;
  }

  reached(key: string): undefined {
    this.reachedKeys.push(key);
    return undefined;
  }
}

async function decode(bytes: Buffer, cuts: readonly number[] = [], after = 0n) {
  const journal = new RecordingJournal();
  const plans = new Plans();
  const decoder = new TransactionDecoder(journal, plans, { source: 's', timeline: 1 }, after.toString(16).padStart(16, '0'));
  const reader = new FrameReader();
  const edges = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].toSorted(
    (left, right) => left - right,
  );
  for (const [index, start] of edges.entries()) {
    const end = edges[index + 1];
    if (end === undefined) break;
    // A fresh copy, overwritten afterwards: nothing may hold on to the socket's bytes.
    const chunk = Buffer.from(bytes.subarray(start, end));
    reader.push(chunk);
    for (let wait = reader.run(decoder.handle); wait !== undefined; wait = reader.run(decoder.handle)) await wait;
    chunk.fill(0xee);
  }
  return { journal, decoder, plans };
}

const RELATION = relation(7, 't', COLUMNS);

test('a transaction becomes its events, at the end LSN of its commit', async () => {
  const { journal } = await decode(
    Buffer.concat([
      begin(100n, 9, 3n),
      RELATION,
      insert(7, ['9007199254740993', 'ä', '\\x00ff']),
      update(7, null, ['-1', undefined, null]),
      update(7, tuple('K', ['1', null, null]), ['2', '', '\\x']),
      remove(7, tuple('O', ['2', 'x', null])),
      commit(100n, 150n),
    ]),
  );
  expect(journal.events).toEqual([
    {
      kind: 'begin',
      transaction: '9',
      commit: { position: { source: 's', timeline: 1, key: '0000000000000064' }, atMicros: 946_684_800_000_003n },
    },
    { kind: 'insert', table: 'public.t', after: { id: 9007199254740993n, note: 'ä', raw: Uint8Array.of(0, 255) } },
    { kind: 'update', table: 'public.t', before: null, after: { id: -1, note: UNCHANGED, raw: null } },
    {
      kind: 'update',
      table: 'public.t',
      before: { id: 1, note: UNCHANGED, raw: UNCHANGED },
      after: { id: 2, note: '', raw: new Uint8Array(0) },
    },
    { kind: 'delete', table: 'public.t', before: { id: 2, note: 'x', raw: null } },
    { kind: 'commit', position: { source: 's', timeline: 1, key: '0000000000000096' }, committedAtMicros: 946_684_800_000_000n },
  ]);
});

const value = fc.oneof(fc.string({ unit: 'binary', maxLength: 300 }), fc.constant(null), fc.constant(undefined));
const bytea = fc.uint8Array({ maxLength: 50 }).map((bytes) => `\\x${Buffer.from(bytes).toString('hex')}`);
const row: fc.Arbitrary<readonly WireValue[]> = fc.tuple(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
  value,
  bytea,
);
const change = fc.oneof(
  row.map((values) => insert(7, values)),
  row.map((values) => update(7, null, values)),
  fc.tuple(row, row).map(([old, values]) =>
    update(
      7,
      tuple(
        'O',
        old.map((each) => each ?? null),
      ),
      values,
    ),
  ),
  row.map(([id = '0']) => remove(7, tuple('K', [id, null, null]))),
);

test('the same bytes give the same events, wherever the network cuts them', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(change, { maxLength: 5 }), { minLength: 1, maxLength: 4 }),
      fc.array(fc.nat(), { maxLength: 40 }),
      async (transactions, cuts) => {
        const bytes = Buffer.concat(
          transactions.flatMap((changes, index) => {
            const at = BigInt(index + 1) * 1000n;
            return [begin(at, index), RELATION, ...changes, commit(at, at + 8n), keepalive(at + 16n)];
          }),
        );
        const whole = await decode(bytes);
        const cut = await decode(bytes, cuts);
        expect(cut.journal.events).toEqual(whole.journal.events);
        const single = await decode(
          bytes,
          Array.from({ length: bytes.length }, (_, index) => index),
        );
        expect(single.journal.events).toEqual(whole.journal.events);
      },
    ),
    { numRuns: 60 },
  );
});

test("#4 transactions at or below the journal's end are dropped, and only those", async () => {
  const bytes = Buffer.concat(
    [1n, 2n, 3n].flatMap((n) => [
      begin(n * 100n, Number(n)),
      ...(n === 1n ? [RELATION] : []),
      insert(7, [String(n), null, null]),
      commit(n * 100n, n * 100n + 50n),
    ]),
  );
  for (const [after, expected] of [
    [0n, [1, 2, 3]],
    [150n, [2, 3]],
    [250n, [3]],
    [260n, [3]],
    [350n, []],
  ] as const) {
    const { journal } = await decode(bytes, [], after);
    expect(journal.changes.map((event) => (event.kind === 'insert' ? event.after['id'] : null))).toEqual(expected);
  }
});

test('an empty transaction leaves no event, yet its position is progress', async () => {
  const { journal, decoder } = await decode(Buffer.concat([begin(100n, 1), commit(100n, 150n)]));
  expect(journal.events).toEqual([]);
  expect(decoder.writeProgress()).toBe(true);
  expect(journal.events).toEqual([{ kind: 'progress', position: { source: 's', timeline: 1, key: '0000000000000096' } }]);
  expect(decoder.writeProgress()).toBe(false);
});

test('#9 a keepalive between transactions is progress, one inside of a transaction is not', async () => {
  const inside = await decode(Buffer.concat([begin(100n, 1), RELATION, insert(7, ['1', null, null]), keepalive(500n)]));
  expect(inside.decoder.writeProgress()).toBe(false);
  const between = await decode(Buffer.concat([keepalive(50n, true), keepalive(40n)]));
  expect(between.decoder.writeProgress()).toBe(true);
  expect(between.journal.position?.key).toBe('0000000000000032');
  expect(between.decoder.takeReplyRequest()).toBe(true);
  expect(between.decoder.takeReplyRequest()).toBe(false);
});

test.each([
  ['an unknown message', frame('?', '')],
  ['an unknown change', xlogData('?')],
  ['a row of another width', Buffer.concat([begin(1n, 1), RELATION, insert(7, ['1'])])],
  [
    'a row that is longer than its columns',
    Buffer.concat([begin(1n, 1), RELATION, xlogData('I', int32(7), tuple('N', ['1', null, null]), int8(0))]),
  ],
  [
    'a row that ends too early',
    Buffer.concat([begin(1n, 1), RELATION, xlogData('I', int32(7), tuple('N', ['1', null, 'abc']).subarray(0, -2))]),
  ],
  ['a number that is none', Buffer.concat([begin(1n, 1), RELATION, insert(7, ['1x', null, null])])],
  ['bytes that are none', Buffer.concat([begin(1n, 1), RELATION, insert(7, ['1', null, '\\x0g'])])],
  ['a length that is none', Buffer.of(0x64, 0, 0, 0, 1)],
])('what is no message of the protocol ends the stream: %s', async (_what, bytes) => {
  await expect(decode(bytes)).rejects.toMatchObject({ code: 'SOURCE_PROTOCOL', class: 'fatal' });
});

test('an error of the server ends the stream with what it means', async () => {
  const error = (code: string, message: string): Buffer => frame('E', `SERROR\0C${code}\0M${message}\0\0`);
  await expect(decode(error('57P01', 'terminating connection'))).rejects.toMatchObject({
    code: 'SOURCE_CONNECTION_LOST',
    class: 'retry',
  });
  await expect(decode(error('55000', 'can no longer get changes from replication slot "s"'))).rejects.toMatchObject({
    code: 'SLOT_INVALIDATED',
  });
  await expect(decode(error('58P01', 'requested WAL segment 00000001 has already been removed'))).rejects.toMatchObject({
    code: 'SLOT_INVALIDATED',
  });
  await expect(decode(error('42704', 'publication "p" does not exist'))).rejects.toMatchObject({ code: 'PUBLICATION_MISSING' });
});
