import { Buffer } from 'node:buffer';
import type { RowWriter } from '@millrace/contract/events.js';
import { type Row, UNCHANGED, type Value } from '@millrace/contract/row.js';
import type { TableVersion } from '@millrace/contract/table.js';
import { assertNever, MillraceError } from '@millrace/errors/millrace-error.js';
import { ByteWriter } from './byte-writer.js';
import { COLUMN, ImageReader } from './image-reader.js';
import { RowImageWriter, wireTypesOf } from './row-image-writer.js';
import type { WireType } from './wire-type.js';

const reader = new ImageReader();

/**
 * A row image as values in column order: the slow path, for mapping rules and printing.
 * @throws MillraceError ROW_IMAGE_CORRUPT where the bytes are not an image by this version's schema.
 */
export function decodeRow(version: TableVersion, bytes: Uint8Array, start: number, end: number): Row {
  reader.open(version, bytes, start, end);
  const row = wireTypesOf(version).map((type) => {
    const state = reader.next();
    if (state === COLUMN.value) return readValue(type);
    return state === COLUMN.null ? null : UNCHANGED;
  });
  reader.expectEnd();
  return row;
}

function readValue(type: WireType): Value {
  switch (type) {
    case 'boolean':
      return reader.boolean();
    case 'int':
      return reader.int();
    case 'long':
      return reader.bigint();
    case 'float':
      return reader.float();
    case 'double':
      return reader.double();
    case 'bytes':
      return new Uint8Array(reader.blobView());
    case 'string':
      return reader.text();
    default:
      return assertNever(type);
  }
}

/**
 * The image of a row of values: int columns take numbers, long columns bigints, text columns strings.
 * @throws MillraceError VALUE_UNENCODABLE where a value is of another kind, or a text holds half a surrogate pair.
 */
export function encodeRow(version: TableVersion, row: Row): Uint8Array {
  const out = new ByteWriter(256);
  const image = new RowImageWriter(out, () => undefined);
  image.open(version);
  writeRow(version, row, image);
  return out.toBytes();
}

/** Writes all columns and ends the image. */
export function writeRow(version: TableVersion, row: Row, image: RowWriter): void {
  const types = wireTypesOf(version);
  row.forEach((value, index) => {
    if (value === null) image.null();
    else if (value === UNCHANGED) image.unchanged();
    else if (typeof value === 'boolean') image.boolean(value);
    else if (typeof value === 'bigint') image.bigint(value);
    else if (typeof value === 'number') writeNumber(value, types[index], image);
    else if (typeof value === 'string') writeText(value, version, index, image);
    else image.bytes(value, 0, value.length);
  });
  image.end();
}

function writeNumber(value: number, type: WireType | undefined, image: RowWriter): void {
  if (type === 'float' || type === 'double') image.float(value);
  else image.integer(value);
}

function writeText(value: string, version: TableVersion, index: number, image: RowWriter): void {
  // UTF-8 has no form for half a surrogate pair: it would silently become U+FFFD.
  if (/\p{Surrogate}/u.test(value)) {
    const { id, columns } = version.schema;
    throw new MillraceError('VALUE_UNENCODABLE', {
      table: `${id.schema}.${id.table}`,
      column: columns[index]?.name ?? `number ${index + 1}`,
      wire: 'string',
      what: 'its text holds half a surrogate pair',
    });
  }
  const bytes = Buffer.from(value, 'utf8');
  image.string(bytes, 0, bytes.length);
}
