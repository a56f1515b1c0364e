import type { Buffer } from 'node:buffer';
import type { ChangeLog } from '@millrace/apply/change-log.js';
import { skipValue } from '@millrace/apply/image-layout.js';
import type { RowList } from '@millrace/apply/row-list.js';
import { COLUMN, ImageReader } from '@millrace/codec/image-reader.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { FieldWriter } from './field-writer.js';
import type { Statement } from './statements.js';
import type { WritePlan } from './write-plan.js';

const INITIAL_BYTES = 4 * 1024;
const KEPT_BYTES = 1024 * 1024;
/** ndim, flags, element type, dimension and lower bound (array_recv in arrayfuncs.c). */
const FLAGS_AT = 4;

/** Encodes columns of row images as binary array parameters. The buffers are used again for the next statement. */
export class ArrayParameters {
  private readonly writers: FieldWriter[] = [];
  private readonly reader = new ImageReader();

  /**
   * One array per parameter of the statement, valid until the next call.
   * @throws NotPostgresText where a value has no binary form
   */
  encode(plan: WritePlan, statement: Statement, log: ChangeLog, rows: RowList): Buffer[] {
    const outs = statement.parameters.map((column, index) => this.start(index, column.parameterOid, rows.length));
    const byColumn = plan.columns.map((column) => {
      const at = column === null ? -1 : statement.parameters.indexOf(column);
      const out = outs[at];
      return column === null || out === undefined ? undefined : { encode: column.encode, out };
    });
    const last = byColumn.findLastIndex((target) => target !== undefined);
    const { reader } = this;
    const { version, wires } = plan.layout;
    for (let row = 0; row < rows.length; row++) {
      reader.open(version, log.buffer(rows.buffers.at(row)), rows.starts.at(row), rows.ends.at(row));
      for (let column = 0; column <= last; column++) {
        const target = byColumn[column];
        const state = reader.next();
        if (target === undefined) {
          if (state === COLUMN.value) skipValue(reader, wires[column] ?? 'string');
        } else if (state === COLUMN.value) {
          target.encode(reader, target.out);
        } else if (state === COLUMN.null) {
          target.out.null();
          target.out.patchInt32(FLAGS_AT, 1);
        } else {
          throw new MillraceError('INTERNAL', { what: 'an unchanged column is not written' });
        }
      }
    }
    return outs.map((out) => out.content());
  }

  private start(index: number, elementOid: number, count: number): FieldWriter {
    const out = this.writers[index] ?? new FieldWriter(INITIAL_BYTES);
    this.writers[index] = out;
    out.clear(KEPT_BYTES);
    out.int32(1);
    out.int32(0);
    out.int32(elementOid);
    out.int32(count);
    out.int32(1);
    return out;
  }
}
