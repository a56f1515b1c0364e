import { CHECKSUM_TYPE } from './framing.js';

const tableId = { type: 'record', name: 'TableId', fields: fields({ schema: 'string', table: 'string' }) };
const position = { type: 'record', name: 'Position', fields: fields({ source: 'string', timeline: 'long', key: 'bytes' }) };
const keyRange = {
  type: 'record',
  name: 'KeyRange',
  fields: fields({ column: 'string', order: 'string', from: ['null', 'string'], to: ['null', 'string'] }),
};

function fields(types: Readonly<Record<string, unknown>>) {
  return Object.entries(types).map(([name, type]) => ({ name, type }));
}

function record(name: string, types: Readonly<Record<string, unknown>>, doc: string) {
  return { type: 'record', name, doc, fields: fields(types) };
}

function began(format: LoadFormat) {
  const one = record(
    'Began',
    {
      registryId: 'int',
      attempt: 'int',
      asOf: position,
      restart: 'boolean',
      encoding: 'string',
      estimatedRows: 'long',
      estimatedBytes: 'long',
    },
    'An attempt begins, in the snapshot at asOf; restart: what earlier ones brought does not count.',
  );
  if (format === 1) return one;
  const doc = "The source's clock before the snapshot was taken, in microseconds since 1970. Null: the attempt reads nothing.";
  return { ...one, fields: [...one.fields, { name: 'takenAt', type: ['null', 'long'], doc, default: null }] };
}

const cancelled = record(
  'Cancelled',
  { error: ['null', { type: 'record', name: 'LoadError', fields: fields({ code: 'string', message: 'string' }) }] },
  'The load brings no rows any more. With an error, it could not be read and is set aside; without, the journal drops it or sets it aside.',
);

/**
 * Versions of a load topic's records. 2 adds the snapshot's time to Began, and Cancelled; 3 has another digest. Each has a schema id of its
 * own, by which a reader tells them apart.
 */
export type LoadFormat = 1 | 2 | 3;

/** Schema of every record of a load topic, `millrace.Load`. A name is defined where it is used first. */
const loadSchema = (format: LoadFormat): string =>
  JSON.stringify({
    type: 'record',
    name: 'Load',
    namespace: 'millrace',
    fields: fields({
      checksum: CHECKSUM_TYPE,
      epoch: 'long',
      load: 'string',
      table: tableId,
      event: [
        record('Requested', { registryId: 'int' }, 'The table is to be loaded, in this version.'),
        began(format),
        record(
          'ChunkBegan',
          { attempt: 'int', index: 'int', locator: 'string', keys: ['null', keyRange], lane: 'int' },
          'A chunk was cut; its rows come in this lane.',
        ),
        record(
          'Rows',
          { attempt: 'int', chunk: 'int', seq: 'int', rows: 'int', bytes: 'bytes' },
          'Whole rows of a chunk; seq counts the records of the attempt from 0.',
        ),
        record(
          'ChunkEnded',
          {
            attempt: 'int',
            chunk: 'int',
            parts: 'int',
            rows: 'long',
            digest: 'string',
            asOf: 'Position',
            keys: ['null', 'KeyRange'],
          },
          `The attempt at the chunk is complete: what its Rows together come to; digest is the ${format < 3 ? 'SHA-256' : 'CRC-32C'} of their bytes.`,
        ),
        record('Ended', { attempt: 'int', chunks: 'int' }, 'The table was cut into this many chunks, and all are complete.'),
        ...(format === 1 ? [] : [cancelled]),
      ],
    }),
  });

/** What is written. */
export const LOAD_SCHEMA_JSON = loadSchema(3);
/** What was written before, and is read for ever. */
export const LOAD_SCHEMA_1_JSON = loadSchema(1);
export const LOAD_SCHEMA_2_JSON = loadSchema(2);

/** Index of each kind in the union. */
export const LOAD_EVENT = {
  requested: 0,
  began: 1,
  'chunk-began': 2,
  rows: 3,
  'chunk-ended': 4,
  ended: 5,
  cancelled: 6,
} as const;
