import { finished } from 'node:stream/promises';
import type { ChangeLog } from '@millrace/apply/change-log.js';
import { skipValue } from '@millrace/apply/image-layout.js';
import type { RowList } from '@millrace/apply/row-list.js';
import { COLUMN, ImageReader } from '@millrace/codec/image-reader.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import type pg from 'pg';
import copyStreams from 'pg-copy-streams';
import { FieldWriter } from './field-writer.js';
import type { WritePlan } from './write-plan.js';

const INITIAL_BYTES = 64 * 1024;
const KEPT_BYTES = 16 * 1024 * 1024;
/** PostgreSQL manual, COPY, "Binary Format": signature, flags, length of the header's extension. */
const HEADER = Buffer.concat([Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1'), Buffer.alloc(8)]);

/** Encodes row images for COPY … FROM STDIN (FORMAT binary). The buffer is used again for the next COPY. */
export class CopyBinary {
  private readonly out = new FieldWriter(INITIAL_BYTES);
  private readonly reader = new ImageReader();

  /**
   * The whole input, valid until the next call. Every written column must have a binary form.
   * @throws NotPostgresText where a value has none
   */
  encode(plan: WritePlan, log: ChangeLog, rows: RowList): Buffer {
    const { out, reader } = this;
    const { columns } = plan;
    const { version, wires } = plan.layout;
    const fields = plan.written.length;
    out.clear(KEPT_BYTES);
    out.raw(HEADER, 0, HEADER.length);
    for (let row = 0; row < rows.length; row++) {
      reader.open(version, log.buffer(rows.buffers.at(row)), rows.starts.at(row), rows.ends.at(row));
      out.int16(fields);
      for (let index = 0; index < columns.length; index++) {
        const column = columns[index];
        const state = reader.next();
        if (column == null) {
          if (state === COLUMN.value) skipValue(reader, wires[index] ?? 'string');
        } else if (state === COLUMN.value) {
          column.encode(reader, out);
        } else if (state === COLUMN.null) {
          out.null();
        } else {
          throw new MillraceError('INTERNAL', { what: 'an inserted row has all its values' });
        }
      }
      reader.expectEnd();
    }
    out.int16(-1);
    return out.content();
  }
}

/** Sends a whole COPY input, in pieces. Returns the number of rows that the server took; the input may be overwritten afterwards. */
export async function copyIn(client: pg.Client, sql: string, input: readonly Uint8Array[]): Promise<number> {
  const stream = client.query(copyStreams.from(sql));
  // All of it is in memory: waiting for the socket between the pieces would save nothing.
  for (const piece of input) stream.write(piece);
  stream.end();
  await finished(stream);
  return stream.rowCount;
}
