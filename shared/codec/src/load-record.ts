import type { ChunkEncoding, ChunkSpec, KeyRange } from '@millrace/contract/load.js';
import type { Position } from '@millrace/contract/position.js';
import type { TableId } from '@millrace/contract/table.js';
import { assertNever, invariant, MillraceError } from '@millrace/errors/millrace-error.js';
import type { ByteReader } from './byte-reader.js';
import { ByteWriter } from './byte-writer.js';
import { openChecksummedFrame, registryIdOf, sealChecksum, startChecksummedFrame } from './framing.js';
import { LOAD_EVENT, type LoadFormat } from './load-schema.js';
import { positionKeyBytes, positionKeyText } from './position.js';

/** Every event of a load says whose it is. `table` is the table's name in the source. */
interface OfLoad {
  readonly load: string;
  readonly table: TableId;
}

/** One attempt at the chunk `chunk`. */
interface OfChunk extends OfLoad {
  readonly attempt: number;
  readonly chunk: number;
}

export type LoadEvent =
  | ({ readonly kind: 'requested'; readonly registryId: number } & OfLoad)
  /** `restart`: what earlier attempts brought does not count. */
  | ({
      readonly kind: 'began';
      readonly registryId: number;
      readonly attempt: number;
      readonly asOf: Position;
      readonly restart: boolean;
      readonly encoding: ChunkEncoding;
      readonly estimatedRows: number;
      readonly estimatedBytes: number;
      /** The snapshot's `takenAtMicros`; null where the attempt reads nothing, or was written in format 1. */
      readonly takenAtMicros: bigint | null;
    } & OfLoad)
  | ({ readonly kind: 'chunk-began'; readonly attempt: number; readonly chunk: ChunkSpec; readonly lane: number } & OfLoad)
  /** Whole rows; `seq` counts the attempt's parts from 0. `bytes` of a decoded record is a view of the message. */
  | ({ readonly kind: 'rows'; readonly seq: number; readonly rows: number; readonly bytes: Uint8Array } & OfChunk)
  /** The chunk is complete: `parts` many 'rows' with `rows` rows; `digest` is a ChunkDigest's, null in formats that had another. */
  | ({
      readonly kind: 'chunk-ended';
      readonly parts: number;
      readonly rows: number;
      readonly digest: string | null;
      readonly asOf: Position;
      readonly keys: KeyRange | null;
    } & OfChunk)
  | ({ readonly kind: 'ended'; readonly attempt: number; readonly chunks: number } & OfLoad)
  /**
   * The load ends without its rows. `error`: the table cannot be read and is set aside with it; null: a Schema event that the journal
   * has in force drops the table or sets it aside.
   */
  | ({ readonly kind: 'cancelled'; readonly error: LoadError | null } & OfLoad);

export interface LoadError {
  readonly code: string;
  readonly message: string;
}

/** A record of a load topic: an event, and the epoch of the capture that wrote it (a higher one fences a lower one). */
export type LoadRecord = LoadEvent & { readonly epoch: bigint };

export type LoadBegan = LoadRecord & { readonly kind: 'began' };
export type LoadRows = LoadRecord & { readonly kind: 'rows' };
export type LoadChunkEnded = LoadRecord & { readonly kind: 'chunk-ended' };

/** Registry ids of the load topic's schemas (load-schema.ts). */
export interface LoadSchemaIds {
  readonly load: number;
  /** Of records in formats 1 and 2; null: the registry has no such schema for this topic, so there are none. */
  readonly load1: number | null;
  readonly load2: number | null;
}

/** The names, ids and numbers of a record; rarely more, and the buffer grows where it is. */
const HEAD_BYTES = 512;
/** A writer that grew beyond it, for a huge row, gives its room back. */
const KEPT_BYTES = 4 * 1024 * 1024;

/** A writer for encodeLoadRecord that is used again, from record to record. */
export function loadRecordWriter(): ByteWriter {
  return new ByteWriter(HEAD_BYTES);
}

/** The framed record; the rows of a chunk are copied once, into it. It is valid until `out` is written to again. */
export function encodeLoadRecord(record: LoadRecord, loadSchemaId: number, out = loadRecordWriter()): Uint8Array {
  out.clear(KEPT_BYTES);
  if (record.kind === 'rows') out.reserve(HEAD_BYTES + record.bytes.length);
  startChecksummedFrame(out, loadSchemaId);
  out.long(record.epoch);
  out.text(record.load);
  out.text(record.table.schema);
  out.text(record.table.table);
  out.int(LOAD_EVENT[record.kind]);
  writeEvent(out, record);
  const framed = out.bytes.subarray(0, out.length);
  sealChecksum(framed);
  return framed;
}

