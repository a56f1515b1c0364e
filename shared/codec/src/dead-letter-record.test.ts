import { fc, test } from '@fast-check/vitest';
import type { DeadLetter } from '@millrace/contract/sink.js';
import { expect } from 'vitest';
import { DEAD_LETTER_SCHEMA_JSON, decodeDeadLetter, encodeDeadLetter } from './dead-letter-record.js';
import { FRAME_BYTES } from './framing.js';
import { oracleOf } from './testing/avro-oracle.js';

const text = fc.string({ unit: 'binary', maxLength: 30 });
const letter: fc.Arbitrary<DeadLetter> = fc.record({
  id: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
  table: fc.record({ schema: text, table: text }),
  position: fc.record({ source: text, timeline: fc.maxSafeInteger(), key: fc.stringMatching(/^([0-9a-f]{2}){0,8}$/) }),
  ordinal: fc.nat(),
  kind: fc.constantFrom('insert' as const, 'update' as const, 'delete' as const, 'load' as const),
  code: text,
  message: text,
  before: fc.option(text),
  after: fc.option(text),
});

test.prop([letter])('a dead letter reads back whole, by any Avro tool too', (of) => {
  const framed = encodeDeadLetter(of, 3);
  expect(decodeDeadLetter(framed, 3, 'here')).toEqual(of);
  const image = (value: string | null): unknown => (value === null ? null : { string: value });
  expect(oracleOf(DEAD_LETTER_SCHEMA_JSON).decode(framed.subarray(FRAME_BYTES))).toEqual({
    id: of.id,
    schema: of.table.schema,
    table: of.table.table,
    source: of.position.source,
    timeline: BigInt(of.position.timeline),
    key: Buffer.from(of.position.key, 'hex'),
    ordinal: of.ordinal,
    kind: of.kind,
    code: of.code,
    message: of.message,
    before: image(of.before),
    after: image(of.after),
  });
});
