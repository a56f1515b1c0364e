import { Buffer } from 'node:buffer';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { abortable } from '@millrace/flow/abort.js';
import type { Connection } from 'mysql2/promise';
import { type PacketSlice, PacketStream, serverFailure } from './packets.js';

const COM_QUERY = 0x03;
/** Largest payload of an EOF packet; a row that begins with its byte is longer (MySQL internals manual, "EOF_Packet"). */
const EOF_BYTES = 9;

/** Rows of a query, as their packets come: nothing is kept, and a reader that waits lets the server wait. */
export async function* queryPackets(
  session: Connection,
  sql: string,
  signal: AbortSignal,
): AsyncGenerator<readonly PacketSlice[], void, undefined> {
  const packets = PacketStream.send(session, Buffer.concat([Buffer.from([COM_QUERY]), Buffer.from(sql, 'utf8')]));
  // Column count, column definitions, EOF, rows, EOF; an error may come in any place.
  let ends = 0;
  packets.isLast = (packet) => isError(packet) || (isEnd(packet) && ++ends === 2);
  let columns = true;
  for (;;) {
    const rows: PacketSlice[] = [];
    for (let packet = packets.next(); packet !== undefined; packet = packets.next()) {
      if (isError(packet)) throw serverFailure(packet);
      if (isEnd(packet)) {
        if (!columns) {
          if (rows.length > 0) yield rows;
          return;
        }
        columns = false;
      } else if (!columns) rows.push(packet);
      else if (packet.bytes[packet.start] === 0x00)
        throw new MillraceError('SOURCE_BINLOG_PROTOCOL', { what: 'no rows in answer to a SELECT' });
    }
    if (rows.length > 0) yield rows;
    await abortable(packets.more(), signal);
  }
}

function isError({ bytes, start }: PacketSlice): boolean {
  return bytes[start] === 0xff;
}

function isEnd({ bytes, start, end }: PacketSlice): boolean {
  return bytes[start] === 0xfe && end - start < EOF_BYTES;
}
