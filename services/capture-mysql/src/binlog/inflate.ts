import type { Buffer } from 'node:buffer';
import { inflateSync } from 'node:zlib';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import type { EventReader } from './event-reader.js';

/** The largest event that either server writes (max_allowed_packet's own limit). */
const MAX_BYTES = 1024 * 1024 * 1024;

/** The rest of a compressed event of MariaDB: a byte that says how many bytes of length follow, the length, and zlib's bytes. */
export function inflatedBytes(body: EventReader): Buffer {
  const head = body.uint8();
  const widths = head & 0x07;
  const algorithm = (head & 0x70) >> 4;
  if (algorithm !== 0 || widths < 1 || widths > 4)
    throw new MillraceError('SOURCE_BINLOG_PROTOCOL', { what: `a compressed event of algorithm ${algorithm}` });
  const length = body.slice(widths).readUIntBE(0, widths);
  if (length > MAX_BYTES) throw new MillraceError('SOURCE_BINLOG_PROTOCOL', { what: `an event of ${length} bytes` });
  const bytes = inflateSync(body.slice(body.left), { maxOutputLength: Math.max(length, 1) });
  if (bytes.length !== length)
    throw new MillraceError('SOURCE_BINLOG_PROTOCOL', { what: 'a compressed event of another length than it says' });
  return bytes;
}
