import type { DeadLetter } from '@millrace/contract/sink.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import type { ByteReader } from './byte-reader.js';
import { ByteWriter } from './byte-writer.js';
import { openFrame, registryIdOf, startFrame } from './framing.js';
import { positionKeyBytes, positionKeyText } from './position.js';

const text = (name: string) => ({ name, type: 'string' });

/** Schema of a dead-letter topic's records: a change that the target refused, kept whole. */
export const DEAD_LETTER_SCHEMA_JSON = JSON.stringify({
  type: 'record',
  name: 'DeadLetter',
  namespace: 'millrace',
  fields: [
    { name: 'id', type: 'long' },
    text('schema'),
    text('table'),
    text('source'),
    { name: 'timeline', type: 'long' },
    { name: 'key', type: 'bytes', doc: "Of the transaction's position." },
    { name: 'ordinal', type: 'int', doc: 'Of the event in its transaction.' },
    { ...text('kind'), doc: 'insert, update, delete or load' },
    text('code'),
    text('message'),
    { name: 'before', type: ['null', 'string'], doc: 'The old image as JSON with exact values.' },
    { name: 'after', type: ['null', 'string'], doc: 'The new image as JSON with exact values.' },
  ],
});

export function encodeDeadLetter(letter: DeadLetter, schemaId: number): Uint8Array {
  const out = new ByteWriter(1024);
  startFrame(out, schemaId);
  out.long(letter.id);
  out.text(letter.table.schema);
  out.text(letter.table.table);
  out.text(letter.position.source);
  out.safeLong(letter.position.timeline);
  const key = positionKeyBytes(letter.position);
  out.blob(key, 0, key.length);
  out.int(letter.ordinal);
  out.text(letter.kind);
  out.text(letter.code);
  out.text(letter.message);
  for (const image of [letter.before, letter.after]) {
    out.int(image === null ? 0 : 1);
    if (image !== null) out.text(image);
  }
  return out.toBytes();
}

/** @throws MillraceError RECORD_FOREIGN, JOURNAL_CORRUPT, RECORD_TOO_LARGE */
export function decodeDeadLetter(framed: Uint8Array, schemaId: number, where: string): DeadLetter {
  const id = registryIdOf(framed, where);
  if (id !== schemaId) throw new MillraceError('RECORD_FOREIGN', { where, what: `its schema has the registry id ${id}` });
  const reader = openFrame(framed, where);
  const letter = {
    id: reader.bigint(),
    table: { schema: reader.text(), table: reader.text() },
    position: { source: reader.text(), timeline: reader.safeLong(), key: readKey(reader) },
    ordinal: reader.int(),
    kind: readKind(reader),
    code: reader.text(),
    message: reader.text(),
    before: reader.optional() ? reader.text() : null,
    after: reader.optional() ? reader.text() : null,
  };
  reader.expectEnd();
  return letter;
}

function readKey(reader: ByteReader): string {
  reader.blob();
  return positionKeyText(reader.bytes, reader.blobStart, reader.blobEnd);
}

function readKind(reader: ByteReader): DeadLetter['kind'] {
  const kind = reader.text();
  if (kind === 'insert' || kind === 'update' || kind === 'delete' || kind === 'load') return kind;
  throw reader.corrupt(`there is no dead letter of kind "${kind}"`);
}
