import { ChunkDigest } from '@millrace/codec/chunk-digest.js';
import type { LoadChunkEnded, LoadRows } from '@millrace/codec/load-record.js';
import { expect, test } from 'vitest';
import { ChunkStream } from './chunk-stream.js';

const table = { schema: 'public', table: 't' };
const part = (seq: number, text: string): LoadRows => ({
  kind: 'rows',
  epoch: 0n,
  load: '0.1',
  table,
  attempt: 1,
  chunk: 0,
  seq,
  rows: 1,
  bytes: Buffer.from(text),
});
const end = (parts: number, rows: number, text: string): LoadChunkEnded => ({
  kind: 'chunk-ended',
  epoch: 0n,
  load: '0.1',
  table,
  attempt: 1,
  chunk: 0,
  parts,
  rows,
  digest: digestOf(text),
  asOf: { source: 's', timeline: 1, key: '00' },
  keys: null,
});

function digestOf(text: string): string {
  const digest = new ChunkDigest();
  digest.update(Buffer.from(text));
  return digest.hex;
}

async function read(stream: ChunkStream): Promise<string> {
  let text = '';
  for await (const { bytes } of stream.parts()) text += Buffer.from(bytes).toString();
  return text;
}

test('a chunk whose parts, rows and digest agree is read whole', async () => {
  const stream = new ChunkStream();
  const reading = read(stream);
  await stream.push(part(0, 'a'));
  await stream.push(part(1, 'b'));
  stream.end(end(2, 2, 'ab'));
  expect(await reading).toBe('ab');
});

test('a chunk of a format whose digest is another is judged by its parts and rows', async () => {
  const stream = new ChunkStream();
  const reading = read(stream);
  await stream.push(part(0, 'a'));
  stream.end({ ...end(1, 1, 'a'), digest: null });
  expect(await reading).toBe('a');
});

test.each([
  ['a part is missing', end(3, 2, 'ab')],
  ['a row is missing', end(2, 3, 'ab')],
  ['a byte differs', end(2, 2, 'aB')],
])('where %s the sink gets an error in place of the end', async (_, record) => {
  const stream = new ChunkStream();
  const reading = read(stream);
  reading.catch(() => undefined);
  await stream.push(part(0, 'a'));
  await stream.push(part(1, 'b'));
  expect(() => stream.end(record)).toThrow(expect.objectContaining({ code: 'LOAD_CORRUPT' }));
  await expect(reading).rejects.toThrow(expect.objectContaining({ code: 'LOAD_CORRUPT' }));
});

test('a part out of its turn is refused', async () => {
  const stream = new ChunkStream();
  await expect(stream.push(part(1, 'b'))).rejects.toThrow(expect.objectContaining({ code: 'LOAD_CORRUPT' }));
});

test('the lane waits until the sink has taken a part, and no longer once the sink has closed', async () => {
  const stream = new ChunkStream();
  await stream.push(part(0, 'a'));
  let pushed = false;
  const second = stream.push(part(1, 'b')).then(() => {
    pushed = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(pushed).toBe(false);
  stream.close();
  await second;
  expect(pushed).toBe(true);
});