function writeEvent(out: ByteWriter, event: LoadEvent): void {
  switch (event.kind) {
    case 'requested':
      out.int(event.registryId);
      break;
    case 'began':
      out.int(event.registryId);
      out.int(event.attempt);
      writePosition(out, event.asOf);
      out.boolean(event.restart);
      out.text(event.encoding);
      out.safeLong(Math.round(event.estimatedRows));
      out.safeLong(Math.round(event.estimatedBytes));
      out.int(event.takenAtMicros === null ? 0 : 1);
      if (event.takenAtMicros !== null) out.long(event.takenAtMicros);
      break;
    case 'chunk-began':
      out.int(event.attempt);
      out.int(event.chunk.index);
      out.text(event.chunk.locator);
      writeKeys(out, event.chunk.keys);
      out.int(event.lane);
      break;
    case 'rows':
      out.int(event.attempt);
      out.int(event.chunk);
      out.int(event.seq);
      out.int(event.rows);
      out.blob(event.bytes, 0, event.bytes.length);
      break;
    case 'chunk-ended':
      out.int(event.attempt);
      out.int(event.chunk);
      out.int(event.parts);
      out.safeLong(event.rows);
      invariant(event.digest !== null, 'a digest is written in the format of today');
      out.text(event.digest);
      writePosition(out, event.asOf);
      writeKeys(out, event.keys);
      break;
    case 'ended':
      out.int(event.attempt);
      out.int(event.chunks);
      break;
    case 'cancelled':
      out.int(event.error === null ? 0 : 1);
      if (event.error === null) break;
      out.text(event.error.code);
      out.text(event.error.message);
      break;
    default:
      assertNever(event);
  }
}

function writePosition(out: ByteWriter, position: Position): void {
  out.text(position.source);
  out.safeLong(position.timeline);
  const key = positionKeyBytes(position);
  out.blob(key, 0, key.length);
}

function writeKeys(out: ByteWriter, keys: KeyRange | null): void {
  out.int(keys === null ? 0 : 1);
  if (keys === null) return;
  out.text(keys.column);
  out.text(keys.order);
  for (const bound of [keys.from, keys.to]) {
    out.int(bound === null ? 0 : 1);
    if (bound !== null) out.text(bound);
  }
}

/**
 * Reads a record of a load topic; `where` names its place for messages (`load partition 2 offset 17`).
 * @throws MillraceError RECORD_FOREIGN where its schema is another, JOURNAL_CORRUPT, RECORD_TOO_LARGE
 */
export function decodeLoadRecord(framed: Uint8Array, ids: LoadSchemaIds, where: string): LoadRecord {
  const id = registryIdOf(framed, where);
  const format = id === ids.load ? 3 : id === ids.load2 ? 2 : id === ids.load1 ? 1 : null;
  if (format === null) throw new MillraceError('RECORD_FOREIGN', { where, what: `its schema has the registry id ${id}` });
  const reader = openChecksummedFrame(framed, where);
  const epoch = reader.bigint();
  const load = reader.text();
  const table = { schema: reader.text(), table: reader.text() };
  const record = { epoch, ...readEvent(reader, { load, table }, format) };
  reader.expectEnd();
  return record;
}

function readEvent(reader: ByteReader, of: OfLoad, format: LoadFormat): LoadEvent {
  const kind = reader.int();
  switch (kind) {
    case LOAD_EVENT.requested:
      return { kind: 'requested', ...of, registryId: reader.int() };
    case LOAD_EVENT.began:
      return {
        kind: 'began',
        ...of,
        registryId: reader.int(),
        attempt: reader.int(),
        asOf: readPosition(reader),
        restart: reader.boolean(),
        encoding: readEncoding(reader),
        estimatedRows: reader.safeLong(),
        estimatedBytes: reader.safeLong(),
        takenAtMicros: format > 1 && reader.optional() ? reader.bigint() : null,
      };
    case LOAD_EVENT['chunk-began']:
      return {
        kind: 'chunk-began',
        ...of,
        attempt: reader.int(),
        chunk: { index: reader.int(), locator: reader.text(), keys: readKeys(reader) },
        lane: reader.int(),
      };
    case LOAD_EVENT.rows:
      return {
        kind: 'rows',
        ...of,
        attempt: reader.int(),
        chunk: reader.int(),
        seq: reader.int(),
        rows: reader.int(),
        bytes: reader.blobView(),
      };
    case LOAD_EVENT['chunk-ended']:
      return {
        kind: 'chunk-ended',
        ...of,
        attempt: reader.int(),
        chunk: reader.int(),
        parts: reader.int(),
        rows: reader.safeLong(),
        digest: readDigest(reader, format),
        asOf: readPosition(reader),
        keys: readKeys(reader),
      };
    case LOAD_EVENT.ended:
      return { kind: 'ended', ...of, attempt: reader.int(), chunks: reader.int() };
    case LOAD_EVENT.cancelled:
      return { kind: 'cancelled', ...of, error: reader.optional() ? { code: reader.text(), message: reader.text() } : null };
    default:
      throw reader.corrupt(`there is no load event ${kind}`);
  }
}

function readDigest(reader: ByteReader, format: LoadFormat): string | null {
  const digest = reader.text();
  return format < 3 ? null : digest;
}

function readPosition(reader: ByteReader): Position {
  const source = reader.text();
  const timeline = reader.safeLong();
  reader.blob();
  return { source, timeline, key: positionKeyText(reader.bytes, reader.blobStart, reader.blobEnd) };
}

function readEncoding(reader: ByteReader): ChunkEncoding {
  const encoding = reader.text();
  if (encoding === 'rows' || encoding === 'postgresql-copy-text') return encoding;
  throw reader.corrupt(`there is no chunk encoding "${encoding}"`);
}

function readKeys(reader: ByteReader): KeyRange | null {
  if (!reader.optional()) return null;
  const column = reader.text();
  const order = reader.text();
  if (order !== 'integer' && order !== 'bytes') throw reader.corrupt(`there is no key order "${order}"`);
  return { column, order, from: reader.optional() ? reader.text() : null, to: reader.optional() ? reader.text() : null };
}
