/**
 * Writes the fixtures of the current format version where they are missing; existing ones are never overwritten, since they stand
 * for journals that exist. Run it once when the format gets a new version: `npx tsx --conditions=source <this file>`
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { type Row, UNCHANGED, type Value } from '@millrace/contract/row.js';
import type { LogicalType } from '@millrace/contract/table.js';
import { BlockBuilder } from '../block-builder.js';
import { BLOCK_SCHEMA_JSON, TAKEOVER_SCHEMA_JSON } from '../block-schema.js';
import { DEAD_LETTER_SCHEMA_JSON, encodeDeadLetter } from '../dead-letter-record.js';
import { encodeLoadRecord, type LoadRecord } from '../load-record.js';
import { LOAD_SCHEMA_JSON } from '../load-schema.js';
import { newTableVersion, rowSchemaJson } from '../row-schema.js';
import { encodeTakeover } from '../takeover.js';
import { positionAt, type ScriptEvent, SOURCE, TIMELINE, writeEvents } from './event-script.js';
import { FIXTURES, fixtureJson } from './fixture.js';
import { plainTable } from './plain-tables.js';

function write(name: string, content: string | Uint8Array): void {
  const file = new URL(name, FIXTURES[3]);
  if (!existsSync(file)) writeFileSync(file, content);
}

const everyType: Readonly<Record<string, LogicalType>> = {
  id: { kind: 'integer', bits: 64 },
  '1 "hostile" näme': { kind: 'text', maxLength: null, padded: false },
  boolean: { kind: 'boolean' },
  small: { kind: 'integer', bits: 16 },
  real: { kind: 'float', bits: 32 },
  double: { kind: 'float', bits: 64 },
  numeric: { kind: 'decimal', precision: 10, scale: 2 },
  bytes: { kind: 'bytes', maxLength: null },
  date: { kind: 'date' },
  time: { kind: 'time', precision: 6, withZone: true },
  timestamp: { kind: 'timestamp', precision: 6, withZone: false },
  interval: { kind: 'interval' },
  uuid: { kind: 'uuid' },
  json: { kind: 'json' },
  mood: { kind: 'enum', labels: ['sad', 'happy'] },
  array: { kind: 'array', element: { kind: 'integer', bits: 32 } },
  point: { kind: 'other' },
};
const tables = [
  newTableVersion(plainTable('every type', everyType), 101),
  newTableVersion(plainTable('small', { id: { kind: 'integer', bits: 32 } }), 102),
];

const full: Row = [
  9007199254740993n,
  'Zürich 😀',
  true,
  -32768,
  0.10000000149011612,
  0.1,
  '12345678.90',
  new Uint8Array([0, 1, 254, 255]),
  '0044-03-15 BC',
  '24:00:00+15:59',
  'infinity',
  '1 mon -1 days +00:00:00.000001',
  '00000000-0000-0000-0000-00000000000f',
  '{"a": 1.10, "a": 1e400}',
  'happy',
  '{1,NULL,3}',
  '(1,2)',
];
const keyOnly: Row = [-9223372036854775808n, ...full.slice(1).map((): Value => UNCHANGED)];
const nulls: Row = [9223372036854775807n, ...full.slice(1).map(() => null)];

const whole: readonly ScriptEvent[] = [
  { kind: 'schema', table: 0, change: { kind: 'load', load: '12.1', reason: 'first start' } },
  { kind: 'schema', table: 1, change: { kind: 'version' } },
  { kind: 'begin', xid: '735', ahead: { key: '000000000a0b0c0c', at: 1_763_715_600_000_001n } },
  { kind: 'insert', table: 0, after: full },
  { kind: 'update', table: 0, before: null, after: nulls },
  { kind: 'update', table: 0, before: keyOnly, after: [...nulls.slice(0, 4), Number.NaN, -0, ...nulls.slice(6)] },
  { kind: 'delete', table: 0, before: keyOnly },
  { kind: 'truncate', tables: [1, 0], cascade: true, restartIdentity: true },
  { kind: 'schema', table: 1, change: { kind: 'error', code: 'TABLE_KEYLESS', message: 'no key' } },
  { kind: 'commit', key: '000000000a0b0c0d', events: 5, committedAt: 1_763_715_600_000_001n },
  { kind: 'begin', xid: 'says nothing ahead' },
  { kind: 'commit', key: '000000000a0b0c0e', events: 0, committedAt: -5n },
  { kind: 'progress', key: '000000000a0b0c0f' },
];
const lastSlice: readonly ScriptEvent[] = [
  { kind: 'insert', table: 1, after: [-2147483648] },
  { kind: 'schema', table: 1, change: { kind: 'dropped' } },
  { kind: 'commit', key: 'ff00000000000000', events: 1_000_001, committedAt: -1n },
];

const of = { load: '12.1', table: tables[0]?.source ?? { schema: '', table: '' }, epoch: 12n };
const asOf = positionAt('000000000a0b0c00');
const keys = { column: 'id', order: 'integer', from: '-5', to: null } as const;
const load: readonly LoadRecord[] = [
  { kind: 'requested', ...of, registryId: 101 },
  {
    kind: 'began',
    ...of,
    registryId: 101,
    attempt: 1,
    asOf,
    restart: true,
    encoding: 'postgresql-copy-text',
    estimatedRows: 5,
    estimatedBytes: 2 ** 40,
    takenAtMicros: 1_763_715_600_000_000n,
  },
  { kind: 'chunk-began', ...of, attempt: 1, chunk: { index: 0, locator: 'ctid (0,1)', keys }, lane: 3 },
  { kind: 'rows', ...of, attempt: 1, chunk: 0, seq: 0, rows: 2, bytes: Buffer.from('1\ta\n2\tb\n') },
  { kind: 'chunk-ended', ...of, attempt: 1, chunk: 0, parts: 1, rows: 2, digest: '0000ffff', asOf, keys: null },
  { kind: 'ended', ...of, attempt: 1, chunks: 1 },
  { kind: 'cancelled', ...of, error: { code: 'TABLE_UNREADABLE', message: 'no right' } },
];

mkdirSync(FIXTURES[3], { recursive: true });
write('block.avsc', BLOCK_SCHEMA_JSON);
write('takeover.avsc', TAKEOVER_SCHEMA_JSON);
write('load.avsc', LOAD_SCHEMA_JSON);
write('dead-letter.avsc', DEAD_LETTER_SCHEMA_JSON);
for (const { schema, registryId } of tables) write(`row-${registryId}.avsc`, rowSchemaJson(schema));

const header = { journal: 'a1b2c3', epoch: 12n, seq: 7n, prev: 2n ** 40n, source: SOURCE, timeline: TIMELINE };
const builder = new BlockBuilder();
writeEvents(builder, tables, whole);
write('block.bin', builder.seal({ ...header, after: null, slice: null, clock: 1_763_715_600_000_001n }, 1));
write('block.json', fixtureJson(whole));
writeEvents(builder, tables, lastSlice);
write(
  'last-slice.bin',
  builder.seal(
    { ...header, after: { ...asOf, timeline: 2 }, slice: { index: 5, first: 2n ** 40n - 4n, last: true }, clock: null },
    1,
  ),
);
write('last-slice.json', fixtureJson(lastSlice));
write('takeover.bin', encodeTakeover({ journal: 'a1b2c3', epoch: 12n, nonce: 'n0nce' }, 2));
for (const record of load) {
  write(`load-${record.kind}.bin`, encodeLoadRecord(record, 3));
  write(`load-${record.kind}.json`, fixtureJson(record));
}
const letter = {
  id: 9n,
  table: of.table,
  position: asOf,
  ordinal: 4,
  kind: 'update',
  code: 'UNIQUE_CONFLICT',
  message: 'key 1 is there',
  before: null,
  after: '{"id":9007199254740993}',
} as const;
write('dead-letter.bin', encodeDeadLetter(letter, 4));
write('dead-letter.json', fixtureJson(letter));
