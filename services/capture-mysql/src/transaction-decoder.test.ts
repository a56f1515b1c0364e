import { Buffer } from 'node:buffer';
import { crc32 } from 'node:zlib';
import { expect, test } from 'vitest';
import { EVENT } from './binlog/event-types.js';
import { ChangedTables } from './changed-tables.js';
import { LogCursor } from './log-cursor.js';
import type { PacketSlice } from './packets.js';
import { SchemaTracker } from './schema-tracker.js';
import type { SourceServer } from './server-log.js';
import type { SourceCatalog } from './source-catalog.js';
import { RecordingJournal } from './testing/recording-journal.js';
import { TransactionDecoder } from './transaction-decoder.js';

const SERVER: SourceServer = { engine: 'mysql', version: 8_000_015, text: '8.0.15', identity: 'mysql:a', gtids: true };
const ROW_BYTES = 19;

/** A packet of the dump with one event whose checksum is right. */
function packet(
  type: number,
  body: Buffer,
  { end = 0, flags = 0 }: { readonly end?: number; readonly flags?: number } = {},
): PacketSlice {
  const event = Buffer.alloc(ROW_BYTES + body.length + 4);
  event.writeUInt32LE(1_700_000_000, 0);
  event.writeUInt8(type, 4);
  event.writeUInt32LE(1, 5);
  event.writeUInt32LE(event.length, 9);
  event.writeUInt32LE(end, 13);
  event.writeUInt16LE(flags, 17);
  body.copy(event, ROW_BYTES);
  event.writeUInt32LE(crc32(event.subarray(0, -4)), event.length - 4);
  const bytes = Buffer.concat([Buffer.from([0]), event]);
  return { bytes, start: 0, end: bytes.length };
}

function query(sql: string, end: number): PacketSlice {
  const head = Buffer.alloc(13);
  head.writeUInt8(2, 8);
  return packet(EVENT.query, Buffer.concat([head, Buffer.from('db\0'), Buffer.from(sql)]), { end });
}

function gtid(number: number, end: number): PacketSlice {
  const body = Buffer.alloc(42);
  body.fill(0xab, 1, 17);
  body.writeBigUInt64LE(BigInt(number), 17);
  body.writeUInt8(2, 25);
  return packet(EVENT.gtid, body, { end });
}

function decoder(offset = 4): {
  readonly decoder: TransactionDecoder;
  readonly cursor: LogCursor;
  readonly journal: RecordingJournal;
} {
  const journal = new RecordingJournal();
  const after = { failovers: 0, file: 1, offset, rest: { base: 'bin', server: SERVER.identity, gtids: '' } };
  const cursor = new LogCursor('mysql:a', SERVER, after);
  const catalog: Pick<SourceCatalog, 'server' | 'collations' | 'decoders' | 'describe' | 'selected' | 'prepareDecoders'> = {
    server: SERVER,
    collations: new Map(),
    decoders: new Map(),
    describe: () => Promise.resolve([]),
    selected: () => Promise.resolve([]),
    prepareDecoders: () => Promise.resolve(),
  };
  const tracker = new SchemaTracker({
    catalog,
    journal,
    selector: { select: () => ({ selected: true, explicit: false, loadOrder: 0 }), filter: () => null, assess: () => [] },
    known: [],
    changed: new ChangedTables(),
    needsLoad: () => 'load',
    place: () => cursor.place().key,
    logEnd: () => Promise.resolve(''),
  });
  return {
    decoder: new TransactionDecoder({ journal, tracker, cursor, checksums: true, lowerCaseNames: false }),
    cursor,
    journal,
  };
}

test.each([
  ['#19 a compressed transaction', EVENT.transactionPayload],
  ['#20 a partial update of a JSON value', EVENT.partialUpdateRows],
  ['an incident', EVENT.incident],
  ['a tagged GTID', EVENT.gtidTagged],
  ['an event of an unknown type', 99],
])('%s is refused', (_, type) => {
  const { decoder: subject } = decoder();
  expect(() => subject.handle(packet(type, Buffer.alloc(8)))).toThrow(
    expect.objectContaining({ code: 'SOURCE_BINLOG_UNSUPPORTED' }),
  );
});

test('an event of an unknown type that says that it may be passed over is', () => {
  const { decoder: subject } = decoder();
  expect(subject.handle(packet(99, Buffer.alloc(8), { flags: 0x80 }))).toBeUndefined();
});

test('an event that was damaged on its way is refused', () => {
  const { decoder: subject } = decoder();
  const damaged = gtid(1, 100);
  damaged.bytes.writeUInt8(damaged.bytes.readUInt8(30) ^ 1, 30);
  expect(() => subject.handle(damaged)).toThrow(expect.objectContaining({ code: 'SOURCE_BINLOG_CHECKSUM', class: 'retry' }));
});

test('#21 places beyond 4 GB do not wrap, and groups at or before the journal are dropped', async () => {
  const resume = 2 ** 32 + 500;
  const { decoder: subject, cursor } = decoder(resume);
  // The command cannot say such a place: the file is read from its beginning.
  await subject.handle(
    packet(EVENT.rotate, Buffer.concat([Buffer.from([4, 0, 0, 0, 0, 0, 0, 0]), Buffer.from('bin.000001')]), { flags: 0x20 }),
  );
  await subject.handle(gtid(1, 1_000));
  await subject.handle(query('BEGIN', 2_000));
  await subject.handle(query('COMMIT', 2 ** 32 - 100));
  expect(subject.takeIdle()).toBeNull();
  await subject.handle(gtid(2, 400));
  await subject.handle(query('BEGIN', 450));
  await subject.handle(query('COMMIT', 500));
  expect(cursor.describe()).toBe(`bin.000001:${resume}`);
  expect(subject.takeIdle()).toBeNull();
  await subject.handle(gtid(3, 600));
  await subject.handle(query('BEGIN', 700));
  await subject.handle(query('COMMIT', 800));
  expect(cursor.describe()).toBe(`bin.000001:${2 ** 32 + 800}`);
  expect(subject.takeIdle()).toEqual(cursor.position());
});
