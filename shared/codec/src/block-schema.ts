import { CHECKSUM_TYPE } from './framing.js';

function record(name: string, fields: readonly unknown[]) {
  return { type: 'record', name, fields };
}

function field(name: string, type: unknown, doc?: string) {
  return doc === undefined ? { name, type } : { name, type, doc };
}

/**
 * Versions of a block. 2 adds the transaction's commit to Begin and the clock to the header. Each has the schema id of its own, by
 * which a reader tells them apart.
 */
export type BlockFormat = 1 | 2;

function optional(name: string, type: unknown, doc: string) {
  return { name, type: ['null', type], doc, default: null };
}

const commitAhead = record('CommitAhead', [
  field('key', 'bytes', "Where the log holds the commit: not before an earlier Commit's key, not behind its own."),
  field('at', 'long', 'Microseconds since 1970.'),
]);

const events = (format: BlockFormat) => [
  record('Begin', [
    field('xid', 'string'),
    ...(format === 1 ? [] : [optional('commit', commitAhead, 'Null: the source does not say it ahead.')]),
  ]),
  record('Insert', [field('table', 'int'), field('after', 'bytes')]),
  record('Update', [field('table', 'int'), field('before', ['null', 'bytes']), field('after', 'bytes')]),
  record('Delete', [field('table', 'int'), field('before', 'bytes')]),
  record('Truncate', [
    field('tables', { type: 'array', items: 'int' }),
    field('cascade', 'boolean'),
    field('restartIdentity', 'boolean'),
  ]),
  record('Schema', [
    field('table', 'int'),
    field('change', [
      record('Version', []),
      record('Load', [field('load', 'string'), field('reason', 'string')]),
      record('Dropped', []),
      record('Failed', [field('code', 'string'), field('message', 'string')]),
    ]),
  ]),
  record('Commit', [
    field('key', 'bytes'),
    field('events', 'int', 'Insert, Update, Delete and Truncate events of the transaction.'),
    field('committedAt', 'long', 'Microseconds since 1970.'),
  ]),
  record('Progress', [field('key', 'bytes')]),
];

/** A run of whole transactions, or a slice of one large transaction. */
function blockSchema(format: BlockFormat): string {
  return JSON.stringify({ type: 'record', name: 'Block', namespace: 'millrace', fields: blockFields(format) });
}

function blockFields(format: BlockFormat) {
  return [
    field('checksum', CHECKSUM_TYPE, 'CRC-32, big-endian, of all bytes behind it.'),
    field('journal', 'string', 'Random id of the journal.'),
    field('epoch', 'long', 'Offset of the Takeover of the incarnation that wrote the block.'),
    field('seq', 'long', '0, 1, 2 … within the epoch.'),
    field('prev', 'long', 'Offset of the record of this incarnation before this one.'),
    field('source', 'string', 'Identity of the source; holds for every position in the block.'),
    field('timeline', 'long', 'Timeline of the Commit and Progress events in the block.'),
    field(
      'after',
      ['null', record('After', [field('timeline', 'long'), field('key', 'bytes')])],
      'Position of the last Commit or Progress before the block; in a slice, before its transaction. Null: none yet.',
    ),
    field('upTo', ['null', 'bytes'], 'Key of the last Commit or Progress in the block; null: it holds none.'),
    field(
      'slice',
      ['null', record('Slice', [field('index', 'int'), field('first', 'long'), field('last', 'boolean')])],
      'Present where the block is part of one large transaction; first is the offset of slice 0, -1 in slice 0 itself.',
    ),
    field(
      'tables',
      { type: 'array', items: record('Table', [field('registryId', 'int'), field('fingerprint', 'string')]) },
      'Table versions that events refer to by their index; row images are Avro by the schema of that id.',
    ),
    ...(format === 1
      ? []
      : [
          optional(
            'clock',
            'long',
            "Latest commit time, in microseconds since 1970, of every transaction begun up to the block's end.",
          ),
        ]),
    field('transactions', 'int', 'Commit events in the block.'),
    field('rows', 'int', 'Insert, Update and Delete events in the block.'),
    field('schemas', 'int', 'Schema events in the block.'),
    field('events', { type: 'array', items: events(format) }),
  ];
}

/** What is written. */
export const BLOCK_SCHEMA_JSON = blockSchema(2);
/** What was written before, and is read for ever. */
export const BLOCK_SCHEMA_1_JSON = blockSchema(1);

/** A new incarnation of the capture claims the journal. It names no position: it is written before the tail is read. */
export const TAKEOVER_SCHEMA_JSON = JSON.stringify({
  type: 'record',
  name: 'Takeover',
  namespace: 'millrace',
  fields: [
    field('checksum', CHECKSUM_TYPE, 'CRC-32, big-endian, of all bytes behind it.'),
    field('journal', 'string'),
    field('epoch', 'long', "The log's end when the claim was made."),
    field('nonce', 'string', 'Tells this claim from another one of the same epoch.'),
  ],
});

/** Index of each event in the union of `events`. */
export const EVENT = { begin: 0, insert: 1, update: 2, delete: 3, truncate: 4, schema: 5, commit: 6, progress: 7 } as const;

/** Index of each change in the union of a Schema event's `change`. */
export const CHANGE = { version: 0, load: 1, dropped: 2, error: 3 } as const;
