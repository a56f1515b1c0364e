import { fc, test } from '@fast-check/vitest';
import Decoder from 'kafkajs/src/protocol/decoder.js';
import crc32C from 'kafkajs/src/protocol/recordBatch/crc32C/index.js';
import decodeBatch from 'kafkajs/src/protocol/recordBatch/v0/decoder.js';
import { expect } from 'vitest';
import { installLz4 } from './lz4-codec.js';
import { type OutgoingRecord, RecordBatchEncoder } from './record-batch.js';

installLz4();

const NUMBER = { producerId: 4_000_000_000_001n, producerEpoch: 7, firstSequence: 2 ** 31 - 2 };

const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 });
const record: fc.Arbitrary<OutgoingRecord> = fc.record(
  {
    value: fc.uint8Array({ maxLength: 300 }),
    // A prefix: kafkajs takes names that every object has for headers that it has read.
    headers: fc.dictionary(
      text.map((name) => `h-${name}`),
      text,
      { maxKeys: 3, noNullPrototype: true },
    ),
  },
  { requiredKeys: ['value'] },
);

async function decoded(batch: Buffer) {
  const { records, ...rest } = await decodeBatch(new Decoder(batch));
  const read = records.map(({ offset, key, value, headers }) => ({
    offset,
    key,
    value: value?.toString('hex'),
    headers: Object.fromEntries(Object.entries(headers).map(([name, bytes]) => [name, bytes.toString()])),
  }));
  return { ...rest, records: read };
}

function expected(records: readonly OutgoingRecord[]) {
  return records.map(({ value, headers = {} }, index) => ({
    offset: String(index),
    key: null,
    value: Buffer.from(value).toString('hex'),
    headers,
  }));
}

test.prop([fc.array(fc.array(record, { minLength: 1, maxLength: 20 }), { minLength: 1, maxLength: 4 })])(
  'kafkajs reads what was written, batch after batch of one encoder',
  async (batches) => {
    const encoder = new RecordBatchEncoder();
    for (const records of batches) {
      const batch = await encoder.encode(records, NUMBER, 0);
      expect(await decoded(batch)).toMatchObject({
        firstOffset: '0',
        lastOffsetDelta: records.length - 1,
        producerId: String(NUMBER.producerId),
        producerEpoch: 7,
        firstSequence: 2 ** 31 - 2,
        records: expected(records),
      });
      expect(batch.readInt32BE(8)).toBe(batch.length - 12);
      expect(batch.readUInt32BE(17)).toBe(crc32C(batch.subarray(21)) >>> 0);
    }
  },
);

test('a large record, then a small one: what the larger left in the room is not seen', async () => {
  const encoder = new RecordBatchEncoder();
  const large = [{ value: Buffer.alloc(5_000_000, 'abcdefgh'), headers: { 'millrace-seq': '1' } }];
  const small = [{ value: Buffer.from('x') }];
  for (const records of [large, small, large]) {
    const batch = await encoder.encode(records, NUMBER, 10);
    expect((await decoded(batch.subarray(10))).records).toEqual(expected(records));
  }
});
