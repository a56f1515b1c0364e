import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { decodeBlock } from './block-reader.js';
import { BLOCK_SCHEMA_1_JSON, BLOCK_SCHEMA_JSON, TAKEOVER_SCHEMA_JSON } from './block-schema.js';
import { DEAD_LETTER_SCHEMA_JSON, decodeDeadLetter } from './dead-letter-record.js';
import { FRAME_BYTES } from './framing.js';
import { decodeRecord } from './journal-record.js';
import { decodeLoadRecord } from './load-record.js';
import { LOAD_SCHEMA_1_JSON, LOAD_SCHEMA_2_JSON, LOAD_SCHEMA_JSON } from './load-schema.js';
import { newTableVersion, rowSchemaJson, tableSchemaOf } from './row-schema.js';
import { oracleOf } from './testing/avro-oracle.js';
import { readEvents } from './testing/event-script.js';
import { FIXTURES, fixtureJson } from './testing/fixture.js';

const asRead = (value: unknown): unknown => JSON.parse(fixtureJson(value));

/** Ids that the fixtures' records name: 1 block, 2 takeover, 3 load, 4 dead letter. */
const VERSIONS = [
  {
    version: 1,
    block: BLOCK_SCHEMA_1_JSON,
    load: LOAD_SCHEMA_1_JSON,
    ids: { block: 91, block1: 1, takeover: 2 },
    loadIds: { load: 93, load1: 3, load2: 92 },
    // Fields that the format does not have, or that mean something else in it.
    header: { clock: null, transactions: 1, upTo: '000000000a0b0c0e' },
    began: { takenAtMicros: null },
    ended: { digest: null },
  },
  {
    version: 2,
    block: BLOCK_SCHEMA_JSON,
    load: LOAD_SCHEMA_2_JSON,
    ids: { block: 1, block1: null, takeover: 2 },
    loadIds: { load: 93, load1: null, load2: 3 },
    header: { clock: 1_763_715_600_000_001n, transactions: 2, upTo: '000000000a0b0c0f' },
    began: {},
    ended: { digest: null },
  },
  {
    version: 3,
    block: BLOCK_SCHEMA_JSON,
    load: LOAD_SCHEMA_JSON,
    ids: { block: 1, block1: null, takeover: 2 },
    loadIds: { load: 3, load1: null, load2: null },
    header: { clock: 1_763_715_600_000_001n, transactions: 2, upTo: '000000000a0b0c0f' },
    began: {},
    ended: {},
  },
] as const;

describe.each(VERSIONS)('records written by version $version', ({ version, block, load, ids, loadIds, header, began, ended }) => {
  const bytes = (name: string): Uint8Array => readFileSync(new URL(name, FIXTURES[version]));
  const text = (name: string): string => readFileSync(new URL(name, FIXTURES[version]), 'utf8');
  const expected = (name: string): object => JSON.parse(text(`${name}.json`));
  const tables = [101, 102].map((id) => newTableVersion(tableSchemaOf(text(`row-${id}.avsc`)), id));

  function resolve(registryId: number, fingerprint: string) {
    const found = tables.find((table) => table.registryId === registryId && table.fingerprint === fingerprint);
    if (found === undefined) throw new Error(`the fixture's table ${registryId} has another fingerprint than ${fingerprint}`);
    return found;
  }

  test.each(['block', 'last-slice'])('%s reads as it was written', (name) => {
    expect(asRead(readEvents(decodeBlock(bytes(`${name}.bin`), 0n, resolve, version === 1 ? 1 : 2), tables))).toEqual(
      expected(name),
    );
  });

  test('headers read as they were written', () => {
    const history = { source: 'system-1/5', timeline: 3 };
    const common = { kind: 'block', journal: 'a1b2c3', epoch: 12n, seq: 7n, prev: 2n ** 40n, ...history };
    expect(decodeRecord(bytes('block.bin'), 5n, ids)).toMatchObject({
      ...common,
      ...header,
      after: null,
      slice: null,
      upTo: { ...history, key: header.upTo },
      rows: 4,
      schemas: 3,
    });
    expect(decodeRecord(bytes('last-slice.bin'), 5n, ids)).toMatchObject({
      ...common,
      clock: null,
      after: { source: 'system-1/5', timeline: 2, key: '000000000a0b0c00' },
      slice: { index: 5, first: 2n ** 40n - 4n, last: true },
      upTo: { ...history, key: 'ff00000000000000' },
    });
    const takeover = { kind: 'takeover', offset: 5n, journal: 'a1b2c3', epoch: 12n, nonce: 'n0nce' };
    expect(decodeRecord(bytes('takeover.bin'), 5n, ids)).toEqual(takeover);
  });

  test.each(['requested', 'began', 'chunk-began', 'rows', 'chunk-ended', 'ended', ...(version === 1 ? [] : ['cancelled'])])(
    'load record "%s" reads as it was written',
    (kind) => {
      const record = decodeLoadRecord(bytes(`load-${kind}.bin`), loadIds, 'here');
      const differs = kind === 'chunk-ended' ? ended : {};
      expect(asRead(record)).toEqual({ ...(kind === 'began' ? began : {}), ...expected(`load-${kind}`), ...differs });
    },
  );

  test('dead letter reads as it was written', () => {
    expect(asRead(decodeDeadLetter(bytes('dead-letter.bin'), 4, 'here'))).toEqual(expected('dead-letter'));
  });

  test.each(['block', 'takeover', 'dead-letter'])('%s reads with the registered schema alone', (name) => {
    expect(() => oracleOf(text(`${name}.avsc`)).decode(bytes(`${name}.bin`).subarray(FRAME_BYTES))).not.toThrow();
  });

  test('the schemas are still those that were registered: a change needs a new version with fixtures of its own', () => {
    expect(block).toBe(text('block.avsc'));
    expect(TAKEOVER_SCHEMA_JSON).toBe(text('takeover.avsc'));
    expect(load).toBe(text('load.avsc'));
    expect(DEAD_LETTER_SCHEMA_JSON).toBe(text('dead-letter.avsc'));
    for (const { schema, registryId } of tables) expect(rowSchemaJson(schema)).toBe(text(`row-${registryId}.avsc`));
  });
});

test('a reader with the schemas of today reads what version 1 wrote: the new fields have defaults', () => {
  const read = (name: string): Uint8Array => readFileSync(new URL(name, FIXTURES[1]));
  const decoded = oracleOf(BLOCK_SCHEMA_JSON, BLOCK_SCHEMA_1_JSON).decode(read('block.bin').subarray(FRAME_BYTES));
  expect(decoded).toMatchObject({
    clock: null,
    events: expect.arrayContaining([{ 'millrace.Begin': { xid: '735', commit: null } }]),
  });
  const began = oracleOf(LOAD_SCHEMA_JSON, LOAD_SCHEMA_1_JSON).decode(read('load-began.bin').subarray(FRAME_BYTES));
  expect(began).toMatchObject({ event: { 'millrace.Began': { attempt: 1, takenAt: null } } });
});
