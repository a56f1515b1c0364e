/** CPU time per row of the lean writer and reader: `node --conditions=source --import tsx shared/codec/src/testing/bench-rows.ts` */
import { BlockBuilder } from '../block-builder.js';
import { decodeBlock } from '../block-reader.js';
import { COLUMN, ImageReader } from '../image-reader.js';
import { newTableVersion } from '../row-schema.js';
import { plainTable } from './plain-tables.js';

const ROWS = 1000;
const ROUNDS = 400;
const text = Buffer.from('0123456789 abcdefghij ABCDEFGHIJ 0123456789 abcdefghij ABCDEFGHIJ 0123456789 abcdefghij ABCDEFGHIJ');
const position = { source: 's', timeline: 1, key: '0000000000000001' };
const header = { journal: 'j', epoch: 1n, seq: 0n, prev: 1n, source: 's', timeline: 1, after: null, slice: null, clock: 1n };
const version = newTableVersion(
  plainTable('t', {
    id: { kind: 'integer', bits: 64 },
    account: { kind: 'integer', bits: 32 },
    amount: { kind: 'decimal', precision: 12, scale: 2 },
    created: { kind: 'timestamp', precision: 6, withZone: true },
    name: { kind: 'text', maxLength: null, padded: false },
    rate: { kind: 'float', bits: 64 },
    active: { kind: 'boolean' },
    note: { kind: 'text', maxLength: null, padded: false },
    region: { kind: 'integer', bits: 16 },
    gone: { kind: 'text', maxLength: null, padded: false },
  }),
  1,
);

const builder = new BlockBuilder();

function write(): Uint8Array {
  builder.begin('1234', { position, atMicros: 1n });
  for (let id = 0; id < ROWS; id++) {
    const row = builder.insert(version);
    row.integer(id + 5_000_000_000);
    row.integer(id);
    row.string(text, 0, 10);
    row.string(text, 0, 29);
    row.string(text, 0, 20);
    row.float(id / 3);
    row.boolean(true);
    row.string(text, 0, 90);
    row.integer(id & 0xff);
    row.null();
    row.end();
  }
  builder.commit(position, ROWS, 1n);
  return builder.seal(header, 1);
}

const image = new ImageReader();
const types = ['long', 'int', 'string', 'string', 'string', 'double', 'boolean', 'string', 'int', 'string'];

/** Reads every column of every row; the result keeps the reads from being optimised away. */
function read(framed: Uint8Array): number {
  let sum = 0;
  const events = decodeBlock(framed, 0n, () => version).events();
  for (let kind = events.next(); kind !== undefined; kind = events.next()) {
    if (kind !== 'insert') continue;
    image.open(events.table, events.bytes, events.afterStart, events.afterEnd);
    for (const type of types) {
      if (image.next() !== COLUMN.value) continue;
      if (type === 'long') {
        image.long();
        sum += image.low;
      } else if (type === 'int') sum += image.int();
      else if (type === 'double') sum += image.double();
      else if (type === 'boolean') sum += image.boolean() ? 1 : 0;
      else {
        image.blob();
        sum += image.blobEnd - image.blobStart;
      }
    }
    image.expectEnd();
  }
  return sum;
}

function microsPerRow(round: () => void): number {
  for (let warm = 0; warm < 50; warm++) round();
  const start = process.cpuUsage();
  for (let index = 0; index < ROUNDS; index++) round();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / (ROUNDS * ROWS);
}

const framed = write();
process.stdout.write(`block of ${ROWS} rows: ${framed.length} bytes\n`);
process.stdout.write(`write ${microsPerRow(() => void write()).toFixed(2)} µs/row\n`);
process.stdout.write(`read  ${microsPerRow(() => void read(framed)).toFixed(2)} µs/row\n`);
